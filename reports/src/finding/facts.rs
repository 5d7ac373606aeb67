//! What the rules look at, and the small vocabulary that they are written in.

use crate::model::finding::{Evidence, EvidenceValue, Severity};
use crate::model::outcome::Outcome;
use crate::model::path::PathSection;
use crate::model::verdict::Band;
use crate::verdict::metric::{Measured, Metric, Reading};
use crate::verdict::parts::Parts;
use crate::verdict::profile::Profile;

/// What was found, and the profile whose edges count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// What was found.
    pub(super) parts: &'a Parts<'a>,
    /// Whose edges count.
    pub(super) profile: &'a Profile,
}

/// A rule that applies.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hit {
    /// Id of the finding.
    pub(super) id: &'static str,
    /// How bad.
    pub(super) severity: Severity,
    /// What it rests on.
    pub(super) evidence: Vec<Evidence>,
}

impl Hit {
    pub(super) fn new(id: &'static str, severity: Severity, evidence: Vec<Evidence>) -> Self {
        Self {
            id,
            severity,
            evidence,
        }
    }
}

impl<'a> Facts<'a> {
    pub(super) fn path(&self) -> Option<&'a PathSection> {
        self.parts.path.data()
    }

    /// Why discovery was blocked, if it was.
    pub(super) fn discovery_blocked(&self) -> Option<&'a crate::model::outcome::Reason> {
        match self.parts.discovery {
            Outcome::Blocked { reason } => Some(reason),
            _ => None,
        }
    }

    /// A metric's figure; `None` when it is unknown or not applicable.
    pub(super) fn measured(&self, name: &str) -> Option<(&'static Metric, Measured)> {
        let metric = Metric::named(name)?;
        match metric.read(self.parts) {
            Reading::Known(measured) => Some((metric, measured)),
            Reading::NotApplicable(_) | Reading::Unknown(_) => None,
        }
    }

    /// The good edge of a metric's figure.
    pub(super) fn edge(&self, metric: &Metric) -> Option<f64> {
        self.profile.good_edge(metric.figure)
    }

    /// Critical when the figure fails, else a warning.
    pub(super) fn severity(&self, metric: &Metric, value: f64) -> Severity {
        let band = self.profile.threshold(metric.figure).map(|t| t.band(value));
        if band == Some(Band::Fail) {
            Severity::Critical
        } else {
            Severity::Warning
        }
    }

    /// The metric as evidence against its good edge.
    pub(super) fn evidence(&self, metric: &Metric, measured: &Measured) -> Evidence {
        let edge = self.edge(metric).unwrap_or_default();
        metric.evidence(measured, edge, self.profile)
    }
}

/// A figure that no profile judges.
pub(super) fn number(metric: &str, value: f64, unit: &str) -> Evidence {
    Evidence {
        metric: metric.to_owned(),
        value: EvidenceValue::Number(value),
        unit: unit.to_owned(),
        samples: None,
        interval: None,
        threshold: None,
        profile: None,
    }
}

/// A fact in words.
pub(super) fn word(metric: &str, text: impl Into<String>) -> Evidence {
    Evidence {
        value: EvidenceValue::Text(text.into()),
        ..number(metric, 0.0, "")
    }
}
