//! Lists and runs the synthetic camera.
#![expect(
    clippy::disallowed_methods,
    reason = "driver: waits for the next frame"
)]

use std::thread;
use std::time::Duration;

use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_reports::model::camera::PictureSize;

use super::pattern::Pattern;
use crate::camera::backend::{CameraBackend, CameraStream, CapturedFrame, Opened, Pulled};
use crate::camera::clock::CameraClock;
use crate::camera::mode::{FourCc, Mode, WantedMode};
use crate::device::{DeviceInfo, DeviceKind};
use crate::error::DeviceError;
use crate::picture::frame::PixelFormat;
use crate::selection::DeviceId;

/// Id of the synthetic camera.
pub const SYNTHETIC_CAMERA: &str = "synthetic:camera";

const SIZE: PictureSize = PictureSize {
    width: 1280,
    height: 720,
};
const FPS: u32 = 30;

/// A moving test picture with the noise of a sensor, 1280x720 at 30 frames a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct SyntheticCamera;

impl SyntheticCamera {
    /// The one that there is.
    pub fn info() -> DeviceInfo {
        DeviceInfo {
            kind: DeviceKind::Camera,
            id: DeviceId::new(SYNTHETIC_CAMERA),
            name: "Synthetic camera".to_owned(),
            backend: "synthetic".to_owned(),
            is_default: false,
            is_synthetic: true,
        }
    }
}

const fn mode() -> Mode {
    Mode {
        size: SIZE,
        millifps: Some(FPS * 1000),
        code: FourCc::of(PixelFormat::I420),
    }
}

impl CameraBackend for SyntheticCamera {
    fn name(&self) -> &'static str {
        "synthetic"
    }

    fn list(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        Ok(vec![Self::info()])
    }

    fn fingerprint(&self) -> Option<u64> {
        Some(0)
    }

    fn modes(&self, _camera: &DeviceInfo) -> Result<Vec<Mode>, DeviceError> {
        Ok(vec![mode()])
    }

    fn open(
        &self,
        camera: &DeviceInfo,
        _wanted: &WantedMode,
        clock: CameraClock,
    ) -> Result<Box<dyn CameraStream>, DeviceError> {
        let pattern = Pattern::new(SIZE.width, SIZE.height);
        let pattern = pattern.map_err(|error| DeviceError::Failed {
            operation: "open",
            device: camera.name.clone(),
            why: error.to_string(),
        })?;
        let opened = Opened {
            offered: vec![mode()],
            mode: mode(),
            layout: pattern.layout(),
        };
        Ok(Box::new(SyntheticStream {
            opened,
            pattern,
            clock,
            began: clock.now(),
            next: 1,
        }))
    }
}

#[derive(Debug)]
struct SyntheticStream {
    opened: Opened,
    pattern: Pattern,
    clock: CameraClock,
    began: MonotonicTime,
    /// Number of the next frame.
    next: u64,
}

impl SyntheticStream {
    fn due(&self, number: u64) -> MonotonicTime {
        let nanos = number.saturating_mul(1_000_000_000) / u64::from(FPS);
        self.began.after(Duration::from_nanos(nanos))
    }
}

impl CameraStream for SyntheticStream {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    /// A frame that nobody took in its time is lost, as with hardware: its number is left out.
    fn fill(&mut self, wait: Duration, into: &mut CapturedFrame) -> Result<Pulled, DeviceError> {
        let now = self.clock.now();
        while self.due(self.next + 1) <= now {
            self.next += 1;
        }
        let until = self.due(self.next).since(now);
        thread::sleep(until.min(wait));
        if until > wait {
            return Ok(Pulled::Timeout);
        }
        let number = self.next;
        self.next += 1;
        let (len, pattern) = (self.pattern.len(), &mut self.pattern);
        into.refill_with(self.opened.layout, len, |bytes| pattern.draw(number, bytes));
        into.captured_at = self.due(number);
        into.arrived_at = self.clock.now();
        into.sequence = Some(number);
        into.is_damaged = false;
        Ok(Pulled::Frame)
    }
}
