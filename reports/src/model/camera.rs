//! What a camera shows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::device::Device;
use crate::units::{Millis, Ratio};

/// A camera, opened as a call would open it, and watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CameraSection {
    /// Which.
    pub device: Device,
    /// Cameras that there are.
    pub cameras_found: u64,
    /// What was asked for.
    pub requested: CameraMode,
    /// What the driver agreed to; absent when it agreed to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negotiated: Option<CameraMode>,
    /// What it offers, the largest first; not more than 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modes: Vec<CameraMode>,
    /// From asking for the stream to the first frame; absent when none came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_frame_ms: Option<Millis>,
    /// How long it was watched from the first frame on.
    pub watched_ms: Millis,
    /// Frames that came.
    pub frames: u64,
    /// Gaps in the driver's sequence numbers; absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames_dropped: Option<u64>,
    /// Frames that the driver called damaged, or that could not be decoded.
    pub frames_corrupt: u64,
    /// Size of the pictures that came; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<PictureSize>,
    /// Frames a second by capture timestamps, with its 95 % interval; absent below ten intervals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<FrameRateEstimate>,
    /// 95th percentile of the time between two frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_interval_p95_ms: Option<Millis>,
    /// Mean deviation of the time between two frames from its mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_interval_jitter_ms: Option<Millis>,
    /// Freezes: an interval of at least three times the mean, or the mean and 150 ms.
    ///
    /// Source: W3C webrtc-stats `freezeCount`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freezes: Option<u64>,
    /// Share of pictures that differ from the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_ratio: Option<Ratio>,
    /// What the pictures look like; absent below ten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<PictureSection>,
    /// What this machine encodes; absent when it was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<EncodeHeadroom>,
}

/// A mode of a camera.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct CameraMode {
    /// Size.
    pub size: PictureSize,
    /// Frames a second, nominal, in thousandths.
    pub millifps: u32,
    /// The pixel format's four characters, such as `MJPG` or `YUYV`.
    pub pixel_format: String,
}

/// Width and height.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct PictureSize {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// A frame rate with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FrameRateEstimate {
    /// Frames a second.
    pub fps: f64,
    /// Lower end of the interval.
    pub low_fps: f64,
    /// Upper end.
    pub high_fps: f64,
}

/// What pictures look like; `None` where too few tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PictureSection {
    /// Pictures that were looked at.
    pub pictures: u64,
    /// Mean luma, 0..=255.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_luma: Option<f64>,
    /// 95th percentile of luma.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95_luma: Option<f64>,
    /// Noise of the sensor in steps of luma.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// Sharpness: fine detail against coarse, without noise. Sharp pictures of rooms have 0.2 to
    /// 0.35; below [`SHARP_FROM`] it is blurred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sharpness: Option<f64>,
    /// Nothing but black.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_black: Option<bool>,
    /// The lens is covered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_covered: Option<bool>,
    /// The picture stands still, without even a sensor's noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_frozen: Option<bool>,
    /// Too little light.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_low_light: Option<bool>,
    /// Out of focus, or the lens is dirty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_blurred: Option<bool>,
}

/// Sharpness from which a picture is not blurred. A Gaussian of one pixel of 640 columns leaves 0.02
/// to 0.04 of synthetic rooms.
pub const SHARP_FROM: f64 = 0.03;

/// How fast this machine encodes video, on one core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EncodeHeadroom {
    /// Codec, `VP8`.
    pub codec: String,
    /// Size of the pictures.
    pub size: PictureSize,
    /// Frames that were encoded.
    pub frames: u64,
    /// Processor time of a frame, median.
    pub cpu_per_frame_ms: Millis,
    /// Frames a second that one core could encode: 1000 by the median.
    pub fps: f64,
}
