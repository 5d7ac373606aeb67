//! What is known of a device before it is opened.

use serde::{Deserialize, Serialize};

use crate::selection::DeviceId;

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// Gives pictures.
    Camera,
    /// Gives sound.
    Microphone,
    /// Plays sound.
    Speaker,
}

impl DeviceKind {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Camera, Self::Microphone, Self::Speaker];

    /// In a sentence: `camera`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Microphone => "microphone",
            Self::Speaker => "speaker",
        }
    }
}

/// A device that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// Kind.
    pub kind: DeviceKind,
    /// Selects it again, also after a restart.
    pub id: DeviceId,
    /// As the system shows it to people.
    pub name: String,
    /// What it is reached through: `v4l2`, `nokhwa`, `pulseaudio`, `alsa`, `synthetic`.
    pub backend: String,
    /// The system's default.
    pub is_default: bool,
    /// Made by this program, not by hardware.
    pub is_synthetic: bool,
}

impl DeviceInfo {
    /// The synthetic ones, one of each kind. They are on every machine and listed nowhere, since
    /// nobody should take one by mistake.
    pub fn synthetic() -> [Self; 3] {
        DeviceKind::ALL.map(|kind| Self {
            kind,
            id: DeviceId::new(format!("synthetic:{}", kind.word())),
            name: format!("Synthetic {}", kind.word()),
            backend: "synthetic".to_owned(),
            is_default: false,
            is_synthetic: true,
        })
    }
}
