//! The findings about cameras. The order is the order among equals.

use super::entry::Entry;
use crate::model::finding::Complaint::{self, BlurryVideo};
use crate::model::verdict::Capability::{self, Show};

const SHOW: &[Capability] = &[Show];
const BLURRY: &[Complaint] = &[BlurryVideo];

pub(super) const CAMERA: &[Entry] = &[
    unusable(
        "device.camera.none",
        "There is no camera",
        "None is connected, or the system does not see it: a loose cable, a hub without power, a \
         key or slider that turns it off, or a virtual machine that has none.",
        "Plug in a camera, or turn on the built-in one by its key or slider, and run the check \
         again. Without one you can join, hear and speak; the others do not see you.",
    ),
    unusable(
        "device.camera.access_refused",
        "This program may not use the camera",
        "The system's privacy settings, a sandbox or missing rights keep it from the camera.",
        "Allow the camera for this program in the system's privacy settings. On Linux, your user \
         has to be in the group `video`, and a sandboxed program needs permission for devices.",
    ),
    unusable(
        "device.camera.busy",
        "Another program uses the camera",
        "Most cameras serve one program at a time, and another call, a browser tab or a recording \
         has it open.",
        "Close the other program or tab, then run the check again.",
    ),
    unusable(
        "device.camera.failed",
        "The camera cannot be used",
        "It does not open or start, or offers nothing that a call can use: a loose cable, a hub \
         with too little power, or a driver that is missing or broken.",
        "Unplug the camera and plug it directly into the machine, at another port. If that does \
         not help, restart the machine, or choose another camera.",
    ),
    Entry {
        id: "device.camera.vanished",
        title: "The camera went away during the check",
        cause: "It was unplugged, or its cable, port or hub has a loose contact or too little \
                power.",
        remedy: "Plug it firmly and directly into the machine, and run the check again. If it \
                 happens again, try another cable and another port.",
        complaints: BLURRY,
        capabilities: SHOW,
        consequences: &["device.camera.*"],
    },
    Entry {
        id: "device.camera.no_frames",
        title: "The camera opens, but sends no picture",
        cause: "The camera hangs, or its port has too little bandwidth: several cameras at one \
                hub, or a slow cable.",
        remedy: "Unplug the camera and plug it directly into the machine. Close other programs \
                 that use a camera, then run the check again.",
        complaints: BLURRY,
        capabilities: SHOW,
        consequences: &[
            "device.camera.low_frame_rate",
            "device.camera.corrupt_frames",
        ],
    },
    Entry {
        id: "device.camera.covered",
        title: "Something covers the camera",
        cause: "The picture is dark and without any detail, as behind a sticker, a slider or a \
                finger.",
        remedy: "Open the slider or take away what is in front of the lens.",
        complaints: BLURRY,
        capabilities: SHOW,
        consequences: &[
            "device.camera.black",
            "device.camera.low_light",
            "device.camera.blurred",
            "device.camera.frozen",
            "device.camera.low_frame_rate",
        ],
    },
    Entry {
        id: "device.camera.black",
        title: "The camera's picture is black",
        cause: "The lens is closed, a privacy key holds the picture back, or the room is dark.",
        remedy: "Open the camera's cover, turn off its privacy key, and put on a light.",
        complaints: BLURRY,
        capabilities: SHOW,
        consequences: &[
            "device.camera.low_light",
            "device.camera.blurred",
            "device.camera.frozen",
            "device.camera.low_frame_rate",
        ],
    },
    Entry {
        id: "device.camera.frozen",
        title: "The camera's picture stands still",
        cause: "The same picture comes again and again, without even the noise that every sensor \
                has, or none comes any more: the camera or its driver hangs, or a virtual camera \
                shows a still.",
        remedy: "Unplug the camera and plug it in again. With a virtual camera, restart the \
                 program that makes its picture.",
        complaints: BLURRY,
        capabilities: SHOW,
        consequences: &["device.camera.freezes", "device.camera.low_frame_rate"],
    },
    Entry {
        id: "device.camera.corrupt_frames",
        title: "Frames of the camera are damaged",
        cause: "Data gets lost between the camera and this machine: a bad or long cable, a hub \
                that is shared, or too little power.",
        remedy: "Plug the camera directly into the machine with a short cable, at another port.",
        complaints: BLURRY,
        capabilities: SHOW,
        consequences: &["device.camera.freezes", "device.camera.low_frame_rate"],
    },
    Entry {
        id: "device.camera.freezes",
        title: "The camera's picture stops again and again",
        cause: "Its frames do not come for a moment, and go on: a loose cable, a hub that is \
                shared or has too little power, or a machine too busy to fetch them. The others \
                see a picture that jerks.",
        remedy: "Plug the camera directly into the machine, at another port, and close programs \
                 you do not need. If it happens again, try another cable.",
        complaints: BLURRY,
        capabilities: SHOW,
        consequences: &["device.camera.low_frame_rate"],
    },
    Entry {
        id: "device.camera.low_light",
        title: "There is too little light",
        cause: "The room is dark, or a window behind you makes the camera darken everything else. \
                In dim light cameras expose longer, so that motion blurs and frames get few.",
        remedy: "Put a light in front of you, or turn so that the window is not behind you.",
        complaints: BLURRY,
        capabilities: SHOW,
        consequences: &["device.camera.blurred", "device.camera.low_frame_rate"],
    },
    Entry {
        id: "device.camera.blurred",
        title: "The camera's picture is not sharp",
        cause: "The lens is dirty or still has its protective film, or it is not in focus.",
        remedy: "Wipe the lens. Set its focus to your distance, or move so that the autofocus \
                 finds you.",
        complaints: BLURRY,
        capabilities: SHOW,
        consequences: &[],
    },
    Entry {
        id: "device.camera.low_frame_rate",
        title: "The camera gives few frames a second",
        cause: "In dim light cameras expose longer, and many give large pictures only slowly; a \
                slow or shared hub holds them back too.",
        remedy: "Put on more light, and plug the camera directly into a fast port of the machine. \
                 If it stays so, choose a smaller picture or another camera.",
        complaints: BLURRY,
        capabilities: SHOW,
        consequences: &[],
    },
    Entry {
        id: "device.camera.low_resolution",
        title: "The camera's picture is small",
        cause: "It offers no larger one at the rate of a call, or its port is too slow for one.",
        remedy: "Plug the camera into a fast port, or choose another one if there is. Otherwise \
                 the others see you less sharply.",
        complaints: BLURRY,
        capabilities: SHOW,
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
        capabilities: SHOW,
        consequences: &[],
    }
}
