//! Lists and opens microphones and speakers.

use std::sync::Arc;
use std::time::Duration;

use greenroom_reports::model::device::Device;
use greenroom_reports::model::sensitive::Sensitive;

use super::backend::{AudioBackend, MixerState};
use super::capture::microphone::SharedMicrophone;
use super::native;
use super::playback::speaker::Speaker;
use super::synthetic::SyntheticAudio;
use crate::choose::{Chosen, resolve};
use crate::device::{DeviceInfo, DeviceKind};
use crate::error::DeviceError;
use crate::selection::DeviceId;
use crate::watch::ListWatch;

/// How often it is listed for who watches: twice and a listing fit into a second.
const WATCH_PERIOD: Duration = Duration::from_millis(400);

/// The microphones and speakers that can be reached. Clones reach the same ones.
///
/// Everything here may block for as long as its documentation says; it belongs on a thread that may.
#[derive(Clone, Debug)]
pub struct Audio {
    system: Arc<dyn AudioBackend>,
    synthetic: Arc<dyn AudioBackend>,
}

/// A device that was chosen among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which.
    pub chosen: Chosen,
    /// How many of its kind are listed.
    pub n_devices: usize,
}

impl Choice {
    /// The device as the report tells it.
    pub fn to_report(&self) -> Device {
        let info = &self.chosen.info;
        Device {
            id: Sensitive::new(info.id.as_str()),
            name: info.name.clone(),
            backend: info.backend.clone(),
            is_default: info.is_default,
            is_synthetic: info.is_synthetic,
            fallback: self.chosen.fallback.clone(),
        }
    }
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

    /// Tells when microphones, or speakers, come and go. Those that there are already come as the
    /// first changes, unless they are in `known`.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn watch(&self, kind: DeviceKind, known: Vec<DeviceInfo>) -> std::io::Result<ListWatch> {
        let audio = self.clone();
        // A list that fails now may succeed the next time.
        let look = move || audio.list(kind).ok();
        ListWatch::start("audio watch", WATCH_PERIOD, known, look)
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

    /// The device of this id; when it is gone, the system's default with a sentence that says so.
    /// Without an id, the default, or else the first.
    ///
    /// # Errors
    ///
    /// [`DeviceError::None`], and as [`Self::list`].
    pub fn resolve(
        &self,
        kind: DeviceKind,
        wanted: Option<&DeviceId>,
    ) -> Result<Choice, DeviceError> {
        if let Some(info) = wanted.and_then(|id| self.synthetic.find(kind, id)) {
            let chosen = Chosen {
                info,
                fallback: None,
            };
            // Whatever the system says: it is not needed.
            let n_devices = self.list(kind).map_or(0, |listed| listed.len());
            return Ok(Choice { chosen, n_devices });
        }
        let mut devices = self.list(kind)?;
        let n_devices = devices.len();
        let unlisted = wanted
            .filter(|id| !devices.iter().any(|device| device.id == **id))
            .and_then(|id| self.system.find(kind, id));
        devices.extend(unlisted);
        let chosen = resolve(&devices, kind, wanted)?;
        Ok(Choice { chosen, n_devices })
    }

    /// Opens a microphone. Blocks for four seconds at the longest.
    ///
    /// # Errors
    ///
    /// Why it gives nothing, by name.
    pub fn open_microphone(&self, device: &DeviceInfo) -> Result<SharedMicrophone, DeviceError> {
        SharedMicrophone::open(self.backend_of(device), device.clone())
    }

    /// Opens a speaker. Blocks for four seconds at the longest.
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
