//! What the crate's error texts mean; it has no codes.

use nokhwa::NokhwaError;

use crate::error::DeviceError;

/// Parts of texts, as Linux, Windows and macOS say it.
const REFUSED: [&str; 5] = [
    "Permission denied",
    "os error 13",
    "0x80070005",
    "not authorized",
    "Not Authorized",
];
const BUSY: [&str; 5] = [
    "Device or resource busy",
    "os error 16",
    "0xC00D3704",
    "0x80070020",
    "in use",
];
const VANISHED: [&str; 4] = ["No such device", "os error 19", "os error 2)", "0xC00D3E85"];

/// Why something with a camera failed.
pub(super) fn cannot(operation: &'static str, device: &str, error: &NokhwaError) -> DeviceError {
    let text = error.to_string();
    let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    let device = device.to_owned();
    if says(&REFUSED) {
        DeviceError::AccessRefused { device }
    } else if says(&BUSY) {
        DeviceError::Busy { device, by: None }
    } else if says(&VANISHED) {
        DeviceError::Vanished { device }
    } else {
        DeviceError::Failed {
            operation,
            device,
            why: text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> DeviceError {
        cannot(
            "open",
            "Lab",
            &NokhwaError::OpenStreamError(text.to_owned()),
        )
    }

    #[test]
    fn texts_mean_what_a_person_can_do() {
        let device = "Lab".to_owned();
        assert_eq!(
            of("Device or resource busy (os error 16)"),
            DeviceError::Busy {
                device: device.clone(),
                by: None
            }
        );
        assert_eq!(
            of("V4L2 Error: Permission denied (os error 13)"),
            DeviceError::AccessRefused {
                device: device.clone()
            }
        );
        assert_eq!(
            of("No such device (os error 19)"),
            DeviceError::Vanished { device }
        );
        assert!(matches!(
            of("Invalid argument (os error 22)"),
            DeviceError::Failed { .. }
        ));
    }
}
