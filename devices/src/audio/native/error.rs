//! What cpal says, in our words.

use cpal::{Error, ErrorKind};

use crate::device::DeviceInfo;
use crate::error::DeviceError;

/// Why a device could not be opened.
pub(super) fn on_open(error: &Error, device: &DeviceInfo) -> DeviceError {
    let name = device.name.clone();
    match error.kind() {
        ErrorKind::PermissionDenied => DeviceError::AccessRefused { device: name },
        ErrorKind::DeviceBusy => DeviceError::Busy {
            device: name,
            by: None,
        },
        ErrorKind::DeviceNotAvailable => DeviceError::Vanished { device: name },
        ErrorKind::UnsupportedConfig | ErrorKind::UnsupportedOperation => {
            DeviceError::Unsupported {
                device: name,
                why: said(error),
            }
        }
        _ => failed("open", error, device),
    }
}

/// Why a stream that ran broke off. `is_there` is whether its device is listed still, since many
/// drivers only say that something went wrong when a device is unplugged.
pub(super) fn on_stream(error: &Error, device: &DeviceInfo, is_there: bool) -> DeviceError {
    let is_gone = matches!(
        error.kind(),
        ErrorKind::DeviceNotAvailable | ErrorKind::StreamInvalidated | ErrorKind::DeviceChanged
    );
    if is_gone || !is_there {
        return DeviceError::Vanished {
            device: device.name.clone(),
        };
    }
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::DeviceBusy => on_open(error, device),
        _ => failed("go on with", error, device),
    }
}

/// Something went wrong that has no other name.
pub(super) fn failed(operation: &'static str, error: &Error, device: &DeviceInfo) -> DeviceError {
    DeviceError::Failed {
        operation,
        device: device.name.clone(),
        why: said(error),
    }
}

/// The sentence without its full stop, since it becomes part of another.
fn said(error: &Error) -> String {
    error.to_string().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::DeviceKind;
    use crate::selection::DeviceId;

    fn device() -> DeviceInfo {
        DeviceInfo {
            kind: DeviceKind::Microphone,
            id: DeviceId::new("alsa:x"),
            name: "Lab".to_owned(),
            backend: "alsa".to_owned(),
            is_default: true,
            is_synthetic: false,
        }
    }

    #[test]
    fn a_stream_that_breaks_without_its_device_vanished() {
        let error = Error::new(ErrorKind::BackendError);
        let vanished = DeviceError::Vanished {
            device: "Lab".to_owned(),
        };
        assert_eq!(on_stream(&error, &device(), false), vanished);
        let failed = on_stream(&error, &device(), true);
        assert!(matches!(failed, DeviceError::Failed { .. }), "{failed}");
        let gone = Error::new(ErrorKind::DeviceNotAvailable);
        assert_eq!(on_stream(&gone, &device(), true), vanished);
    }

    #[test]
    fn refusals_are_told_from_each_other() {
        let open = |kind| on_open(&Error::new(kind), &device()).to_string();
        assert_eq!(
            open(ErrorKind::PermissionDenied),
            "cannot open Lab: the system refuses access"
        );
        assert_eq!(
            open(ErrorKind::DeviceBusy),
            "cannot open Lab: another program uses it"
        );
        assert_eq!(
            open(ErrorKind::BackendError),
            "cannot open Lab: The audio backend returned an unclassified error"
        );
    }
}
