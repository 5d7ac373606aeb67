//! What the ways to microphones and speakers have in common.

use std::fmt;

use greenroom_reports::model::device::Mixer;
use greenroom_reports::units::Ratio;

use super::capture::port::CapturePort;
use super::playback::port::PlaybackPort;
use crate::device::{DeviceInfo, DeviceKind};
use crate::error::DeviceError;
use crate::selection::DeviceId;

/// A way to the microphones and speakers of this machine.
///
/// All of it may block, but for [`Self::capture`] and [`Self::play`] no longer than about a second:
/// a sound server that hangs is told as an error.
pub trait AudioBackend: fmt::Debug + Send + Sync {
    /// The devices of a kind that can be chosen.
    ///
    /// # Errors
    ///
    /// When the system does not list them at all.
    fn list(&self, kind: DeviceKind) -> Result<Vec<DeviceInfo>, DeviceError>;

    /// A device by its id, also one that is not listed because nobody would choose it, such as what
    /// a speaker plays; `None` when it is no id of this back end, or the device is not there.
    fn find(&self, kind: DeviceKind, id: &DeviceId) -> Option<DeviceInfo>;

    /// Opens a microphone, tells the port so, and feeds it until it is stopped. The thread is the
    /// back end's own until then; a sound server that hangs may hold it for as long.
    fn capture(&self, device: &DeviceInfo, port: CapturePort);

    /// As [`Self::capture`], for a speaker.
    fn play(&self, device: &DeviceInfo, port: PlaybackPort);

    /// How the device's mixer stands; `None` where it has none, or it does not answer.
    fn mixer(&self, device: &DeviceInfo) -> Option<MixerState>;
}

/// How a mixer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MixerState {
    /// The switch is off.
    pub is_muted: bool,
    /// Volume as the slider shows it, 1 at its mark for full, more where it goes beyond; `None`
    /// where there is no slider.
    pub volume: Option<f64>,
    /// The sound server put the device to sleep, and not for want of anybody to use it.
    pub is_suspended: bool,
}

impl MixerState {
    /// As the report tells it.
    pub fn to_report(self) -> Mixer {
        Mixer {
            is_muted: self.is_muted,
            volume_ratio: self.volume.and_then(|v| Ratio::new(v.clamp(0.0, 1.0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_full_is_told_as_full_and_no_slider_as_none() {
        let state = |volume| MixerState {
            volume,
            ..MixerState::default()
        };
        assert_eq!(state(Some(1.5)).to_report().volume_ratio, Some(Ratio::ONE));
        assert_eq!(state(Some(0.0)).to_report().volume_ratio, Some(Ratio::ZERO));
        assert_eq!(state(None).to_report().volume_ratio, None);
        assert_eq!(state(Some(f64::NAN)).to_report().volume_ratio, None);
    }
}
