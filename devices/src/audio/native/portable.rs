//! The devices of systems other than Linux.

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{Device, Host};

use super::error;
use super::stream::{self, Buffers, Keeper};
use crate::audio::backend::{AudioBackend, MixerState};
use crate::audio::capture::port::CapturePort;
use crate::audio::playback::port::PlaybackPort;
use crate::device::{DeviceInfo, DeviceKind};
use crate::error::DeviceError;
use crate::selection::DeviceId;

/// 10 ms, and 40 ms where that storms.
const BUFFERS: Buffers = Buffers(&[480, 1920]);

/// The host that cpal takes by default.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostAudio;

impl HostAudio {
    fn devices(self, kind: DeviceKind) -> Result<Vec<(DeviceInfo, Device)>, DeviceError> {
        let host = cpal::default_host();
        let default = default_of(&host, kind).and_then(|device| device.id().ok());
        let devices = host.devices().map_err(|error| DeviceError::Failed {
            operation: "list",
            device: format!("the {}s", kind.word()),
            why: error.to_string(),
        })?;
        let found = devices.filter(|device| supports(device, kind));
        Ok(found
            .filter_map(|device| {
                let id = device.id().ok()?;
                let info = DeviceInfo {
                    kind,
                    id: DeviceId::new(id.to_string()),
                    name: device.to_string(),
                    backend: host.id().name().to_lowercase(),
                    is_default: Some(&id) == default.as_ref(),
                    is_synthetic: false,
                };
                Some((info, device))
            })
            .collect())
    }

    fn device(self, info: &DeviceInfo) -> Result<Device, DeviceError> {
        let devices = self.devices(info.kind)?;
        let found = devices.into_iter().find(|(other, _)| other.id == info.id);
        found
            .map(|(_, device)| device)
            .ok_or_else(|| DeviceError::Vanished {
                device: info.name.clone(),
            })
    }
}

fn default_of(host: &Host, kind: DeviceKind) -> Option<Device> {
    match kind {
        DeviceKind::Camera => None,
        DeviceKind::Microphone => host.default_input_device(),
        DeviceKind::Speaker => host.default_output_device(),
    }
}

fn supports(device: &Device, kind: DeviceKind) -> bool {
    match kind {
        DeviceKind::Camera => false,
        DeviceKind::Microphone => device.supports_input(),
        DeviceKind::Speaker => device.supports_output(),
    }
}

/// cpal tells of a device that went away.
struct Trusting;

impl Keeper for Trusting {
    fn is_still_there(&self) -> bool {
        true
    }
}

impl AudioBackend for HostAudio {
    fn list(&self, kind: DeviceKind) -> Result<Vec<DeviceInfo>, DeviceError> {
        let devices = self.devices(kind)?;
        Ok(devices.into_iter().map(|(info, _)| info).collect())
    }

    fn find(&self, _kind: DeviceKind, _id: &DeviceId) -> Option<DeviceInfo> {
        None
    }

    fn capture(&self, device: &DeviceInfo, port: CapturePort) {
        stream::capture(|| self.device(device), device, BUFFERS, &Trusting, &port);
    }

    fn play(&self, device: &DeviceInfo, port: PlaybackPort) {
        stream::play(|| self.device(device), device, BUFFERS, &Trusting, &port);
    }

    fn mixer(&self, _device: &DeviceInfo) -> Option<MixerState> {
        None
    }
}
