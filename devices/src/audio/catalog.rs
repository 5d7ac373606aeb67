//! Lists and opens microphones and speakers.

use std::sync::Arc;

use super::backend::{AudioBackend, MixerState};
use super::capture::microphone::SharedMicrophone;
use super::native;
use super::playback::speaker::Speaker;
use super::synthetic::SyntheticAudio;
use crate::device::{DeviceInfo, DeviceKind};
use crate::error::DeviceError;
use crate::selection::DeviceId;

/// The microphones and speakers that can be reached. Clones reach the same ones.
///
/// Everything here may block for as long as its documentation says; it belongs on a thread that may.
#[derive(Clone, Debug)]
pub struct Audio {
    system: Arc<dyn AudioBackend>,
    synthetic: Arc<dyn AudioBackend>,
}

impl Default for Audio {
    fn default() -> Self {
        Self::new()
    }
}

impl Audio {
    /// Those of this machine, and the synthetic ones, which are not listed: they are reached by
    /// their ids only.
    pub fn new() -> Self {
        Self {
            system: native::backend(),
            synthetic: Arc::new(SyntheticAudio::default()),
        }
    }

    /// Through this back end instead of the machine's own.
    pub fn through(backend: Arc<dyn AudioBackend>) -> Self {
        Self {
            system: backend,
            synthetic: Arc::new(SyntheticAudio::default()),
        }
    }

    /// The devices of a kind, the system's default first. None for cameras.
    ///
    /// # Errors
    ///
    /// When the system does not list them.
    pub fn list(&self, kind: DeviceKind) -> Result<Vec<DeviceInfo>, DeviceError> {
        if kind == DeviceKind::Camera {
            return Ok(Vec::new());
        }
        let mut devices = self.system.list(kind)?;
        // Stable: the order of the system stays.
        devices.sort_by_key(|device| !device.is_default);
        Ok(devices)
    }

    /// The microphones. What a speaker plays can be recorded too, but is no microphone and not
    /// listed.
    ///
    /// # Errors
    ///
    /// As [`Self::list`].
    pub fn list_microphones(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        self.list(DeviceKind::Microphone)
    }

    /// The speakers.
    ///
    /// # Errors
    ///
    /// As [`Self::list`].
    pub fn list_speakers(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        self.list(DeviceKind::Speaker)
    }

    /// The device of this id or, since people type it, of this name; without either, the system's
    /// default, or else the first.
    ///
    /// # Errors
    ///
    /// [`DeviceError::NotFound`], [`DeviceError::None`], and as [`Self::list`].
    pub fn choose(
        &self,
        kind: DeviceKind,
        id: Option<&DeviceId>,
    ) -> Result<DeviceInfo, DeviceError> {
        let Some(id) = id else {
            let first = self.list(kind)?.into_iter().next();
            return first.ok_or(DeviceError::None { kind });
        };
        if let Some(device) = self.synthetic.find(kind, id) {
            return Ok(device);
        }
        let mut devices = self.list(kind)?;
        let wanted = id.as_str();
        let listed = devices
            .iter()
            .position(|device| device.id == *id)
            .or_else(|| devices.iter().position(|device| device.name == wanted));
        match listed {
            Some(at) => Ok(devices.swap_remove(at)),
            None => self
                .system
                .find(kind, id)
                .ok_or_else(|| DeviceError::NotFound {
                    kind,
                    name: wanted.to_owned(),
                }),
        }
    }

    /// Opens a microphone. Blocks for two seconds at the longest.
    ///
    /// # Errors
    ///
    /// Why it gives nothing, by name.
    pub fn open_microphone(&self, device: &DeviceInfo) -> Result<SharedMicrophone, DeviceError> {
        SharedMicrophone::open(self.backend_of(device), device.clone())
    }

    /// Opens a speaker. Blocks for two seconds at the longest.
    ///
    /// # Errors
    ///
    /// Why it plays nothing, by name.
    pub fn open_speaker(&self, device: &DeviceInfo) -> Result<Speaker, DeviceError> {
        Speaker::open(self.backend_of(device), device.clone())
    }

    /// How a device's mixer stands; `None` where it cannot be read. May block for half a second.
    pub fn mixer(&self, device: &DeviceInfo) -> Option<MixerState> {
        self.backend_of(device).mixer(device)
    }

    fn backend_of(&self, device: &DeviceInfo) -> Arc<dyn AudioBackend> {
        if device.is_synthetic {
            self.synthetic.clone()
        } else {
            self.system.clone()
        }
    }
}
