//! Which devices a run judges.

use greenroom_devices::choose::{Chosen, resolve};
use greenroom_devices::device::DeviceKind;
use greenroom_devices::error::DeviceError;
use greenroom_devices::list;
use greenroom_devices::selection::DeviceSelection;
use greenroom_reports::model::device::Device;
use greenroom_reports::model::sensitive::Sensitive;

/// What is asked of the probes of devices.
#[derive(Clone, Debug, Default)]
pub struct DevicesConfig {
    /// What was chosen; the system's default for the rest.
    pub selection: DeviceSelection,
    /// A person was asked to speak while the microphone is listened to.
    pub asks_to_speak: bool,
}
