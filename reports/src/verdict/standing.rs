//! What is known of a device before its figures are looked at.

use super::parts::Parts;
use crate::model::device::Device;
use crate::model::outcome::{Outcome, Reason, ReasonCode};
use crate::model::verdict::Capability;

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// Gives pictures.
    Camera,
    /// Gives sound.
    Microphone,
    /// Plays sound.
    Speaker,
}

impl DeviceKind {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Camera, Self::Microphone, Self::Speaker];

    /// In a sentence: `camera`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Microphone => "microphone",
            Self::Speaker => "speaker",
        }
    }

    /// The capability that there is not without it.
    pub const fn capability(self) -> Capability {
        match self {
            Self::Camera => Capability::Show,
            Self::Microphone => Capability::Speak,
            Self::Speaker => Capability::Hear,
        }
    }

    /// The kind that this capability needs; joining, seeing and sharing need none.
    pub fn needed_for(capability: Capability) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.capability() == capability)
    }
}

/// How a device stands.
///
/// What the user left out and what this build cannot reach is *not judged*: the capability rests on
/// the network alone, and says so. A device that is absent, refused, busy, broken or gone is an
/// answer, and the capability *fails*. A check of it that was wanted and did not come about leaves
/// the capability *undetermined*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// The program that ran did not know its probe yet.
    Earlier,
    /// Left out by the user, or this build reaches no devices.
    LeftOut(&'a Reason),
    /// It was to be looked at, and was not.
    Unknown(&'a Reason),
    /// It gives nothing, or no longer.
    Faulty(&'a Reason),
    /// It was looked at, at least for a while.
    Seen(&'a Device),
}

impl<'a> Standing<'a> {
    /// How the device of this kind stands.
    pub fn of(kind: DeviceKind, parts: &Parts<'a>) -> Self {
        match kind {
            DeviceKind::Camera => standing(parts.camera, |section| &section.device),
            DeviceKind::Microphone => standing(parts.microphone, |section| &section.device),
            DeviceKind::Speaker => standing(parts.speaker, |section| &section.device),
        }
    }

    /// The machine's own device, which was looked at; not one that a program makes.
    pub fn own_device(self) -> Option<&'a Device> {
        match self {
            Self::Seen(device) if !device.is_synthetic => Some(device),
            _ => None,
        }
    }
}

fn standing<T>(outcome: &Outcome<T>, device: fn(&T) -> &Device) -> Standing<'_> {
    if outcome.is_of_earlier_version() {
        return Standing::Earlier;
    }
    match outcome {
        Outcome::Partial { reason, .. } if is_of_the_device(reason.code) => {
            Standing::Faulty(reason)
        }
        Outcome::Measured { data } | Outcome::Partial { data, .. } => Standing::Seen(device(data)),
        Outcome::Blocked { reason } if says_nothing(reason.code) => Standing::Unknown(reason),
        Outcome::Blocked { reason } => Standing::Faulty(reason),
        Outcome::NotRun { reason } => match reason.code {
            code if is_of_the_device(code) => Standing::Faulty(reason),
            ReasonCode::NotSelected | ReasonCode::Unsupported => Standing::LeftOut(reason),
            _ => Standing::Unknown(reason),
        },
    }
}

/// The device or the system said no.
fn is_of_the_device(code: ReasonCode) -> bool {
    matches!(
        code,
        ReasonCode::NoDevice
            | ReasonCode::AccessRefused
            | ReasonCode::DeviceBusy
            | ReasonCode::DeviceFailed
            | ReasonCode::DeviceVanished
            | ReasonCode::DeviceStalled
    )
}

/// A reason of the run, not of the device.
fn says_nothing(code: ReasonCode) -> bool {
    matches!(
        code,
        ReasonCode::InternalError
            | ReasonCode::NotSelected
            | ReasonCode::Cancelled
            | ReasonCode::OutOfTime
            | ReasonCode::OutOfData
            | ReasonCode::DependencyFailed
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn of(code: ReasonCode, blocked: bool) -> &'static str {
        let reason = Reason::new(code, "because");
        let mut run = samples::run_over(&samples::PathModel::default(), 1);
        run.camera = if blocked {
            Outcome::Blocked { reason }
        } else {
            Outcome::NotRun { reason }
        };
        let report =
            crate::model::report::Report::assemble(run, crate::verdict::profile::Profile::voice());
        match Standing::of(DeviceKind::Camera, &Parts::of(&report)) {
            Standing::Earlier => "earlier",
            Standing::LeftOut(_) => "left out",
            Standing::Unknown(_) => "unknown",
            Standing::Faulty(_) => "faulty",
            Standing::Seen(_) => "seen",
        }
    }

    #[test]
    fn what_the_device_says_is_an_answer_and_what_the_run_says_is_none() {
        for code in [
            ReasonCode::NoDevice,
            ReasonCode::AccessRefused,
            ReasonCode::DeviceBusy,
            ReasonCode::DeviceFailed,
            ReasonCode::DeviceVanished,
            ReasonCode::DeviceStalled,
        ] {
            assert_eq!([of(code, true), of(code, false)], ["faulty", "faulty"]);
        }
        assert_eq!(of(ReasonCode::Unsupported, true), "faulty");
        assert_eq!(of(ReasonCode::Unsupported, false), "left out");
        assert_eq!(of(ReasonCode::NotSelected, false), "left out");
        assert_eq!(of(ReasonCode::EarlierVersion, false), "earlier");
        for code in [ReasonCode::Cancelled, ReasonCode::OutOfTime] {
            assert_eq!([of(code, true), of(code, false)], ["unknown", "unknown"]);
        }
        assert_eq!(of(ReasonCode::InternalError, true), "unknown");
    }

    #[test]
    fn each_kind_has_a_capability_of_its_own() {
        for kind in DeviceKind::ALL {
            assert_eq!(DeviceKind::needed_for(kind.capability()), Some(kind));
        }
        assert_eq!(DeviceKind::needed_for(Capability::Join), None);
    }
}
