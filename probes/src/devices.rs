//! Which devices a run judges, and how.

use std::sync::atomic::{AtomicBool, Ordering};

use greenroom_devices::audio::catalog::Audio;
use greenroom_devices::codec::headroom::{HeadroomConfig, headroom};
use greenroom_devices::selection::DeviceSelection;
use greenroom_reports::model::camera::EncodeHeadroom;
use greenroom_reports::model::report::{Mode, ProbeId};

use crate::camera::{self, CameraConfig};
use crate::cancel::Cancel;
use crate::emit::Emitter;
use crate::event::ProbeResult;
use crate::microphone::{self, MicrophoneConfig};
use crate::speaker::{self, Listener, SpeakerConfig};

/// What is asked of the probes of devices.
#[derive(Clone, Debug, Default)]
pub struct DevicesConfig {
    /// What was chosen; the system's default for the rest.
    pub selection: DeviceSelection,
    /// A person was asked to speak while the microphone is listened to.
    pub asks_to_speak: bool,
    /// The microphones and speakers that there are. The synthetic ones of one value share a room.
    pub audio: Audio,
}

/// How fast this machine encodes what a call sends; `None` when it was told to end, or libvpx
/// cannot.
fn measure_encoding(abandoned: &AtomicBool) -> Option<EncodeHeadroom> {
    let config = HeadroomConfig::hd().ok()?;
    headroom(&config, || abandoned.load(Ordering::Acquire)).ok()
}

/// Runs the probe of a device.
pub(crate) async fn run(
    probe: ProbeId,
    config: &DevicesConfig,
    mode: Mode,
    cancel: &Cancel,
    emitter: &Emitter,
) -> ProbeResult {
    let selection = &config.selection;
    match probe {
        ProbeId::Camera => {
            let config = CameraConfig {
                mode,
                selection: selection.camera.clone(),
                encoding: Some(measure_encoding),
                ..CameraConfig::default()
            };
            ProbeResult::Camera(camera::run(&config, cancel, emitter).await)
        }
        ProbeId::Microphone => {
            let config = MicrophoneConfig {
                mode,
                selection: selection.microphone.clone(),
                asks_to_speak: config.asks_to_speak,
                audio: config.audio.clone(),
            };
            ProbeResult::Microphone(microphone::run(&config, cancel, emitter).await)
        }
        _ => {
            let listener = selection.microphone.clone();
            let config = SpeakerConfig {
                mode,
                audio: config.audio.clone(),
                selection: selection.speaker.clone(),
                listener: listener.map_or(Listener::Default, Listener::Chosen),
                ..SpeakerConfig::default()
            };
            ProbeResult::Speaker(speaker::run(&config, cancel, emitter).await)
        }
    }
}
