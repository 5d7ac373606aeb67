//! A camera that does what a test says, for faults that no device of this machine has.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use greenroom_reports::model::camera::PictureSize;

use crate::camera::backend::{CameraBackend, CameraStream, CapturedFrame, Opened, Pulled};
use crate::camera::clock::CameraClock;
use crate::camera::mode::{FourCc, Mode, WantedMode};
use crate::device::{DeviceInfo, DeviceKind};
use crate::error::DeviceError;
use crate::picture::frame::{FrameLayout, PixelFormat, Resolution};
use crate::selection::DeviceId;

/// What the camera does next. When the script is over, nothing comes any more.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Frame(u8),
    Silence(Duration),
    Fail(DeviceError),
    Panic,
}

#[derive(Debug)]
pub(super) struct Scripted {
    pub(super) refuses: Option<DeviceError>,
    pub(super) script: Mutex<VecDeque<Act>>,
    pub(super) cameras: Mutex<Vec<DeviceInfo>>,
    /// Streams that run.
    pub(super) running: Arc<AtomicUsize>,
    /// Between two frames.
    pub(super) pace: Duration,
}

impl Scripted {
    pub(super) fn new(script: impl IntoIterator<Item = Act>) -> Self {
        Self {
            refuses: None,
            script: Mutex::new(script.into_iter().collect()),
            cameras: Mutex::new(vec![camera("scripted")]),
            running: Arc::default(),
            pace: Duration::from_millis(1),
        }
    }
}

pub(super) fn camera(id: &str) -> DeviceInfo {
    DeviceInfo {
        kind: DeviceKind::Camera,
        id: DeviceId::new(id),
        name: id.to_owned(),
        backend: "scripted".to_owned(),
        is_default: true,
        is_synthetic: false,
    }
}

pub(super) fn opened() -> Opened {
    let resolution = Resolution::new(4, 2).unwrap();
    let mode = Mode {
        size: PictureSize {
            width: 4,
            height: 2,
        },
        millifps: Some(30_000),
        code: FourCc::of(PixelFormat::Grey),
    };
    Opened {
        offered: vec![mode],
        mode,
        layout: FrameLayout::new(PixelFormat::Grey, resolution, None).unwrap(),
    }
}

impl CameraBackend for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn list(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        Ok(self.cameras.lock().unwrap().clone())
    }

    fn modes(&self, _camera: &DeviceInfo) -> Result<Vec<Mode>, DeviceError> {
        Ok(opened().offered)
    }

    fn open(
        &self,
        _camera: &DeviceInfo,
        _wanted: &WantedMode,
        clock: CameraClock,
    ) -> Result<Box<dyn CameraStream>, DeviceError> {
        if let Some(error) = &self.refuses {
            return Err(error.clone());
        }
        self.running.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(ScriptedStream {
            opened: opened(),
            script: self.script.lock().unwrap().drain(..).collect(),
            running: Arc::clone(&self.running),
            pace: self.pace,
            clock,
            sequence: 0,
        }))
    }
}

#[derive(Debug)]
struct ScriptedStream {
    opened: Opened,
    script: VecDeque<Act>,
    running: Arc<AtomicUsize>,
    pace: Duration,
    clock: CameraClock,
    sequence: u64,
}

impl Drop for ScriptedStream {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl CameraStream for ScriptedStream {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    #[expect(clippy::disallowed_methods, reason = "a camera takes its time")]
    fn fill(&mut self, wait: Duration, into: &mut CapturedFrame) -> Result<Pulled, DeviceError> {
        let silence = match self.script.pop_front() {
            Some(Act::Frame(level)) => {
                thread::sleep(self.pace);
                into.refill(self.opened.layout, &[level; 8]);
                into.arrived_at = self.clock.now();
                into.captured_at = into.arrived_at;
                into.sequence = Some(self.sequence);
                self.sequence += 1;
                return Ok(Pulled::Frame);
            }
            Some(Act::Fail(error)) => return Err(error),
            Some(Act::Panic) => panic!("a library does not understand the driver"),
            Some(Act::Silence(silence)) => silence,
            None => Duration::MAX,
        };
        thread::sleep(silence.min(wait));
        if let Some(left) = silence.checked_sub(wait).filter(|left| !left.is_zero()) {
            self.script.push_front(Act::Silence(left));
        }
        Ok(Pulled::Timeout)
    }
}

/// A time that no test waits for when all is well.
pub(super) const LONG: Duration = Duration::from_secs(10);
