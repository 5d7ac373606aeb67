//! One value that goes from the preview to the call, so that the devices chosen there are the ones
//! used here.

use serde::{Deserialize, Serialize};

use crate::device::DeviceKind;

/// The chosen devices; `None` leaves the choice to the system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSelection {
    /// Id of the camera.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<DeviceId>,
    /// Id of the microphone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub microphone: Option<DeviceId>,
    /// Id of the speaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<DeviceId>,
}

impl DeviceSelection {
    /// The chosen device of this kind.
    pub fn of(&self, kind: DeviceKind) -> Option<&DeviceId> {
        match kind {
            DeviceKind::Camera => self.camera.as_ref(),
            DeviceKind::Microphone => self.microphone.as_ref(),
            DeviceKind::Speaker => self.speaker.as_ref(),
        }
    }
}

/// Id of a device, stable across restarts; its form is the back end's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(String);

impl DeviceId {
    /// Wraps a back end's id.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The back end's id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_survives_json_and_leaves_out_what_was_not_chosen() {
        let selection = DeviceSelection {
            microphone: Some(DeviceId::new("usb-1:0")),
            ..DeviceSelection::default()
        };
        let json = serde_json::to_string(&selection).unwrap();
        assert_eq!(json, r#"{"microphone":"usb-1:0"}"#);
        assert_eq!(
            serde_json::from_str::<DeviceSelection>(&json).unwrap(),
            selection
        );
    }
}
