//! Whether this machine can take part at all, before anything is initialized (S42, S43).

#[cfg(feature = "devices")]
use std::time::Duration;

#[cfg(feature = "devices")]
use greenroom_devices::{
    audio::catalog::Audio,
    camera::Cameras,
    device::{DeviceInfo, DeviceKind},
    error::DeviceError,
};

/// Longest wait for the list of devices: a sound server that hangs takes seconds.
#[cfg(feature = "devices")]
const LISTING: Duration = Duration::from_secs(10);
/// What keeps every machine from sharing its screen.
const NO_SCREEN: &str = "this version of the session client shares no screens yet";

/// What this machine can take part with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemRequirements {
    /// A camera.
    pub video: Requirement,
    /// A microphone and a speaker.
    pub audio: Requirement,
    /// Sharing a screen.
    pub screen: Requirement,
}

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// Why not; empty where nothing stands against it.
    pub reasons: Vec<String>,
}

impl Requirement {
    /// Whether nothing stands against it.
    pub fn is_met(&self) -> bool {
        self.reasons.is_empty()
    }

    fn because(reason: impl Into<String>) -> Self {
        Self {
            reasons: vec![reason.into()],
        }
    }
}

/// Looks what this machine has. Takes a fraction of a second, ten seconds where its sound server hangs.
/// Opens no device, so that nobody is asked for a permission.
///
/// # Cancel safety
/// A list that was begun is finished by its thread, and left.
pub async fn check_system_requirements() -> SystemRequirements {
    #[cfg(feature = "devices")]
    {
        let listing = tokio::task::spawn_blocking(list);
        match tokio::time::timeout(LISTING, listing).await {
            Ok(Ok(found)) => judge(&found),
            _ => all_because("the devices of this machine could not be listed in time"),
        }
    }
    #[cfg(not(feature = "devices"))]
    all_because("this program was built without the feature devices")
}

fn all_because(reason: &str) -> SystemRequirements {
    SystemRequirements {
        video: Requirement::because(reason),
        audio: Requirement::because(reason),
        screen: Requirement::because(NO_SCREEN),
    }
}

/// What was found of a kind.
#[cfg(feature = "devices")]
type Found = Result<Vec<DeviceInfo>, DeviceError>;

#[cfg(feature = "devices")]
fn list() -> [Found; 3] {
    let audio = Audio::new();
    DeviceKind::ALL.map(|kind| match kind {
        DeviceKind::Camera => Cameras::of_system().list(),
        DeviceKind::Microphone | DeviceKind::Speaker => audio.list(kind),
    })
}

#[cfg(feature = "devices")]
fn judge(found: &[Found; 3]) -> SystemRequirements {
    let mut requirements = SystemRequirements {
        video: Requirement::default(),
        audio: Requirement::default(),
        screen: Requirement::because(NO_SCREEN),
    };
    for (kind, found) in DeviceKind::ALL.into_iter().zip(found) {
        let of_kind = match kind {
            DeviceKind::Camera => &mut requirements.video,
            DeviceKind::Microphone | DeviceKind::Speaker => &mut requirements.audio,
        };
        let word = kind.word();
        match found {
            Ok(devices) if !devices.is_empty() => {}
            Ok(_) => of_kind.reasons.push(format!(
                "no {word} was found; is one plugged in and turned on?"
            )),
            Err(error) => of_kind
                .reasons
                .push(format!("no {word} can be used: {error}")),
        }
    }
    requirements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn s42_s43_every_no_has_its_reason() {
        let found = check_system_requirements().await;
        for one in [&found.video, &found.audio, &found.screen] {
            assert_eq!(one.is_met(), one.reasons.is_empty());
        }
        assert_eq!(found.screen.reasons, [NO_SCREEN]);
    }

    #[cfg(feature = "devices")]
    #[test]
    fn s42_s43_video_and_audio_are_told_apart() {
        let none = || Ok(Vec::new());
        let nothing = judge(&[none(), none(), none()]);
        assert!(nothing.video.reasons[0].contains("camera"));
        assert_eq!(nothing.audio.reasons.len(), 2);
        let [camera, microphone, _] = DeviceInfo::synthetic();
        let kind = DeviceKind::Speaker;
        let found = [
            Ok(vec![camera]),
            Ok(vec![microphone]),
            Err(DeviceError::None { kind }),
        ];
        let mute = judge(&found);
        assert!(mute.video.is_met());
        assert_eq!(mute.audio.reasons.len(), 1);
        assert!(mute.audio.reasons[0].contains("speaker"));
    }
}
