//! Why a camera gives nothing, for the report.

use greenroom_devices::error::DeviceError;
use greenroom_reports::model::outcome::{Reason, ReasonCode};

/// The reason for an outcome; the sentence names the device.
pub(super) fn reason(error: &DeviceError) -> Reason {
    Reason::new(code(error), error.to_string())
}

fn code(error: &DeviceError) -> ReasonCode {
    match error {
        DeviceError::None { .. } | DeviceError::NotFound { .. } => ReasonCode::NoDevice,
        DeviceError::AccessRefused { .. } => ReasonCode::AccessRefused,
        DeviceError::Busy { .. } => ReasonCode::DeviceBusy,
        DeviceError::Vanished { .. } => ReasonCode::DeviceVanished,
        DeviceError::Stalled { .. } => ReasonCode::DeviceStalled,
        // Also what is not known yet.
        _ => ReasonCode::DeviceFailed,
    }
}
