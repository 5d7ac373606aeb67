//! The handle of a capture.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::capture::Capture;
use super::reader::{CameraReader, Slot, Wake};
use super::state::{Shared, StreamEnd};
use crate::camera::backend::{CameraBackend, Opened};
use crate::camera::clock::CameraClock;
use crate::camera::mode::WantedMode;
use crate::device::DeviceInfo;
use crate::error::DeviceError;

/// How long dropping waits for the camera to close. A USB camera takes some tenths of a second; one
/// that does not answer takes the kernel five seconds, which nobody is to wait for.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// One capture of a camera for any number of readers.
///
/// A thread of its own takes the frames. It ends when this handle is dropped, which waits for it 2 s
/// at the most: a driver that hangs in the kernel cannot be freed from outside, and its thread ends
/// by itself when the kernel gives up.
#[derive(Debug)]
pub struct SharedCamera {
    camera: DeviceInfo,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl SharedCamera {
    /// Begins to open a camera and returns at once; [`Self::wait_opened`] tells what came of it.
    pub fn start(
        backend: Arc<dyn CameraBackend>,
        camera: DeviceInfo,
        wanted: WantedMode,
        clock: CameraClock,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let capture = Capture {
            backend,
            camera: camera.clone(),
            wanted,
            clock,
            shared: Arc::clone(&shared),
        };
        let spawned = thread::Builder::new()
            .name("camera".to_owned())
            .spawn(move || capture.run());
        let thread = match spawned {
            Ok(thread) => Some(thread),
            Err(error) => {
                shared.end(&StreamEnd::Failed(no_thread(&camera, &error)));
                None
            }
        };
        Self {
            camera,
            shared,
            thread,
        }
    }

    /// Which camera.
    pub fn camera(&self) -> &DeviceInfo {
        &self.camera
    }

    /// Waits until it is open; `None` when it is neither open nor refused in that time.
    ///
    /// # Errors
    ///
    /// Why it could not be opened.
    pub fn wait_opened(&self, limit: Duration) -> Option<Result<Opened, StreamEnd>> {
        self.shared.wait_opened(limit)
    }

    /// A reader that gets the frames from now on, and keeps up to `depth` of them (1 to 32): 1 to
    /// show the latest, more to miss none.
    pub fn reader(&self, depth: usize) -> CameraReader {
        self.add_reader(Slot::new(depth, None))
    }

    /// As [`Self::reader`]; `wake` is called on the capture thread when there is something to see.
    /// It must neither wait nor call back.
    pub fn reader_with_wake(
        &self,
        depth: usize,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> CameraReader {
        let wake: Wake = Box::new(wake);
        self.add_reader(Slot::new(depth, Some(wake)))
    }

    fn add_reader(&self, slot: Slot) -> CameraReader {
        let slot = Arc::new(slot);
        self.shared.add_reader(&slot);
        CameraReader::new(slot)
    }

    /// Asks the capture to end, without waiting for it.
    pub fn stop(&self) {
        self.shared.stop();
    }
}

impl Drop for SharedCamera {
    fn drop(&mut self) {
        self.shared.stop();
        let ended = self.shared.wait_ended(CLOSE_LIMIT);
        if let Some(thread) = self.thread.take().filter(|_| ended) {
            // A panic was told to the readers as the end.
            let _panicked = thread.join();
        }
    }
}

fn no_thread(camera: &DeviceInfo, error: &io::Error) -> DeviceError {
    DeviceError::Failed {
        operation: "open",
        device: camera.name.clone(),
        why: format!("the system gives no thread: {error}"),
    }
}
