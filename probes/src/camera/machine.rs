//! From frames and errors to a section of the report. Reads no clock, opens nothing.

use std::time::Duration;

use greenroom_devices::camera::{CapturedFrame, Mode, Opened, StreamEnd, WantedMode};
use greenroom_devices::device::DeviceInfo;
use greenroom_devices::error::DeviceError;
use greenroom_devices::picture::convert::Unpacker;
use greenroom_devices::picture::frame::{PixelFormat, Resolution};
use greenroom_devices::picture::intervals::{FrameIntervals, FrameRate, MIN_RATE_INTERVALS};
use greenroom_devices::picture::quality::{MIN_PICTURES, PictureQuality, QualitySummary};
use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_reports::model::camera::{
    CameraMode, CameraSection, EncodeHeadroom, FrameRateEstimate, PictureSection, PictureSize,
};
use greenroom_reports::model::device::Device;
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::sensitive::Sensitive;
use greenroom_reports::units::{Millis, Ratio};

/// Modes that the report lists; a camera has up to a hundred, and the largest tell most.
const MAX_MODES: usize = 64;

/// No frame for so long at the end means that none comes any more.
pub(super) const SILENCE: Duration = Duration::from_secs(1);

/// Which camera is watched, and for what.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) device: DeviceInfo,
    /// Why it is not the one that was chosen.
    pub(super) fallback: Option<String>,
    pub(super) n_cameras: usize,
    pub(super) wanted: WantedMode,
}

/// The times of a stream: sees every frame, and costs next to nothing.
#[derive(Debug)]
pub(super) struct Stamps {
    asked_at: MonotonicTime,
    opened: Option<Opened>,
    intervals: FrameIntervals,
    frames: u64,
    damaged: u64,
    first_at: Option<MonotonicTime>,
    last_at: MonotonicTime,
}

impl Stamps {
    /// A stream that was asked for now.
    pub(super) fn new(asked_at: MonotonicTime) -> Self {
        Self {
            asked_at,
            opened: None,
            intervals: FrameIntervals::default(),
            frames: 0,
            damaged: 0,
            first_at: None,
            last_at: asked_at,
        }
    }

    pub(super) fn open(&mut self, opened: Opened) {
        self.opened = Some(opened);
    }

    pub(super) fn push(&mut self, frame: &CapturedFrame) {
        self.frames += 1;
        self.damaged += u64::from(frame.is_damaged);
        self.first_at.get_or_insert(frame.arrived_at);
        self.last_at = frame.arrived_at;
        self.intervals.push(frame.captured_at, frame.sequence);
    }

    /// When the first frame came.
    pub(super) fn first_at(&self) -> Option<MonotonicTime> {
        self.first_at
    }

    /// When the last frame came; before the first, when the stream was asked for.
    pub(super) fn last_at(&self) -> MonotonicTime {
        self.last_at
    }

    /// Whether there are enough frames for a rate.
    pub(super) fn has_rate(&self) -> bool {
        self.frames > MIN_RATE_INTERVALS as u64
    }

    fn watched(&self, now: MonotonicTime) -> Duration {
        self.first_at
            .map_or(Duration::ZERO, |first| now.since(first))
    }
}

/// The pictures of a stream: decodes, and looks at what comes out.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    unpacker: Unpacker,
    quality: PictureQuality,
    corrupt: u64,
    decoded: u64,
    resolution: Option<Resolution>,
}

/// Of the pictures that are decoded while frames wait, one in so many is judged. A machine that never
/// catches up would else judge none, and see neither black nor frozen.
const JUDGED_BEHIND: u64 = 2;

impl Pictures {
    /// Frees the memory of pictures; what was seen in them stays.
    pub(super) fn free(&mut self) {
        self.unpacker = Unpacker::default();
    }

    /// Takes a frame. Of those that come while frames wait, most are only checked for damage: every
    /// JPEG is decoded for it; other formats tell it by their length.
    pub(super) fn push(&mut self, frame: &CapturedFrame, is_behind: bool) {
        // Counted by its stamp already.
        if frame.is_damaged {
            return;
        }
        let Ok(raw) = frame.frame() else {
            self.corrupt += 1;
            return;
        };
        if is_behind && frame.layout().format() != PixelFormat::Mjpeg {
            return;
        }
        match self.unpacker.unpack(&raw) {
            Err(_damaged) => self.corrupt += 1,
            Ok(picture) => {
                self.resolution = Some(picture.resolution());
                self.decoded += 1;
                if !is_behind || self.decoded.is_multiple_of(JUDGED_BEHIND) {
                    self.quality.push(frame.captured_at, picture);
                }
            }
        }
    }
}

/// How watching ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    /// The time that was planned is over.
    Complete,
    /// No first frame came in time.
    NoFrame,
    /// It neither opened nor was refused.
    NotOpened,
    /// The camera, by itself.
    Stream(StreamEnd),
    /// Somebody ended it before.
    Stopped(Reason),
}

/// What came of watching; `encoding` is what this machine encodes, where it was tried.
pub(super) fn conclude(
    subject: &Subject,
    stamps: &Stamps,
    pictures: &Pictures,
    (now, end): (MonotonicTime, &End),
    encoding: Option<EncodeHeadroom>,
) -> Outcome<CameraSection> {
    let watched = stamps.watched(now);
    let why = why_partial(subject, stamps, now, end);
    match (end, why) {
        (End::Stopped(_), Some(reason)) if stamps.frames == 0 => Outcome::NotRun { reason },
        (End::NotOpened | End::Stream(_), Some(reason)) if stamps.frames == 0 => {
            Outcome::Blocked { reason }
        }
        (_, reason) => {
            let data = section(subject, stamps, pictures, watched, encoding);
            match reason {
                None => Outcome::Measured { data },
                Some(reason) => Outcome::Partial { data, reason },
            }
        }
    }
}

fn why_partial(
    subject: &Subject,
    stamps: &Stamps,
    now: MonotonicTime,
    end: &End,
) -> Option<Reason> {
    let name = &subject.device.name;
    let stalled = |message| Some(Reason::new(ReasonCode::DeviceStalled, message));
    match end {
        End::Stopped(reason) => Some(reason.clone()),
        End::Stream(StreamEnd::Failed(error)) => Some(error.reason()),
        End::Stream(StreamEnd::Stopped) => Some(Reason::new(
            ReasonCode::InternalError,
            format!("{name} was closed while it was watched"),
        )),
        End::NotOpened => stalled(format!("{name} does not answer")),
        End::NoFrame => {
            let device = name.clone();
            Some(DeviceError::Stalled { device }.reason())
        }
        End::Complete if now.since(stamps.last_at) >= SILENCE => {
            stalled(format!("{name} delivers nothing any more"))
        }
        End::Complete if !stamps.has_rate() => stalled(format!(
            "{name} gives hardly any picture: {} in {:.1} s",
            stamps.frames,
            stamps.watched(now).as_secs_f64()
        )),
        End::Complete => None,
    }
}

fn section(
    subject: &Subject,
    stamps: &Stamps,
    pictures: &Pictures,
    watched: Duration,
    encoding: Option<EncodeHeadroom>,
) -> CameraSection {
    let times = stamps.intervals.summary();
    let quality = pictures.quality.summary();
    let opened = stamps.opened.as_ref();
    let arrived = opened.filter(|_| stamps.frames > 0);
    let resolution = arrived.map(|opened| opened.layout.resolution());
    CameraSection {
        device: device(subject),
        cameras_found: subject.n_cameras as u64,
        requested: requested(&subject.wanted),
        negotiated: opened.and_then(|opened| opened.mode.described()),
        modes: opened.map_or_else(Vec::new, |opened| modes(&opened.offered)),
        first_frame_ms: stamps
            .first_at
            .map(|first| first.since(stamps.asked_at).into()),
        watched_ms: watched.into(),
        frames: stamps.frames,
        frames_dropped: times.frames_dropped,
        frames_corrupt: stamps.damaged + pictures.corrupt,
        resolution: pictures.resolution.or(resolution).map(size),
        frame_rate: times.rate.map(estimate),
        frame_interval_p95_ms: times.p95,
        frame_interval_jitter_ms: times.jitter,
        freezes: times.freezes,
        unique_ratio: quality
            .unique
            .and_then(|unique| Ratio::of(unique, quality.pictures)),
        picture: (quality.pictures >= MIN_PICTURES as u64).then(|| picture(&quality)),
        encoding,
    }
}

fn device(subject: &Subject) -> Device {
    let info = &subject.device;
    Device {
        id: Sensitive::new(info.id.as_str()),
        name: info.name.clone(),
        backend: info.backend.clone(),
        is_default: info.is_default,
        is_synthetic: info.is_synthetic,
        fallback: subject.fallback.clone(),
    }
}

fn requested(wanted: &WantedMode) -> CameraMode {
    CameraMode {
        size: wanted.size,
        millifps: wanted.millifps,
        pixel_format: "any".to_owned(),
    }
}

/// The largest first, of each size the fastest first; those that can be used before all others.
fn modes(offered: &[Mode]) -> Vec<CameraMode> {
    let (usable, others): (Vec<&Mode>, Vec<&Mode>) =
        offered.iter().partition(|mode| mode.usable().is_some());
    let listed = [usable, others].into_iter().flat_map(|modes| {
        let mut modes: Vec<CameraMode> = modes.into_iter().filter_map(Mode::described).collect();
        modes.sort_by(|a, b| by_size(b, a));
        modes.dedup();
        modes
    });
    listed.take(MAX_MODES).collect()
}

fn by_size(a: &CameraMode, b: &CameraMode) -> std::cmp::Ordering {
    let area = |mode: &CameraMode| u64::from(mode.size.width) * u64::from(mode.size.height);
    area(a).cmp(&area(b)).then_with(|| a.cmp(b))
}

fn size(resolution: Resolution) -> PictureSize {
    PictureSize {
        width: resolution.width(),
        height: resolution.height(),
    }
}

fn estimate(rate: FrameRate) -> FrameRateEstimate {
    FrameRateEstimate {
        fps: thousandths(rate.fps),
        low_fps: thousandths(rate.low),
        high_fps: thousandths(rate.high),
    }
}

fn picture(quality: &QualitySummary) -> PictureSection {
    PictureSection {
        pictures: quality.pictures,
        mean_luma: quality.mean_luma.map(thousandths),
        p95_luma: quality.p95_luma.map(thousandths),
        noise: quality.noise.map(thousandths),
        sharpness: quality.sharpness.map(thousandths),
        is_black: quality.black,
        is_covered: quality.covered,
        is_frozen: quality.frozen,
        is_low_light: quality.low_light,
        is_blurred: quality.blurred,
    }
}

/// Rounded, so that equal measurements print equally.
fn thousandths(value: f64) -> f64 {
    Millis::new(value).map_or(value, Millis::as_f64)
}
