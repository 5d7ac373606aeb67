//! A rule about a device that applies, and what it leaves of a capability.

use super::catalog::entry;
use super::facts::{Facts, Hit, word};
use super::rules;
use crate::model::finding::{Evidence, Severity};
use crate::model::outcome::{Outcome, Reason, ReasonCode};
use crate::model::verdict::{Band, Capability};
use crate::verdict::parts::Parts;
use crate::verdict::profile::Profile;
use crate::verdict::standing::{DeviceKind, Standing};

/// What is wrong with a device.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    /// Id of the finding.
    pub(crate) id: &'static str,
    /// The best that its capabilities can be with it; `None` where it only informs, or where a
    /// figure of the profile says how bad it is.
    pub(crate) at_best: Option<Band>,
    /// Its capabilities fail by it.
    ends: bool,
    severity: Severity,
    evidence: Vec<Evidence>,
}

impl Fault {
    /// One that limits its capabilities to this band.
    pub(super) fn limiting(id: &'static str, at_best: Band, evidence: Vec<Evidence>) -> Self {
        Self {
            at_best: Some(at_best),
            ends: at_best == Band::Fail,
            ..Self::informing(id, Severity::Warning, evidence)
        }
    }

    /// One that a figure of the profile tells, whose band counts already.
    pub(super) fn by_figure(id: &'static str, band: Option<Band>, evidence: Vec<Evidence>) -> Self {
        Self {
            ends: band == Some(Band::Fail),
            ..Self::informing(id, Severity::Warning, evidence)
        }
    }

    /// One that limits nothing by itself.
    pub(super) fn informing(id: &'static str, severity: Severity, evidence: Vec<Evidence>) -> Self {
        Self {
            id,
            at_best: None,
            ends: false,
            severity,
            evidence,
        }
    }

    /// It bears on this capability.
    pub(crate) fn concerns(&self, capability: Capability) -> bool {
        entry(self.id).is_some_and(|entry| entry.capabilities.contains(&capability))
    }

    /// The other one may be a consequence of this one.
    pub(crate) fn explains(&self, other: &Self) -> bool {
        entry(self.id).is_some_and(|entry| entry.explains(other.id))
    }

    /// In a few words, to go on within a sentence.
    pub(crate) fn note(&self) -> String {
        let title = entry(self.id).map_or(self.id, |entry| entry.title);
        let mut letters = title.chars();
        let first = letters.next().map(|first| first.to_ascii_lowercase());
        first.into_iter().chain(letters).collect()
    }

    /// What ends a capability that the profile requires is critical; what ends one that may be
    /// missing is a warning, as is what merely limits.
    fn into_hit(self, profile: &Profile) -> Hit {
        let mut all = DeviceKind::ALL.into_iter().map(DeviceKind::capability);
        let required = |capability| profile.requires(capability) && self.concerns(capability);
        let severity = if self.ends && all.any(required) {
            Severity::Critical
        } else {
            self.severity
        };
        Hit::new(self.id, severity, self.evidence)
    }
}

/// What is wrong with the devices, as far as the profile judges what they are for.
pub(crate) fn device_faults(parts: &Parts<'_>, profile: &Profile) -> Vec<Fault> {
    let facts = Facts { parts, profile };
    let mut faults = rules::camera::faults(&facts);
    faults.extend(rules::microphone::faults(&facts));
    faults.extend(rules::speaker::faults(&facts));
    let judged = |fault: &Fault| {
        let mut all = DeviceKind::ALL.into_iter().map(DeviceKind::capability);
        all.any(|capability| profile.judges(capability) && fault.concerns(capability))
    };
    faults.retain(judged);
    faults
}

/// The hits of all rules about devices.
pub(super) fn hits(facts: &Facts<'_>) -> Vec<Hit> {
    let faults = device_faults(facts.parts, facts.profile).into_iter();
    let hits = faults.map(|fault| fault.into_hit(facts.profile));
    hits.chain(rules::device::hits(facts)).collect()
}

/// The ids of one kind of device for what its outcome says.
pub(super) struct OutcomeIds {
    pub(super) kind: DeviceKind,
    pub(super) none: &'static str,
    pub(super) access_refused: &'static str,
    pub(super) busy: &'static str,
    pub(super) failed: &'static str,
    pub(super) vanished: &'static str,
    pub(super) stalled: &'static str,
}

impl OutcomeIds {
    /// What the outcome itself says is wrong: there is none, somebody said no, it broke or went
    /// away.
    pub(super) fn fault(&self, facts: &Facts<'_>, device: Option<&str>) -> Option<Fault> {
        let Standing::Faulty(reason) = Standing::of(self.kind, facts.parts) else {
            return None;
        };
        let device = device.map(|name| word(self.kind.word(), name));
        let evidence = device.into_iter().chain([word("reason", &reason.message)]);
        Some(Fault::limiting(
            self.of(reason),
            Band::Fail,
            evidence.collect(),
        ))
    }

    fn of(&self, reason: &Reason) -> &'static str {
        match reason.code {
            ReasonCode::NoDevice => self.none,
            ReasonCode::AccessRefused => self.access_refused,
            ReasonCode::DeviceBusy => self.busy,
            ReasonCode::DeviceVanished => self.vanished,
            ReasonCode::DeviceStalled => self.stalled,
            _ => self.failed,
        }
    }
}

/// It came to its own end: what did not come by then does not come. A check that was stopped tells
/// nothing of the kind.
pub(super) fn came_to_its_end<T>(outcome: &Outcome<T>) -> bool {
    matches!(outcome, Outcome::Measured { .. })
}
