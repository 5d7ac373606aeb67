//! The cameras of this machine, by all ways to them.

use std::sync::Arc;

use super::backend::CameraBackend;
use super::clock::CameraClock;
use super::mode::{Mode, WantedMode};
use super::shared::SharedCamera;
use super::synthetic::{SYNTHETIC_CAMERA, SyntheticCamera};
use crate::choose::{Chosen, resolve};
use crate::device::{DeviceInfo, DeviceKind};
use crate::error::DeviceError;
use crate::selection::DeviceId;

/// The ways to the cameras, and their clock. Copies know the same ones.
#[derive(Clone, Debug, Default)]
pub struct Cameras {
    backends: Vec<Arc<dyn CameraBackend>>,
    clock: CameraClock,
}

impl Cameras {
    /// The cameras of this machine: by V4L2 on Linux, by `nokhwa` elsewhere; none where the feature
    /// `camera` is off.
    pub fn of_system() -> Self {
        let mut cameras = Self::default();
        cameras.add_system();
        cameras
    }

    #[cfg(all(feature = "camera", target_os = "linux"))]
    fn add_system(&mut self) {
        self.backends.push(Arc::new(super::v4l2::V4l2::default()));
    }

    #[cfg(all(feature = "camera", not(target_os = "linux")))]
    fn add_system(&mut self) {
        self.backends.push(Arc::new(super::nokhwa::Nokhwa));
    }

    #[cfg(not(feature = "camera"))]
    #[expect(
        clippy::unused_self,
        reason = "with the feature it has something to add"
    )]
    fn add_system(&mut self) {}

    /// These and the ones of another way.
    #[must_use]
    pub fn with(mut self, backend: Arc<dyn CameraBackend>) -> Self {
        self.backends.push(backend);
        self
    }

    /// Also lists the synthetic camera, behind all others. Without it, it is there only for those
    /// that ask for it by its id.
    #[must_use]
    pub fn with_synthetic(self) -> Self {
        self.with(Arc::new(SyntheticCamera))
    }

    /// The clock of their frames.
    pub fn clock(&self) -> CameraClock {
        self.clock
    }

    /// All that can be chosen. May block, see [`CameraBackend`].
    ///
    /// # Errors
    ///
    /// When there are none, and one way could not tell.
    pub fn list(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        let mut cameras = Vec::new();
        let mut failed = None;
        for backend in &self.backends {
            match backend.list() {
                Ok(found) => cameras.extend(found),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) if cameras.is_empty() => Err(error),
            _ => Ok(cameras),
        }
    }

    /// The camera that a selection means, out of how many; see [`resolve`]. The synthetic one is
    /// meant by its id alone, and does not count unless it is listed.
    ///
    /// # Errors
    ///
    /// [`DeviceError::None`], or that they cannot be listed.
    pub fn choose(&self, selected: Option<&DeviceId>) -> Result<Choice, DeviceError> {
        let synthetic = SyntheticCamera::info();
        if selected == Some(&synthetic.id) {
            let n_cameras = self.list().map_or(0, |cameras| cameras.len());
            let chosen = Chosen {
                info: synthetic,
                fallback: None,
            };
            return Ok(Choice { n_cameras, chosen });
        }
        let cameras = self.list()?;
        Ok(Choice {
            n_cameras: cameras.len(),
            chosen: resolve(&cameras, DeviceKind::Camera, selected)?,
        })
    }

    /// What a camera offers. May block, see [`CameraBackend`].
    ///
    /// # Errors
    ///
    /// Why it does not tell.
    pub fn modes(&self, camera: &DeviceInfo) -> Result<Vec<Mode>, DeviceError> {
        self.backend_of(camera)?.modes(camera)
    }

    /// Begins to open a camera and returns at once.
    ///
    /// # Errors
    ///
    /// When it is not among the ones of these ways.
    pub fn start(
        &self,
        camera: DeviceInfo,
        wanted: WantedMode,
    ) -> Result<SharedCamera, DeviceError> {
        let backend = self.backend_of(&camera)?;
        Ok(SharedCamera::start(backend, camera, wanted, self.clock))
    }

    fn backend_of(&self, camera: &DeviceInfo) -> Result<Arc<dyn CameraBackend>, DeviceError> {
        if camera.id.as_str() == SYNTHETIC_CAMERA {
            return Ok(Arc::new(SyntheticCamera));
        }
        let found = self.backends.iter().find(|b| b.name() == camera.backend);
        found.cloned().ok_or_else(|| DeviceError::NotFound {
            kind: DeviceKind::Camera,
            name: camera.name.clone(),
        })
    }

    /// Something cheap that differs when [`Self::list`] may; `None` where only listing tells.
    pub(super) fn fingerprint(&self) -> Option<Vec<u64>> {
        self.backends.iter().map(|b| b.fingerprint()).collect()
    }
}

/// A camera, out of how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Cameras that there are.
    pub n_cameras: usize,
    /// Which.
    pub chosen: Chosen,
}
