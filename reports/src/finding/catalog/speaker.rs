//! The findings about speakers. The order is the order among equals.

use super::entry::Entry;
use crate::model::finding::Complaint::ChoppyAudio;
use crate::model::verdict::Capability::{self, Hear, Speak};

const HEAR: &[Capability] = &[Hear];

pub(super) const SPEAKER: &[Entry] = &[
    unusable(
        "device.speaker.none",
        "There is no speaker",
        "None is connected, or the system does not see it: a loose plug, a headset that is turned \
         off, or a virtual machine that has none.",
        "Plug in a speaker or headset, or turn it on, and run the check again. Without one you can \
         join and speak, but not hear the others.",
    ),
    unusable(
        "device.speaker.access_refused",
        "This program may not use the speaker",
        "A sandbox or missing rights keep it from the sound system.",
        "Allow sound for this program in the system's settings. On Linux without a sound server, \
         your user has to be in the group `audio`.",
    ),
    unusable(
        "device.speaker.busy",
        "Another program uses the speaker",
        "It is opened for one program alone, and another call, a player or a sound server has it.",
        "Close the other program, then run the check again.",
    ),
    unusable(
        "device.speaker.failed",
        "The speaker cannot be used",
        "It does not open or start, or offers nothing that a call can use: a loose plug, a sound \
         server that does not run, or a driver that is missing or broken.",
        "Unplug the speaker and plug it in again, at another port. If that does not help, restart \
         the machine, or choose another speaker.",
    ),
    Entry {
        id: "device.speaker.vanished",
        title: "The speaker went away during the check",
        cause: "It was unplugged, a radio headset was turned off or out of reach, or its cable or \
                port has a loose contact.",
        remedy: "Plug it in firmly, or charge the headset and come closer, and run the check \
                 again. If it happens again, try another cable or port.",
        complaints: &[ChoppyAudio],
        capabilities: HEAR,
        consequences: &["device.speaker.*"],
    },
    Entry {
        id: "device.speaker.stalled",
        title: "The speaker's sound breaks off",
        cause: "The device, its driver or the sound server hangs, or the connection to a radio \
                headset is bad.",
        remedy: "Unplug the speaker and plug it in again; with a radio headset, connect it anew. \
                 If it happens again, restart the machine.",
        complaints: &[ChoppyAudio],
        capabilities: HEAR,
        consequences: &["device.speaker.xruns", "device.speaker.not_heard"],
    },
    Entry {
        id: "device.speaker.muted",
        title: "The speaker is muted",
        cause: "It is switched off, or its volume is down to nothing, in the system's sound \
                settings.",
        remedy: "Turn it on in the system's sound settings or by the keys of the keyboard, and set \
                 its volume to the middle or above.",
        complaints: &[],
        capabilities: HEAR,
        consequences: &["device.speaker.not_heard"],
    },
    Entry {
        id: "device.speaker.xruns",
        title: "The speaker gets its sound too late",
        cause: "This machine does not deliver the samples in time: other programs keep the \
                processor busy, or buffers are too small. You hear cracks and gaps.",
        remedy: "Close programs you do not need, choose a balanced power mode, and plug a USB \
                 speaker directly into the machine.",
        complaints: &[ChoppyAudio],
        capabilities: HEAR,
        consequences: &[],
    },
    Entry {
        id: "device.speaker.long_delay",
        title: "Sound takes long through the speaker and the microphone",
        cause: "A headset or speaker over Bluetooth delays sound, or the sound system's buffers \
                are large. People will talk over each other.",
        remedy: "Use a headset with a cable. With Bluetooth, choose a mode for calls or games \
                 where there is one.",
        complaints: &[ChoppyAudio],
        capabilities: &[Hear, Speak],
        consequences: &[],
    },
    Entry {
        id: "device.speaker.strong_echo",
        title: "The microphone hears the speaker loudly",
        cause: "The two are close to each other, or the speaker is loud. Where a call does not \
                cancel the echo, the others hear themselves.",
        remedy: "Use a headset, or lower the speaker's volume and move the microphone away from \
                 it.",
        complaints: &[],
        capabilities: &[Speak],
        consequences: &[],
    },
    Entry {
        id: "device.speaker.not_heard",
        title: "The microphone did not hear the speaker",
        cause: "With a headset that is as it should be. Otherwise the speaker is off, unplugged or \
                turned down, another one than you listen to was chosen, or the microphone is \
                elsewhere.",
        remedy: "If you heard the test sound, nothing has to be done. If not, turn on the speaker \
                 and turn it up, and make sure that the right one is chosen.",
        complaints: &[],
        capabilities: HEAR,
        consequences: &[],
    },
];

/// It gives nothing at all.
const fn unusable(
    id: &'static str,
    title: &'static str,
    cause: &'static str,
    remedy: &'static str,
) -> Entry {
    Entry {
        id,
        title,
        cause,
        remedy,
        complaints: &[],
        capabilities: HEAR,
        consequences: &[],
    }
}
