//! Which devices a run judges, and how.

use greenroom_devices::selection::DeviceSelection;
use greenroom_reports::model::outcome::Outcome;
use greenroom_reports::model::report::{Mode, ProbeId};

use crate::camera::{self, CameraConfig};
use crate::cancel::Cancel;
use crate::emit::Emitter;
use crate::event::ProbeResult;

/// What is asked of the probes of devices.
#[derive(Clone, Debug, Default)]
pub struct DevicesConfig {
    /// What was chosen; the system's default for the rest.
    pub selection: DeviceSelection,
    /// A person was asked to speak while the microphone is listened to.
    pub asks_to_speak: bool,
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
                ..CameraConfig::default()
            };
            ProbeResult::Camera(camera::run(&config, cancel, emitter).await)
        }
        _ => ProbeResult::Camera(Outcome::earlier_version()),
    }
}
