//! The thread that takes frames from a camera and hands them out.

use std::sync::Arc;
use std::time::Duration;

use super::pool::Pool;
use super::state::{Shared, StreamEnd};
use super::watchdog::Watchdog;
use crate::camera::backend::{CameraBackend, CameraStream, Pulled};
use crate::camera::clock::CameraClock;
use crate::camera::mode::WantedMode;
use crate::device::DeviceInfo;
use crate::error::DeviceError;

/// Longest wait for a frame before it looks whether it is to stop.
const SLICE: Duration = Duration::from_millis(50);

/// How long no frame may come before readers are told. The slowest rate that a camera takes in the
/// dark is 5 frames a second; a call freezes visibly after 0.5 s.
const PATIENCE: Duration = Duration::from_millis(1000);

/// What a capture thread needs.
#[derive(Debug)]
pub(super) struct Capture {
    pub(super) backend: Arc<dyn CameraBackend>,
    pub(super) camera: DeviceInfo,
    pub(super) wanted: WantedMode,
    pub(super) clock: CameraClock,
    pub(super) shared: Arc<Shared>,
}

impl Capture {
    /// Runs until it is stopped or the camera ends. Whatever happens, readers learn of the end, and
    /// only after the camera was closed.
    pub(super) fn run(self) {
        let panicked = PanicEnd {
            shared: &self.shared,
            camera: &self.camera,
        };
        let end = self.open_and_pump();
        self.shared.end(&end);
        drop(panicked);
    }

    fn open_and_pump(&self) -> StreamEnd {
        let opened = self.backend.open(&self.camera, &self.wanted, self.clock);
        match opened {
            Err(error) => StreamEnd::Failed(error),
            Ok(stream) => self.pump(stream),
        }
    }

    fn pump(&self, mut stream: Box<dyn CameraStream>) -> StreamEnd {
        self.shared.open(stream.opened().clone());
        let mut pool = Pool::new(stream.opened().layout);
        let mut watchdog = Watchdog::new(PATIENCE, self.clock.now());
        while !self.shared.is_stopping() {
            let mut frame = pool.take();
            match stream.fill(SLICE, &mut frame) {
                Ok(Pulled::Frame) => {
                    watchdog.feed(self.clock.now());
                    self.shared.publish(&pool.share(frame));
                }
                Ok(Pulled::Timeout) => {
                    pool.put_back(frame);
                    if watchdog.barks(self.clock.now()) {
                        self.shared.tell_stalled();
                    }
                }
                Err(error) => return StreamEnd::Failed(error),
            }
        }
        StreamEnd::Stopped
    }
}

/// Tells readers of an end also when a library panics on what a driver says.
struct PanicEnd<'a> {
    shared: &'a Shared,
    camera: &'a DeviceInfo,
}

impl Drop for PanicEnd<'_> {
    fn drop(&mut self) {
        // The first end stays: this one counts only when there is none.
        self.shared.end(&StreamEnd::Failed(DeviceError::Failed {
            operation: "read",
            device: self.camera.name.clone(),
            why: "its driver says something that is not understood".to_owned(),
        }));
    }
}
