//! The thread that a camera runs on, since waiting for its frames has no limit.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use greenroom_protocol::measure::time::{MonotonicTime, arrival_time};
use greenroom_reports::model::camera::PictureSize;
use nokhwa::utils::{
    CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType,
    Resolution as NokhwaResolution,
};
use nokhwa::{Buffer, Camera, NokhwaError};

use super::errors::cannot;
use crate::camera::backend::{CameraStream, CapturedFrame, Opened, Pulled, capture_time};
use crate::camera::choice::{choose_mode, why_unusable};
use crate::camera::clock::CameraClock;
use crate::camera::mode::{FourCc, Mode, WantedMode};
use crate::error::DeviceError;
use crate::picture::frame::{FrameError, FrameLayout, PixelFormat, Resolution};

/// Longest wait for a camera to open: as long as the kernel waits for one that does not answer.
const OPEN_LIMIT: Duration = Duration::from_secs(6);

/// Frames that wait to be taken; beyond, the thread waits, and the driver drops.
const QUEUE: usize = 2;

const FORMATS: [FrameFormat; 6] = [
    FrameFormat::NV12,
    FrameFormat::YUYV,
    FrameFormat::RAWRGB,
    FrameFormat::RAWBGR,
    FrameFormat::MJPEG,
    FrameFormat::GRAY,
];

/// A camera that runs on a thread of its own.
///
/// When it is dropped while the camera gives nothing, the thread stays until the crate returns, and
/// the camera stays open: there is no way to make it return.
#[derive(Debug)]
pub(super) struct NokhwaStream {
    camera: String,
    clock: CameraClock,
    opened: Opened,
    frames: Receiver<Result<Arrived, NokhwaError>>,
}

#[derive(Debug)]
struct Arrived {
    buffer: Buffer,
    at: MonotonicTime,
}

impl NokhwaStream {
    pub(super) fn open(
        index: CameraIndex,
        camera: &str,
        wanted: WantedMode,
        clock: CameraClock,
    ) -> Result<Self, DeviceError> {
        let (tell_opened, told_opened) = mpsc::sync_channel(1);
        let (tell, frames) = mpsc::sync_channel(QUEUE);
        let name = camera.to_owned();
        spawn(camera, move || match open(index, &name, wanted) {
            Err(error) => {
                let _gone = tell_opened.send(Err(error));
            }
            Ok((camera, opened)) => {
                if tell_opened.send(Ok(opened)).is_ok() {
                    pump(camera, clock, &tell);
                }
            }
        })?;
        let opened = wait_for(camera, &told_opened)?;
        Ok(Self {
            camera: camera.to_owned(),
            clock,
            opened,
            frames,
        })
    }

    fn take(&self, arrived: &Arrived, into: &mut CapturedFrame) -> Result<(), FrameError> {
        let Arrived { buffer, at } = arrived;
        let layout = layout(buffer.source_frame_format(), buffer.resolution())?;
        into.refill(layout, buffer.buffer());
        into.arrived_at = *at;
        into.captured_at = capture_time(self.stamp(buffer), *at);
        into.sequence = None;
        into.is_damaged = false;
        Ok(())
    }

    /// The crate tells the wall clock's time.
    fn stamp(&self, buffer: &Buffer) -> Option<MonotonicTime> {
        let stamp = buffer.capture_timestamp()?;
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        Some(arrival_time(Some(stamp), wall, self.clock.now()).0)
    }
}

impl CameraStream for NokhwaStream {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    fn fill(&mut self, wait: Duration, into: &mut CapturedFrame) -> Result<Pulled, DeviceError> {
        let failed = |why: String| DeviceError::Failed {
            operation: "read",
            device: self.camera.clone(),
            why,
        };
        match self.frames.recv_timeout(wait) {
            Ok(Ok(arrived)) => {
                let taken = self.take(&arrived, into);
                taken.map_err(|error| failed(error.to_string()))?;
                Ok(Pulled::Frame)
            }
            Ok(Err(error)) => Err(cannot("read", &self.camera, &error)),
            Err(RecvTimeoutError::Timeout) => Ok(Pulled::Timeout),
            Err(RecvTimeoutError::Disconnected) => Err(failed(
                "its driver says something that is not understood".to_owned(),
            )),
        }
    }
}

/// What a camera offers, asked on a thread of its own.
pub(super) fn offered(index: CameraIndex, camera: &str) -> Result<Vec<Mode>, DeviceError> {
    let (tell, told) = mpsc::sync_channel(1);
    let name = camera.to_owned();
    spawn(camera, move || {
        let modes = connect(index, &name).map(|(_camera, modes)| modes);
        let _gone = tell.send(modes);
    })?;
    wait_for(camera, &told)
}

fn spawn(camera: &str, work: impl FnOnce() + Send + 'static) -> Result<(), DeviceError> {
    let builder = thread::Builder::new().name("camera nokhwa".to_owned());
    let spawned = builder.spawn(work).map(drop);
    spawned.map_err(|error| DeviceError::Failed {
        operation: "open",
        device: camera.to_owned(),
        why: format!("the system gives no thread: {error}"),
    })
}

fn wait_for<T>(camera: &str, told: &Receiver<Result<T, DeviceError>>) -> Result<T, DeviceError> {
    let device = camera.to_owned();
    match told.recv_timeout(OPEN_LIMIT) {
        Ok(opened) => opened,
        Err(RecvTimeoutError::Timeout) => Err(DeviceError::Stalled { device }),
        Err(RecvTimeoutError::Disconnected) => Err(DeviceError::Failed {
            operation: "open",
            device,
            why: "its driver says something that is not understood".to_owned(),
        }),
    }
}

/// Opens a camera as it stands, and reads what it offers.
fn connect(index: CameraIndex, name: &str) -> Result<(Camera, Vec<Mode>), DeviceError> {
    let failed = |error: NokhwaError| cannot("open", name, &error);
    let any = RequestedFormat::with_formats(RequestedFormatType::None, &FORMATS);
    let mut camera = Camera::new(index, any).map_err(failed)?;
    let formats = camera.compatible_camera_formats().map_err(failed)?;
    let mut modes: Vec<Mode> = formats.iter().map(mode).collect();
    modes.dedup();
    Ok((camera, modes))
}

fn open(
    index: CameraIndex,
    name: &str,
    wanted: WantedMode,
) -> Result<(Camera, Opened), DeviceError> {
    let (mut camera, offered) = connect(index, name)?;
    let chosen = choose_mode(&offered, &wanted).and_then(format);
    let unsupported = |why| DeviceError::Unsupported {
        device: name.to_owned(),
        why,
    };
    let chosen = chosen.ok_or_else(|| unsupported(why_unusable(&offered)))?;
    let exactly = RequestedFormatType::Exact(chosen);
    let request = RequestedFormat::with_formats(exactly, &FORMATS);
    // What it cannot be set to, it is left at: what it gives is measured.
    let _stays = camera.set_camera_requset(request);
    let opened = camera.open_stream();
    opened.map_err(|error| cannot("start", name, &error))?;
    let set = camera.camera_format();
    let layout = layout(set.format(), set.resolution());
    let opened = Opened {
        offered,
        mode: mode(&set),
        layout: layout.map_err(|error| unsupported(error.to_string()))?,
    };
    Ok((camera, opened))
}

/// Until nobody takes the frames any more, or the camera fails.
fn pump(mut camera: Camera, clock: CameraClock, tell: &SyncSender<Result<Arrived, NokhwaError>>) {
    loop {
        let frame = camera.frame();
        let at = clock.now();
        let failed = frame.is_err();
        let arrived = frame.map(|buffer| Arrived { buffer, at });
        if tell.send(arrived).is_err() || failed {
            return;
        }
    }
}

fn layout(format: FrameFormat, size: NokhwaResolution) -> Result<FrameLayout, FrameError> {
    let resolution = Resolution::new(size.width(), size.height())?;
    FrameLayout::new(pixels(format), resolution, None)
}

fn pixels(format: FrameFormat) -> PixelFormat {
    match format {
        FrameFormat::MJPEG => PixelFormat::Mjpeg,
        FrameFormat::YUYV => PixelFormat::Yuyv,
        FrameFormat::NV12 => PixelFormat::Nv12,
        FrameFormat::GRAY => PixelFormat::Grey,
        FrameFormat::RAWRGB => PixelFormat::Rgb24,
        FrameFormat::RAWBGR => PixelFormat::Bgr24,
    }
}

fn mode(format: &CameraFormat) -> Mode {
    Mode {
        size: PictureSize {
            width: format.width(),
            height: format.height(),
        },
        millifps: Some(format.frame_rate().saturating_mul(1000)).filter(|&fps| fps > 0),
        code: FourCc::of(pixels(format.format())),
    }
}

fn format(mode: &Mode) -> Option<CameraFormat> {
    let format = FORMATS
        .into_iter()
        .find(|&f| Some(pixels(f)) == mode.code.format())?;
    let size = NokhwaResolution::new(mode.size.width, mode.size.height);
    Some(CameraFormat::new(size, format, mode.millifps? / 1000))
}
