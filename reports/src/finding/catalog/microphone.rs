//! The findings about microphones. The order is the order among equals.

use super::entry::Entry;
use crate::model::finding::Complaint::ChoppyAudio;
use crate::model::verdict::Capability::{self, Speak};

const SPEAK: &[Capability] = &[Speak];

pub(super) const MICROPHONE: &[Entry] = &[
    without_complaint(
        "device.microphone.none",
        "There is no microphone",
        "None is connected, or the system does not see it: a loose plug, a headset that is turned \
         off, or a virtual machine that has none.",
        "Plug in a microphone or headset, or turn it on, and run the check again. Without one you \
         can join and hear; the others do not hear you.",
        &[],
    ),
    without_complaint(
        "device.microphone.access_refused",
        "This program may not use the microphone",
        "The system's privacy settings, a sandbox or missing rights keep it from the microphone.",
        "Allow the microphone for this program in the system's privacy settings. On Linux without \
         a sound server, your user has to be in the group `audio`.",
        &[],
    ),
    without_complaint(
        "device.microphone.busy",
        "Another program uses the microphone",
        "It is opened for one program alone, and another call, a recording or a sound server has \
         it.",
        "Close the other program, then run the check again.",
        &[],
    ),
    without_complaint(
        "device.microphone.failed",
        "The microphone cannot be used",
        "It does not open or start, or offers nothing that a call can use: a loose plug, a sound \
         server that does not run, or a driver that is missing or broken.",
        "Unplug the microphone and plug it in again, at another port. If that does not help, \
         restart the machine, or choose another microphone.",
        &[],
    ),
    Entry {
        id: "device.microphone.vanished",
        title: "The microphone went away during the check",
        cause: "It was unplugged, a radio headset was turned off or out of reach, or its cable or \
                port has a loose contact.",
        remedy: "Plug it in firmly, or charge the headset and come closer, and run the check \
                 again. If it happens again, try another cable or port.",
        complaints: &[ChoppyAudio],
        capabilities: SPEAK,
        consequences: &["device.microphone.*", "device.speaker.not_heard"],
    },
    Entry {
        id: "device.microphone.stalled",
        title: "The microphone's sound breaks off",
        cause: "The device, its driver or the sound server hangs, or the connection to a radio \
                headset is bad.",
        remedy: "Unplug the microphone and plug it in again; with a radio headset, connect it \
                 anew. If it happens again, restart the machine.",
        complaints: &[ChoppyAudio],
        capabilities: SPEAK,
        consequences: &[
            "device.microphone.xruns",
            "device.microphone.drift",
            "device.microphone.digital_silence",
            "device.microphone.level_low",
            "device.speaker.not_heard",
        ],
    },
    without_complaint(
        "device.microphone.muted",
        "The microphone is muted",
        "It is switched off, or its volume is down to nothing, in the system's sound settings.",
        "Turn it on in the system's sound settings, and set its volume to the middle or above.",
        &[
            "device.microphone.digital_silence",
            "device.microphone.level_low",
            "device.speaker.not_heard",
        ],
    ),
    without_complaint(
        "device.microphone.digital_silence",
        "The microphone gives nothing but silence",
        "Every sample is zero, which no room is: a switch or key at the device mutes it, the \
         system's privacy settings hold the sound back, or it is the input of a jack that nothing \
         is plugged into.",
        "Look for a mute switch at the microphone, its cable and the keyboard, allow the \
         microphone in the privacy settings, or choose another microphone.",
        &["device.microphone.level_low", "device.speaker.not_heard"],
    ),
    without_complaint(
        "device.microphone.clipping",
        "The microphone is overdriven",
        "It is set so high that loud sounds are cut off, which makes them harsh and rough.",
        "Lower the microphone's volume in the system's sound settings, turn off its boost, or \
         speak from farther away.",
        &["device.microphone.level_high"],
    ),
    without_complaint(
        "device.microphone.level_low",
        "The microphone is too quiet",
        "Its volume is set too low, it is too far away or turned away, or another microphone than \
         the one in front of you was chosen.",
        "Raise the microphone's volume in the system's sound settings, come closer, and make sure \
         that the right one is chosen.",
        &["device.speaker.not_heard"],
    ),
    without_complaint(
        "device.microphone.level_high",
        "The microphone is too loud",
        "Its volume is set high, or it is very close, so that loud words will be cut off.",
        "Lower the microphone's volume in the system's sound settings, or move it away a little.",
        &[],
    ),
    without_complaint(
        "device.microphone.hum",
        "The microphone hums",
        "The mains get into it: a cable without shielding, a power supply or lamp beside it, or \
         two devices that are grounded at different places.",
        "Move the cable away from power supplies and lamps, use another port, and run the laptop \
         on its battery to see whether its power supply is to blame. A USB microphone avoids it.",
        &["device.microphone.noisy"],
    ),
    without_complaint(
        "device.microphone.noisy",
        "The microphone is noisy",
        "The room is loud (a fan, a street, voices), or the microphone is set so high that its \
         own noise is heard.",
        "Close the window, turn off fans, and come closer to the microphone so that its volume \
         can be lowered. A headset hears less of the room.",
        &[],
    ),
    without_complaint(
        "device.microphone.narrow_band",
        "The microphone gives a telephone's sound",
        "A headset over Bluetooth sends its microphone in telephone quality, which also makes what \
         it plays dull.",
        "Use a headset with a cable, or the machine's own microphone together with the headset's \
         speakers.",
        &["device.speaker.long_delay"],
    ),
    Entry {
        id: "device.microphone.xruns",
        title: "Sound of the microphone gets lost",
        cause: "This machine does not fetch the samples in time: other programs keep the processor \
                busy, or buffers are too small. The others hear cracks and gaps.",
        remedy: "Close programs you do not need, choose a balanced power mode, and plug a USB \
                 microphone directly into the machine.",
        complaints: &[ChoppyAudio],
        capabilities: SPEAK,
        consequences: &["device.microphone.drift"],
    },
    Entry {
        id: "device.microphone.drift",
        title: "The microphone does not keep its sample rate",
        cause: "It delivers more or fewer samples a second than it says: a wrong setting of the \
                sound server, a broken driver, or a clock that a virtual machine does not keep. \
                The others hear cracks, gaps or a wrong pitch.",
        remedy: "Set the microphone to 48 kHz in the system's sound settings, update its driver, \
                 or choose another microphone.",
        complaints: &[ChoppyAudio],
        capabilities: SPEAK,
        consequences: &[],
    },
    without_complaint(
        "device.microphone.dc_offset",
        "The microphone's signal is off center",
        "A cheap or broken sound input adds a constant to every sample, which leaves less room for \
         the voice and cracks when the microphone is switched.",
        "Use another input or a USB microphone. In a sound program, a high-pass filter takes the \
         offset away.",
        &[],
    ),
    without_complaint(
        "device.microphone.dead_channel",
        "A channel of the microphone is silent",
        "A microphone for one channel sits in an input for two, or a plug or cable is broken.",
        "Push the plug all the way in. If the others hear you on one side only, choose the input \
         as mono in the system's sound settings, or replace the cable.",
        &[],
    ),
];

const fn without_complaint(
    id: &'static str,
    title: &'static str,
    cause: &'static str,
    remedy: &'static str,
    consequences: &'static [&'static str],
) -> Entry {
    Entry {
        id,
        title,
        cause,
        remedy,
        complaints: &[],
        capabilities: SPEAK,
        consequences,
    }
}
