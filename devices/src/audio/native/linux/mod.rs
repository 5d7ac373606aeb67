//! Linux: the sound server where there is one, else the sound cards.

mod alsa;
mod pulse;

use crate::audio::backend::{AudioBackend, MixerState};
use crate::audio::capture::port::CapturePort;
use crate::audio::playback::port::PlaybackPort;
use crate::device::{DeviceInfo, DeviceKind};
use crate::error::DeviceError;
use crate::selection::DeviceId;

/// PulseAudio, or PipeWire through its PulseAudio protocol, where its server answers; else ALSA.
///
/// A server that is there and does not answer is told as such: it holds the sound cards, so there
/// is nothing behind it to fall back on.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinuxAudio;

impl AudioBackend for LinuxAudio {
    fn list(&self, kind: DeviceKind) -> Result<Vec<DeviceInfo>, DeviceError> {
        match pulse::list(kind) {
            Some(listed) => listed,
            None => alsa::list(kind),
        }
    }

    fn find(&self, kind: DeviceKind, id: &DeviceId) -> Option<DeviceInfo> {
        match id.as_str().split_once(':') {
            Some((pulse::PREFIX, _)) => pulse::find(kind, id),
            Some((alsa::PREFIX, _)) => alsa::find(kind, id),
            _ => None,
        }
    }

    fn capture(&self, device: &DeviceInfo, port: CapturePort) {
        if device.backend == pulse::NAME {
            pulse::capture(device, &port);
        } else {
            alsa::capture(device, &port);
        }
    }

    fn play(&self, device: &DeviceInfo, port: PlaybackPort) {
        if device.backend == pulse::NAME {
            pulse::play(device, &port);
        } else {
            alsa::play(device, &port);
        }
    }

    fn mixer(&self, device: &DeviceInfo) -> Option<MixerState> {
        if device.backend == pulse::NAME {
            pulse::mixer(device)
        } else {
            alsa::mixer(device)
        }
    }
}
