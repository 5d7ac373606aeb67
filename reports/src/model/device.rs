//! What cameras, microphones and speakers have in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sensitive::Sensitive;
use crate::units::{Millis, Ratio};

/// The device that was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// Id that selects it again; may hold a serial number.
    pub id: Sensitive,
    /// Name as the system shows it to people: maker and model.
    pub name: String,
    /// What it was reached through: `v4l2`, `pulseaudio`, `alsa`, `synthetic`.
    pub backend: String,
    /// The system's default.
    pub is_default: bool,
    /// Made by this program, not by hardware: says nothing about the machine's own devices.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_synthetic: bool,
    /// Why not the device that was chosen: it was not there. Absent when it was, and when none was
    /// chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
}

/// How the mixer stands; the stream itself cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mixer {
    /// The switch is off.
    pub is_muted: bool,
    /// Volume as the slider shows it, 1 at its mark for full; absent where it has none. More than
    /// full is told as full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_ratio: Option<Ratio>,
}

/// How a stream of samples ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StreamHealth {
    /// Samples were lost, as the back end told it.
    pub xruns: u64,
    /// Longest wait between two callbacks; absent before two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_gap_ms: Option<Millis>,
    /// Callbacks.
    pub callbacks: u64,
}
