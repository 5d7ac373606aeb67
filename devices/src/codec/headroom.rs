//! How fast this machine encodes video, on one core.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use greenroom_reports::model::camera::{EncodeHeadroom, PictureSize};
use greenroom_reports::stats::quantile::nearest_rank;
use greenroom_reports::units::{Bitrate, Millis};
use rustix::time::{ClockId, clock_gettime};

use super::encoder::{Vp8Config, Vp8Encoder};
use super::error::CodecError;
use super::scene::Scene;
use crate::picture::frame::Resolution;

/// What to encode, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadroomConfig {
    /// How to encode.
    pub encoding: Vp8Config,
    /// Frames that count. More makes the median steadier and the check longer.
    pub frames: u32,
    /// Frames before them: the key frame, and those in which libvpx finds its speed and quantizer.
    pub warm_up: u32,
    /// When to stop, by the wall clock, with as many frames as there are. A frame that has begun is
    /// finished; one at least is encoded.
    pub time_limit: Duration,
}

impl HeadroomConfig {
    /// A second of a call's video of this size, in at most a second.
    ///
    /// The sensor's noise is not taken out, which is how Firefox encodes unless it is told to.
    /// Chromium does it, and takes 1.3 times as long for a 720p frame of this scene, and 9 MB more,
    /// which would be the largest part of all memory that a check needs.
    pub fn for_call(resolution: Resolution, frame_rate: NonZeroU32, bitrate: Bitrate) -> Self {
        let encoding = Vp8Config {
            denoise: false,
            ..Vp8Config::for_call(resolution, frame_rate, bitrate)
        };
        Self {
            encoding,
            frames: 30,
            warm_up: 6,
            time_limit: Duration::from_secs(1),
        }
    }

    /// As [`Self::for_call`], of what a call sends by default: 720p, 30 frames a second, 1.9 Mbit/s.
    ///
    /// # Errors
    ///
    /// None that a caller can cause.
    pub fn hd() -> Result<Self, CodecError> {
        let resolution = Resolution::new(1280, 720).map_err(CodecError::Size)?;
        let frame_rate = NonZeroU32::MIN.saturating_add(29);
        Ok(Self::for_call(
            resolution,
            frame_rate,
            Bitrate::from_kbps(1900),
        ))
    }
}

/// Encodes a synthetic scene on the caller's thread, and tells the processor time of a frame.
///
/// Blocks up to the time limit and one frame. Processor time is that of this thread: what else runs
/// on the machine prolongs it only through shared caches and clock rates. Making the pictures does
/// not count. Asks `cancel` before each frame.
///
/// # Errors
///
/// [`CodecError::Cancelled`], or what libvpx says.
pub fn headroom(
    config: &HeadroomConfig,
    cancel: impl Fn() -> bool,
) -> Result<EncodeHeadroom, CodecError> {
    let start = Instant::now();
    let mut encoder = Vp8Encoder::new(&config.encoding)?;
    let mut scene = Scene::new(config.encoding.resolution);
    let wanted = config.warm_up.saturating_add(config.frames.max(1));
    let mut ms = Vec::new();
    for _ in 0..wanted {
        if cancel() {
            return Err(CodecError::Cancelled);
        }
        if !ms.is_empty() && start.elapsed() >= config.time_limit {
            break;
        }
        let picture = scene.next();
        let before = cpu_time();
        encoder.encode(picture, false)?;
        ms.push(cpu_time().saturating_sub(before).as_secs_f64() * 1e3);
    }
    Ok(summarize(config, &ms))
}

/// Leaves the warm-up out, but for the last frame where there are no others.
fn summarize(config: &HeadroomConfig, ms: &[f64]) -> EncodeHeadroom {
    let warm_up = usize::try_from(config.warm_up).unwrap_or(usize::MAX);
    let mut counted = ms[warm_up.min(ms.len().saturating_sub(1))..].to_vec();
    counted.sort_by(f64::total_cmp);
    // The clock's resolution is a nanosecond.
    let median = nearest_rank(&counted, 0.5).unwrap_or(0.0).max(1e-6);
    EncodeHeadroom {
        codec: "VP8".to_owned(),
        size: PictureSize {
            width: config.encoding.resolution.width(),
            height: config.encoding.resolution.height(),
        },
        frames: counted.len() as u64,
        cpu_per_frame_ms: Millis::new(median).unwrap_or_default(),
        fps: 1e3 / median,
    }
}

/// Processor time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.try_into().unwrap_or(Duration::ZERO)
}
