//! The findings about devices of every kind. The order is the order among equals.

use super::entry::Entry;
use crate::model::verdict::Capability::{self, Hear, Show, Speak};

const MEDIA_OF_DEVICES: &[Capability] = &[Hear, Speak, Show];

pub(super) const ANY_DEVICE: &[Entry] = &[
    Entry {
        id: "device.fallback",
        title: "Another device was taken than the chosen one",
        cause: "The chosen device was not there any more, so the system's default took its place.",
        remedy: "Plug the chosen device in again, or choose another one, and run the check again.",
        complaints: &[],
        capabilities: MEDIA_OF_DEVICES,
        consequences: &[],
    },
    Entry {
        id: "device.synthetic",
        title: "A device of the test itself was checked",
        cause: "What it gives is made by this program. That proves the program, not your own \
                devices.",
        remedy: "Run the check again with your own camera, microphone and speaker.",
        complaints: &[],
        capabilities: MEDIA_OF_DEVICES,
        consequences: &[],
    },
];
