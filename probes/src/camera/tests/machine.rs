//! Frames and errors in virtual time.

use greenroom_devices::camera::{
    CapturedFrame, FourCc, Mode, Opened, StreamEnd, SyntheticCamera, WantedMode,
};
use greenroom_devices::error::DeviceError;
use greenroom_devices::picture::frame::{FrameLayout, PixelFormat, Resolution};
use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_reports::model::camera::{CameraSection, PictureSize};
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::units::Millis;

use crate::camera::machine::{End, Pictures, Stamps, Subject, conclude};

const SIDE: u32 = 64;

fn at(ms: u64) -> MonotonicTime {
    MonotonicTime::from_nanos(ms * 1_000_000)
}

fn subject() -> Subject {
    Subject {
        device: SyntheticCamera::info(),
        fallback: None,
        n_cameras: 1,
        wanted: WantedMode::default(),
    }
}

fn mode(code: [u8; 4], width: u32, height: u32) -> Mode {
    Mode {
        size: PictureSize { width, height },
        millifps: Some(30_000),
        code: FourCc::new(code),
    }
}

fn layout(format: PixelFormat) -> FrameLayout {
    FrameLayout::new(format, Resolution::new(SIDE, SIDE).unwrap(), None).unwrap()
}

/// A stream in the making.
struct Bench {
    stamps: Stamps,
    pictures: Pictures,
    format: PixelFormat,
    noise: u64,
}

impl Bench {
    fn new(format: PixelFormat) -> Self {
        let mut stamps = Stamps::new(at(1000));
        let mode = mode(FourCc::of(format).bytes(), SIDE, SIDE);
        stamps.open(Opened {
            offered: vec![mode],
            mode,
            layout: layout(format),
        });
        Self {
            stamps,
            pictures: Pictures::default(),
            format,
            noise: 1,
        }
    }

    /// A textured picture with noise of its own.
    fn bytes(&mut self) -> Vec<u8> {
        let byte = |i: u32| {
            self.noise = self
                .noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let noise = u8::try_from(self.noise >> 61).unwrap();
            100 + 10 * u8::try_from(i / 8 % 8).unwrap() + noise
        };
        (0..SIDE * SIDE).map(byte).collect()
    }

    fn frame(&mut self, ms: u64, sequence: u64, bytes: &[u8]) -> CapturedFrame {
        let mut frame = CapturedFrame::blank(layout(self.format));
        frame.refill(layout(self.format), bytes);
        frame.captured_at = at(ms);
        frame.arrived_at = at(ms);
        frame.sequence = Some(sequence);
        frame
    }

    fn push(&mut self, frame: &CapturedFrame) {
        self.stamps.push(frame);
        self.pictures.push(frame, false);
    }

    fn push_good(&mut self, ms: u64, sequence: u64) {
        let bytes = self.bytes();
        let frame = self.frame(ms, sequence, &bytes);
        self.push(&frame);
    }

    /// `n` good frames from 1200 ms on, 30 a second.
    fn run(&mut self, n: u64) {
        for i in 0..n {
            self.push_good(1200 + i * 1000 / 30, i);
        }
    }

    fn end(&self, now_ms: u64, end: &End) -> Outcome<CameraSection> {
        conclude(
            &subject(),
            &self.stamps,
            &self.pictures,
            (at(now_ms), end),
            None,
        )
    }
}

fn measured(outcome: Outcome<CameraSection>) -> CameraSection {
    match outcome {
        Outcome::Measured { data } => data,
        other => panic!("{other:?}"),
    }
}

fn partial(outcome: Outcome<CameraSection>) -> (CameraSection, Reason) {
    match outcome {
        Outcome::Partial { data, reason } => (data, reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_camera_that_is_well_is_measured() {
    let mut bench = Bench::new(PixelFormat::Grey);
    bench.run(61);
    let data = measured(bench.end(3210, &End::Complete));
    assert_eq!(data.first_frame_ms, Millis::new(200.0));
    assert_eq!(data.watched_ms, Millis::new(2010.0).unwrap());
    assert_eq!(
        (data.frames, data.frames_dropped, data.frames_corrupt),
        (61, Some(0), 0)
    );
    let rate = data.frame_rate.unwrap();
    assert!((29.9..30.1).contains(&rate.fps), "{rate:?}");
    assert_eq!(
        data.unique_ratio.unwrap().as_f64().to_bits(),
        1.0_f64.to_bits()
    );
    assert_eq!(
        data.resolution,
        Some(PictureSize {
            width: 64,
            height: 64
        })
    );
    assert_eq!(data.negotiated.unwrap().pixel_format, "GREY");
    assert_eq!(data.requested.millifps, 30_000);
    let picture = data.picture.unwrap();
    assert_eq!(
        (picture.is_black, picture.is_frozen),
        (Some(false), Some(false))
    );
}

#[test]
fn a_camera_that_opens_and_sends_nothing_is_stalled_with_no_frames() {
    let bench = Bench::new(PixelFormat::Grey);
    let (data, reason) = partial(bench.end(2700, &End::NoFrame));
    assert_eq!(reason.code, ReasonCode::DeviceStalled);
    assert!(
        reason.message.contains("Synthetic camera"),
        "{}",
        reason.message
    );
    assert_eq!(
        (data.frames, data.first_frame_ms, data.resolution),
        (0, None, None)
    );
    assert!(data.negotiated.is_some() && data.picture.is_none());
}

#[test]
fn what_a_camera_that_vanished_gave_is_kept() {
    let mut bench = Bench::new(PixelFormat::Grey);
    bench.run(20);
    let device = "Lab".to_owned();
    let end = End::Stream(StreamEnd::Failed(DeviceError::Vanished { device }));
    let (data, reason) = partial(bench.end(1900, &end));
    assert_eq!((reason.code, data.frames), (ReasonCode::DeviceVanished, 20));
    assert_eq!(reason.message, "Lab went away");
    assert!(data.frame_rate.is_some());
}

#[test]
fn a_camera_that_fails_before_its_first_frame_is_blocked() {
    let bench = Bench::new(PixelFormat::Grey);
    let busy = DeviceError::Busy {
        device: "Lab".to_owned(),
        by: Some("cheese".to_owned()),
    };
    for (error, code) in [
        (busy, ReasonCode::DeviceBusy),
        (
            DeviceError::Failed {
                operation: "start",
                device: "Lab".to_owned(),
                why: "no".to_owned(),
            },
            ReasonCode::DeviceFailed,
        ),
    ] {
        let end = End::Stream(StreamEnd::Failed(error.clone()));
        let outcome = bench.end(1100, &end);
        let reason = Reason::new(code, error.to_string());
        assert_eq!(outcome, Outcome::Blocked { reason });
    }
}

#[test]
fn a_camera_that_does_not_answer_is_blocked() {
    let outcome = Bench::new(PixelFormat::Grey).end(5000, &End::NotOpened);
    let reason = outcome.reason().unwrap();
    assert!(matches!(outcome, Outcome::Blocked { .. }));
    assert_eq!(reason.code, ReasonCode::DeviceStalled);
}

#[test]
fn cancelling_gives_what_there_is() {
    let cancelled = End::Stopped(Reason::new(ReasonCode::Cancelled, "cancelled"));
    let mut bench = Bench::new(PixelFormat::Grey);
    let outcome = bench.end(1100, &cancelled);
    assert!(matches!(outcome, Outcome::NotRun { .. }), "{outcome:?}");
    bench.run(5);
    let (data, reason) = partial(bench.end(1400, &cancelled));
    assert_eq!((data.frames, reason.code), (5, ReasonCode::Cancelled));
    assert_eq!((data.frame_rate, data.picture), (None, None));
}

#[test]
fn one_that_stops_in_the_middle_is_stalled() {
    let mut bench = Bench::new(PixelFormat::Grey);
    bench.run(20);
    let (data, reason) = partial(bench.end(3300, &End::Complete));
    assert_eq!((data.frames, reason.code), (20, ReasonCode::DeviceStalled));
    assert!(
        reason.message.ends_with("nothing any more"),
        "{}",
        reason.message
    );
}

#[test]
fn one_that_gives_hardly_anything_says_how_much() {
    let mut bench = Bench::new(PixelFormat::Grey);
    for i in 0..7 {
        bench.push_good(1200 + i * 500, i);
    }
    let (data, reason) = partial(bench.end(4700, &End::Complete));
    assert_eq!(data.frame_rate, None);
    assert!(
        reason.message.ends_with("hardly any picture: 7 in 3.5 s"),
        "{}",
        reason.message
    );
}

#[test]
fn damage_is_counted_once_however_it_shows() {
    let mut bench = Bench::new(PixelFormat::Grey);
    bench.run(30);
    let bytes = bench.bytes();
    let mut flagged = bench.frame(2210, 30, &bytes);
    flagged.is_damaged = true;
    bench.push(&flagged);
    let cut = bench.frame(2240, 31, &bytes[..100]);
    bench.push(&cut);
    let mut both = bench.frame(2270, 32, &[]);
    both.is_damaged = true;
    bench.push(&both);
    let data = measured(bench.end(2300, &End::Complete));
    assert_eq!((data.frames, data.frames_corrupt), (33, 3));
    assert_eq!(data.picture.unwrap().pictures, 30);
}

#[test]
fn every_jpeg_is_checked_also_when_there_is_no_time_to_look_at_it() {
    let mut bench = Bench::new(PixelFormat::Mjpeg);
    for i in 0..20 {
        let frame = bench.frame(1200 + i * 33, i, &[0xff, 0xd8, 0xff, 0xdb]);
        bench.stamps.push(&frame);
        bench.pictures.push(&frame, true);
    }
    let data = measured(bench.end(1870, &End::Complete));
    assert_eq!(
        (data.frames, data.frames_corrupt, data.picture),
        (20, 20, None)
    );
    assert!(data.frame_rate.is_some());
}

#[test]
fn a_raw_picture_is_left_out_when_there_is_no_time_and_counts_as_no_damage() {
    let mut bench = Bench::new(PixelFormat::Grey);
    bench.run(20);
    for i in 20..40 {
        let bytes = bench.bytes();
        let frame = bench.frame(1200 + i * 33, i, &bytes);
        bench.stamps.push(&frame);
        bench.pictures.push(&frame, true);
    }
    let data = measured(bench.end(2530, &End::Complete));
    assert_eq!((data.frames, data.frames_corrupt), (40, 0));
    assert_eq!(data.picture.unwrap().pictures, 20);
}

#[test]
fn clocks_and_counters_that_run_backwards_are_survived() {
    let mut bench = Bench::new(PixelFormat::Grey);
    bench.run(20);
    for (ms, sequence) in [
        (1100, 3),
        (1100, 3),
        (1, 3),
        (0, 0),
        (0, u64::MAX),
        (1900, 0),
    ] {
        let bytes = bench.bytes();
        let mut frame = bench.frame(ms, sequence, &bytes);
        frame.arrived_at = at(1900);
        bench.push(&frame);
    }
    let data = measured(bench.end(2000, &End::Complete));
    assert_eq!(data.frames, 26);
    let rate = data.frame_rate.unwrap();
    assert!(rate.fps.is_finite() && rate.fps > 0.0);
}

#[test]
fn modes_come_the_largest_first_and_not_too_many() {
    let mut bench = Bench::new(PixelFormat::Grey);
    let mut offered: Vec<Mode> = (1..=100).map(|n| mode(*b"YUYV", n * 16, n * 9)).collect();
    offered.extend([mode(*b"H264", 3840, 2160), mode(*b"YUYV", 0, 0)]);
    offered.push(Mode {
        millifps: None,
        ..mode(*b"YUYV", 4096, 4096)
    });
    bench.stamps.open(Opened {
        mode: offered[0],
        offered,
        layout: layout(PixelFormat::Grey),
    });
    bench.run(20);
    let data = measured(bench.end(1900, &End::Complete));
    assert_eq!(data.modes.len(), 64);
    assert_eq!(
        data.modes[0].size,
        PictureSize {
            width: 1600,
            height: 900
        }
    );
    assert!(data.modes.iter().all(|mode| mode.pixel_format == "YUYV"));
}
