//! What a microphone hears.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::device::{Device, Mixer, StreamHealth};
use crate::units::{Dbfs, Millis, Ratio};

/// A microphone, opened as a call would open it, and listened to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MicrophoneSection {
    /// Which.
    pub device: Device,
    /// Microphones that there are.
    pub microphones_found: u64,
    /// Samples a second of one channel, nominal.
    pub sample_rate_hz: u32,
    /// Channels.
    pub channels: u16,
    /// How the mixer stands; absent where it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mixer: Option<Mixer>,
    /// From asking for the stream to the first samples; absent when none came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_sample_ms: Option<Millis>,
    /// How much was recorded, by its samples.
    pub recorded_ms: Millis,
    /// How the stream ran.
    pub stream: StreamHealth,
    /// A person was asked to speak.
    pub asked_to_speak: bool,
    /// Highest sample; absent in digital silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_dbfs: Option<Dbfs>,
    /// Root mean square; absent in digital silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rms_dbfs: Option<Dbfs>,
    /// Active speech level; absent unless a person was asked to speak and did.
    ///
    /// Source: ITU-T P.56 with a margin of 15.9 dB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speech_level_dbfs: Option<Dbfs>,
    /// Integrated loudness, LUFS; absent below its gate. Source: EBU R 128.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loudness_lufs: Option<f64>,
    /// Noise floor; absent in digital silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise_floor_dbfs: Option<Dbfs>,
    /// Loudest twentieth of the recording above its quietest tenth in dB. Steady noise has about
    /// 1 dB; a voice or music has more, and then the quietest may not be noise. Absent as the
    /// noise floor is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level_range_db: Option<f64>,
    /// Speech above noise in dB; absent without speech.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snr_db: Option<f64>,
    /// Every sample was zero; absent when too little was heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_digital_silence: Option<bool>,
    /// Runs of samples at the ceiling.
    pub clipped_runs: u64,
    /// Share of samples at the ceiling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clipped_ratio: Option<Ratio>,
    /// Level below full scale at which sound is cut off, by an analog stage or another program;
    /// absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling_dbfs: Option<Dbfs>,
    /// Largest offset of a channel from zero, full scale being 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dc_offset: Option<f64>,
    /// Mains hum; absent without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hum: Option<MainsHum>,
    /// Frequency below which 95 % of the power lies; absent where too little was heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roll_off_hz: Option<f64>,
    /// Sound is cut above 4 or 8 kHz, as headsets in telephone mode do; absent where too little
    /// was heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_narrow_band: Option<bool>,
    /// Channels, from zero, that stay silent while another is heard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead_channels: Vec<u16>,
    /// The true sample rate against the nominal one, by the monotonic clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<ClockDrift>,
}

/// Hum of the mains.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MainsHum {
    /// 50 or 60 Hz.
    pub fundamental_hz: f64,
    /// Level of the fundamental and its harmonics.
    pub level_dbfs: Dbfs,
    /// How far it stands above its surroundings, dB.
    pub above_surroundings_db: f64,
}

/// Deviation of a device's clock, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClockDrift {
    /// Parts per million; positive when samples come too fast.
    pub drift_ppm: f64,
    /// Lower end.
    pub low_ppm: f64,
    /// Upper end.
    pub high_ppm: f64,
}
