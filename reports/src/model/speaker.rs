//! What a speaker plays, and what of it comes back into the microphone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::device::{Device, Mixer, StreamHealth};
use crate::units::{Dbfs, Millis, Ratio};

/// A speaker, opened as a call would open it, and sounded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpeakerSection {
    /// Which.
    pub device: Device,
    /// Speakers that there are.
    pub speakers_found: u64,
    /// Samples a second of one channel, nominal.
    pub sample_rate_hz: u32,
    /// Channels.
    pub channels: u16,
    /// How the mixer stands; absent where it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mixer: Option<Mixer>,
    /// Peak level of the test sound, which is never exceeded; absent when nothing was played.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub played_peak_dbfs: Option<Dbfs>,
    /// How the stream ran.
    pub stream: StreamHealth,
    /// From asking for the stream to the first callback; absent when none came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_callback_ms: Option<Millis>,
    /// Whether the microphone heard it; absent without a microphone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acoustic_loop: Option<AcousticLoop>,
}

/// From the speaker through the air into the microphone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AcousticLoop {
    /// The microphone that listened.
    pub microphone: Device,
    /// Test sounds that were played.
    pub shots: u64,
    /// What came back.
    pub result: LoopResult,
}

/// Whether the microphone hears the speaker.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum LoopResult {
    /// The test sound came back.
    Heard {
        /// From playing to recording: buffers, converters, radio and air; the median.
        delay_ms: Millis,
        /// Largest less smallest delay; above 5 ms buffers or clocks are unstable.
        spread_ms: Millis,
        /// Level recorded less level played in dB.
        gain_db: f64,
        /// Level played less level of the echo in dB, 300–3400 Hz.
        echo_return_loss_db: f64,
        /// Test sound above everything else in dB; absent when there was nothing else.
        #[serde(skip_serializing_if = "Option::is_none")]
        snr_db: Option<f64>,
        /// 0: may be noise, 1: no doubt.
        confidence: Ratio,
    },
    /// Nothing came back, and it was quiet enough to tell.
    NotHeard,
    /// The recordings do not tell.
    Uncertain {
        /// Why.
        doubt: LoopDoubt,
    },
}

/// Why recordings do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoopDoubt {
    /// There is no recording long enough.
    NoRecording,
    /// The surroundings are louder than the test sound.
    Noise,
    /// Something was found, not often or not clearly enough.
    Weak,
}
