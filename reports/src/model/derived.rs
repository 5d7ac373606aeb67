//! What follows from the figures for a call: estimates, each with what it rests on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::throughput::BitrateInterval;
use crate::derive::ladder::Rung;
use crate::units::{Bitrate, Millis, Ratio};

/// Estimates from the measured figures. What cannot be known is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DerivedSection {
    /// How hearing the others would be rated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mos_hear: Option<MosEstimate>,
    /// How the others would rate hearing this side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mos_speak: Option<MosEstimate>,
    /// What can be sent and received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<CallOutlook>,
}

impl DerivedSection {
    /// Nothing could be derived.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An estimated mean opinion score. It never overrides a figure that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MosEstimate {
    /// The score, from 1 to 4.5.
    pub value: f64,
    /// The model and what it is: scores of different models must not be compared.
    pub model: String,
    /// The codec that is assumed.
    pub codec: String,
    /// Assumed delay from mouth to ear: half the median round trip, jitter buffer, packet, codec
    /// and devices.
    pub delay_ms: Millis,
    /// Depth of the jitter buffer that is assumed.
    pub buffer_ms: Millis,
    /// Loss in the network and in that buffer.
    pub loss_ratio: Ratio,
    /// The losses come in bursts, which concealment bears less.
    pub bursty: bool,
}

/// What a call can carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallOutlook {
    /// The whole of it as one sentence for a person.
    pub sentence: String,
    /// To the others; absent when the uplink is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send: Option<DirectionOutlook>,
    /// From the others; absent when the downlink is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receive: Option<DirectionOutlook>,
    /// What the uplink does for sharing the screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub screen_share: Option<ScreenShare>,
    /// How many calls fit side by side; absent unless both directions are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionsThatFit>,
}

/// What one direction of a call can carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DirectionOutlook {
    /// The best rung of the ladder; absent when not even audio fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rung: Option<Rung>,
    /// Width of the picture in pixels; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height of the picture in pixels; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Frames a second; absent without a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames_per_second: Option<u32>,
    /// Rate that is free for the call, IP layer.
    pub rate_bps: Bitrate,
    /// 95 % interval of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_interval_bps: Option<BitrateInterval>,
    /// More may be free: the way outran the measurement.
    pub at_least: bool,
    /// The traffic of a call at this rung was tried and accepted.
    pub verified: bool,
    /// What keeps it from the next better rung.
    pub limited_by: LimitedBy,
}

/// What keeps a direction from the next better rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LimitedBy {
    /// Nothing: it is the top of the ladder.
    LadderTop,
    /// The rate to the server.
    Uplink,
    /// The rate from the server.
    Downlink,
    /// Packets get lost at a rate that the way could carry.
    Loss,
    /// The camera.
    Camera,
    /// The processor.
    Cpu,
    /// The test server, which limited the measurement.
    Server,
    /// The measurement, which ended before the way did.
    Measurement,
    /// A limit of a later version.
    #[serde(other)]
    Other,
}

/// What sharing the screen will be like.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ScreenShare {
    /// Text is sharp soon after it changes.
    Fine,
    /// It takes a while until text is sharp.
    Slow,
    /// There is no room for it.
    None,
}

/// How many calls fit side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionsThatFit {
    /// Each sends and receives this rung.
    pub rung: Rung,
    /// Number of calls.
    pub sessions: u64,
    /// More may fit: the measurement ended before the way did.
    pub at_least: bool,
}
