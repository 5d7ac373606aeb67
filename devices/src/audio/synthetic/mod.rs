//! A microphone and a speaker made by this program, for demonstrations and tests without hardware.
//!
//! The two are in one room: what the speaker plays comes back into the microphone, after
//! [`room::DELAY`] and quieter by [`room::LOSS_DB`].

mod microphone;
pub mod room;
mod speaker;

use self::room::Room;
use super::backend::{AudioBackend, MixerState};
use super::capture::port::CapturePort;
use super::playback::port::PlaybackPort;
use crate::device::{DeviceInfo, DeviceKind};
use crate::error::DeviceError;
use crate::selection::DeviceId;

/// Id of the synthetic microphone.
pub const MICROPHONE_ID: &str = "synthetic:microphone";

/// Id of the synthetic speaker.
pub const SPEAKER_ID: &str = "synthetic:speaker";

/// Samples a second of both.
const RATE_HZ: u32 = 48_000;

/// The synthetic devices of one room.
#[derive(Debug, Default)]
pub struct SyntheticAudio {
    room: Room,
}

impl SyntheticAudio {
    fn device(kind: DeviceKind) -> Option<DeviceInfo> {
        let (id, name) = match kind {
            DeviceKind::Camera => return None,
            DeviceKind::Microphone => (MICROPHONE_ID, "Synthetic microphone"),
            DeviceKind::Speaker => (SPEAKER_ID, "Synthetic speaker"),
        };
        Some(DeviceInfo {
            kind,
            id: DeviceId::new(id),
            name: name.to_owned(),
            backend: "synthetic".to_owned(),
            is_default: false,
            is_synthetic: true,
        })
    }
}

impl AudioBackend for SyntheticAudio {
    fn list(&self, kind: DeviceKind) -> Result<Vec<DeviceInfo>, DeviceError> {
        Ok(Self::device(kind).into_iter().collect())
    }

    fn find(&self, kind: DeviceKind, id: &DeviceId) -> Option<DeviceInfo> {
        Self::device(kind).filter(|device| device.id == *id)
    }

    fn capture(&self, _device: &DeviceInfo, port: CapturePort) {
        microphone::run(&self.room, &port);
    }

    fn play(&self, _device: &DeviceInfo, port: PlaybackPort) {
        speaker::run(&self.room, &port);
    }

    fn mixer(&self, _device: &DeviceInfo) -> Option<MixerState> {
        Some(MixerState {
            volume: Some(1.0),
            ..MixerState::default()
        })
    }
}
