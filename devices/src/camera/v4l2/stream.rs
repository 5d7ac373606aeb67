//! A camera that runs, by buffers that it shares with the kernel.
#![expect(clippy::disallowed_methods, reason = "driver: waits for the camera")]

use std::fmt;
use std::io;
use std::time::Duration;

use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_reports::model::camera::PictureSize;
use rustix::io::Errno;
use v4l::buffer::{Flags, Metadata, Type};
use v4l::format::{Colorspace, Quantization};
use v4l::io::mmap::Stream;
use v4l::io::traits::{CaptureStream, Stream as _};
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use v4l::{Device, Format, Fraction};

use super::errors::cannot;
use super::modes::read_modes;
use super::node::{Node, Roots};
use crate::camera::backend::{CameraStream, CapturedFrame, Opened, Pulled, capture_time};
use crate::camera::choice::{choose_mode, why_unusable};
use crate::camera::clock::CameraClock;
use crate::camera::mode::{FourCc, Mode, WantedMode, millifps_of};
use crate::error::DeviceError;
use crate::picture::frame::{Color, FrameLayout, Matrix, Range, Resolution};

/// Buffers that the driver fills in turn. Four bridge a delay of 0.1 s at 30 frames a second; more
/// would add to the delay of a slow reader.
const BUFFERS: u32 = 4;

/// `POLLIN` of `poll(2)`.
const POLLIN: i16 = 1;

/// Longest wait within `Stream::next`, which is called only when a frame is ready.
const READY_LIMIT: Duration = Duration::from_millis(20);

/// Pause after a wake-up without a frame, so that a driver that wakes us for nothing costs little.
const IDLE_PAUSE: Duration = Duration::from_millis(5);

/// A camera that runs.
pub(super) struct V4l2Stream {
    node: Node,
    roots: Roots,
    clock: CameraClock,
    opened: Opened,
    buffers: Buffers,
}

impl fmt::Debug for V4l2Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("V4l2Stream")
            .field("node", &self.node)
            .field("opened", &self.opened)
            .finish_non_exhaustive()
    }
}

impl V4l2Stream {
    /// Opens a camera in the best of its modes and starts it.
    ///
    /// # Errors
    ///
    /// Why it gives nothing.
    pub(super) fn open(
        node: Node,
        roots: Roots,
        wanted: &WantedMode,
        clock: CameraClock,
    ) -> Result<Self, DeviceError> {
        let failed = |operation| {
            let (node, roots) = (&node, &roots);
            move |error: io::Error| cannot(operation, node, roots, &error)
        };
        let device = Device::with_path(&node.path).map_err(failed("open"))?;
        let offered = read_modes(&device).map_err(failed("open"))?;
        let unsupported = |why| DeviceError::Unsupported {
            device: node.label(),
            why,
        };
        let mode = choose_mode(&offered, wanted).copied();
        let mode = mode.ok_or_else(|| unsupported(why_unusable(&offered)))?;
        let format = set_mode(&device, &mode).map_err(failed("set the format of"))?;
        let layout = layout(&format).map_err(unsupported)?;
        let mode = Mode {
            size: PictureSize {
                width: format.width,
                height: format.height,
            },
            millifps: rate(&device),
            code: FourCc::new(format.fourcc.repr),
        };
        let buffers = Buffers::start(&device).map_err(failed("start"))?;
        let opened = Opened {
            offered,
            mode,
            layout,
        };
        Ok(Self {
            node,
            roots,
            clock,
            opened,
            buffers,
        })
    }

    fn take(&mut self, into: &mut CapturedFrame) -> io::Result<Pulled> {
        let layout = self.opened.layout;
        let Some((bytes, said)) = self.buffers.next()? else {
            return Ok(Pulled::Timeout);
        };
        let used = usize::try_from(said.bytesused).unwrap_or(usize::MAX);
        into.refill(layout, &bytes[..used.min(bytes.len())]);
        into.arrived_at = self.clock.now();
        into.captured_at = capture_time(stamp(said), into.arrived_at);
        into.sequence = Some(said.sequence.into());
        into.is_damaged = said.flags.contains(Flags::ERROR) || used == 0;
        Ok(Pulled::Frame)
    }
}

impl CameraStream for V4l2Stream {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    fn fill(&mut self, wait: Duration, into: &mut CapturedFrame) -> Result<Pulled, DeviceError> {
        let until = self.clock.now().after(wait);
        loop {
            let left = until.since(self.clock.now());
            let pulled = match self.buffers.is_ready(left) {
                Ok(true) => self.take(into),
                Ok(false) => Ok(Pulled::Timeout),
                Err(error) => Err(error),
            };
            match pulled {
                Ok(Pulled::Frame) => return Ok(Pulled::Frame),
                Err(error) => return Err(cannot("read", &self.node, &self.roots, &error)),
                Ok(Pulled::Timeout) if !self.node.path.exists() => {
                    return Err(DeviceError::Vanished {
                        device: self.node.label(),
                    });
                }
                Ok(Pulled::Timeout) if self.clock.now() >= until => return Ok(Pulled::Timeout),
                Ok(Pulled::Timeout) => {}
            }
        }
    }
}

/// Sets format, size and rate, and tells what the driver made of it.
///
/// Not every driver has a rate that can be set; what comes of it is measured anyway.
fn set_mode(device: &Device, mode: &Mode) -> io::Result<Format> {
    let code = v4l::FourCC::new(&mode.code.bytes());
    let format = device.set_format(&Format::new(mode.size.width, mode.size.height, code))?;
    if let Some(millifps) = mode.millifps {
        let set = device.set_params(&Parameters::new(interval(millifps)));
        let is_held = |error: &io::Error| Errno::from_io_error(error) == Some(Errno::BUSY);
        if let Err(error) = set
            && is_held(&error)
        {
            return Err(error);
        }
    }
    Ok(format)
}

fn interval(millifps: u32) -> Fraction {
    match millifps % 1000 {
        0 => Fraction::new(1, millifps / 1000),
        _ => Fraction::new(1000, millifps),
    }
}

fn rate(device: &Device) -> Option<u32> {
    let interval = device.params().ok()?.interval;
    millifps_of(interval.numerator, interval.denominator)
}

fn layout(format: &Format) -> Result<FrameLayout, String> {
    let code = FourCc::new(format.fourcc.repr);
    let pixels = code.format();
    let pixels = pixels.ok_or_else(|| format!("its driver insists on the format {code}"))?;
    let resolution = Resolution::new(format.width, format.height);
    let resolution = resolution.map_err(|error| error.to_string())?;
    let stride = usize::try_from(format.stride)
        .ok()
        .filter(|&stride| stride > 0);
    let layout = FrameLayout::new(pixels, resolution, stride).map_err(|e| e.to_string())?;
    Ok(layout.with_color(color(
        layout.color(),
        format.colorspace,
        format.quantization,
    )))
}

/// What the driver says of color, where it says anything.
fn color(usual: Color, space: Colorspace, quantization: Quantization) -> Color {
    let matrix = match space {
        Colorspace::Rec709 => Matrix::Bt709,
        _ => usual.matrix,
    };
    let range = match (quantization, space) {
        (Quantization::FullRange, _) | (Quantization::Default, Colorspace::JPEG) => Range::Full,
        (Quantization::LimitedRange, _) => Range::Limited,
        (Quantization::Default, _) => usual.range,
    };
    Color { matrix, range }
}

/// The driver's stamp, if it is by `CLOCK_MONOTONIC`.
fn stamp(said: &Metadata) -> Option<MonotonicTime> {
    let is_monotonic = said.flags & Flags::TIMESTAMP_MASK == Flags::TIMESTAMP_MONOTONIC;
    let seconds = u64::try_from(said.timestamp.sec).ok()?;
    let micros = u64::try_from(said.timestamp.usec).ok()?;
    let nanos = seconds
        .checked_mul(1_000_000_000)?
        .checked_add(micros.checked_mul(1000)?)?;
    is_monotonic.then(|| MonotonicTime::from_nanos(nanos))
}

/// The buffers that driver and program share.
///
/// `Stream::next` gives the buffer of the last frame back to the driver before it waits, and when no
/// frame comes in time, it tries to give it back again the next time, which the driver refuses. So
/// it is called only when a frame is ready, and one buffer is kept back at the start for it.
struct Buffers {
    /// `None` only while it is dropped.
    stream: Option<Stream<'static>>,
    /// All buffers are with the driver.
    is_empty_handed: bool,
}

impl Buffers {
    fn start(device: &Device) -> io::Result<Self> {
        let stream = Stream::with_buffers(device, Type::VideoCapture, BUFFERS)?;
        let mut buffers = Self {
            stream: Some(stream),
            is_empty_handed: false,
        };
        let stream = buffers.stream()?;
        stream.set_timeout(READY_LIMIT);
        CaptureStream::queue(stream, 1)?;
        for index in 2..BUFFERS as usize {
            // A driver may have made fewer.
            if CaptureStream::queue(stream, index).is_err() {
                break;
            }
        }
        stream.start()?;
        Ok(buffers)
    }

    /// Whether there is a frame, or an error to be fetched, within that time.
    fn is_ready(&mut self, wait: Duration) -> io::Result<bool> {
        // Rounded up, since 0 would spin through the last millisecond.
        let ms = i32::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        match self.stream()?.handle().poll(POLLIN, ms) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            ready => Ok(ready? > 0),
        }
    }

    /// The frame that is ready; `None` when there was none after all.
    fn next(&mut self) -> io::Result<Option<(&[u8], &Metadata)>> {
        if self.is_empty_handed {
            return self.regain().map(|()| None);
        }
        // The borrow of a returned frame would last through the other arms.
        let is_empty_handed = &mut self.is_empty_handed;
        let Some(stream) = self.stream.as_mut() else {
            return Ok(None);
        };
        match CaptureStream::next(stream) {
            Ok(frame) => Ok(Some(frame)),
            Err(error) if is_passing(&error) => {
                *is_empty_handed = true;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes a buffer from the driver, whose frame is lost.
    fn regain(&mut self) -> io::Result<()> {
        match CaptureStream::dequeue(self.stream()?) {
            Ok(_index) => self.is_empty_handed = false,
            Err(error) if is_passing(&error) => std::thread::sleep(IDLE_PAUSE),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn stream(&mut self) -> io::Result<&mut Stream<'static>> {
        let missing = || io::Error::other("the stream was stopped");
        self.stream.as_mut().ok_or_else(missing)
    }
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

impl Drop for Buffers {
    /// The crate panics when a stream cannot be stopped, unless its device is gone. Such a stream is
    /// left open rather: the kernel closes it with the program.
    fn drop(&mut self) {
        let Some(mut stream) = self.stream.take() else {
            return;
        };
        match stream.stop() {
            Err(error) if Errno::from_io_error(&error) != Some(Errno::NODEV) => {
                std::mem::forget(stream);
            }
            _ => drop(stream),
        }
    }
}

#[cfg(test)]
mod tests {
    use v4l::Timestamp;

    use super::*;
    use crate::picture::frame::PixelFormat;

    fn said(sec: i64, usec: i64, flags: Flags) -> Metadata {
        Metadata {
            timestamp: Timestamp::new(sec, usec),
            flags,
            ..Metadata::default()
        }
    }

    #[test]
    fn only_a_stamp_by_the_monotonic_clock_counts() {
        let monotonic = Flags::TIMESTAMP_MONOTONIC | Flags::TSTAMP_SRC_SOE;
        let time = MonotonicTime::from_nanos(5_000_250_000);
        assert_eq!(stamp(&said(5, 250, monotonic)), Some(time));
        assert_eq!(stamp(&said(5, 250, Flags::TIMESTAMP_COPY)), None);
        assert_eq!(stamp(&said(5, 250, Flags::TIMESTAMP_UNKNOWN)), None);
        assert_eq!(stamp(&said(-5, 250, monotonic)), None);
        assert_eq!(stamp(&said(i64::MAX, 250, monotonic)), None);
    }

    #[test]
    fn a_rate_becomes_the_interval_that_drivers_list() {
        let parts = |millifps| {
            let fraction = interval(millifps);
            (fraction.numerator, fraction.denominator)
        };
        assert_eq!(parts(30_000), (1, 30));
        assert_eq!(parts(12_500), (1000, 12_500));
    }

    #[test]
    fn a_driver_that_sets_an_absurd_format_is_refused() {
        let format = |width, height, code, stride| Format {
            stride,
            ..Format::new(width, height, v4l::FourCC::new(code))
        };
        assert!(layout(&format(640, 480, b"YUYV", 1280)).is_ok());
        assert!(layout(&format(640, 480, b"UYVY", 0)).is_ok());
        assert!(layout(&format(640, 480, b"H264", 0)).is_err());
        assert!(layout(&format(640, 480, b"YUYV", 100)).is_err());
        assert!(layout(&format(u32::MAX, 480, b"YUYV", 0)).is_err());
        assert!(layout(&format(640, 0, b"MJPG", 0)).is_err());
    }

    #[test]
    fn the_driver_s_color_counts_where_it_tells() {
        let resolution = Resolution::new(4, 4).unwrap();
        let usual = FrameLayout::new(PixelFormat::Yuyv, resolution, None)
            .unwrap()
            .color();
        assert_eq!(color(usual, Colorspace::SRGB, Quantization::Default), usual);
        let jpeg = color(usual, Colorspace::JPEG, Quantization::Default);
        assert_eq!((jpeg.matrix, jpeg.range), (Matrix::Bt601, Range::Full));
        let hd = color(usual, Colorspace::Rec709, Quantization::LimitedRange);
        assert_eq!((hd.matrix, hd.range), (Matrix::Bt709, Range::Limited));
    }
}
