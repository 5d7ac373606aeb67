//! The answer from the capabilities.

use super::capability::judge_capability;
use super::headline::headline;
use super::metric::{METRICS, Reading};
use super::parts::Parts;
use super::profile::{Figure, Profile};
use crate::model::path::PathSection;
use crate::model::verdict::{Answer, Band, Capability, CapabilityVerdict, Verdict};

/// The capabilities in the order of the report.
pub(super) const CAPABILITIES: [Capability; 6] = [
    Capability::Join,
    Capability::Hear,
    Capability::Speak,
    Capability::See,
    Capability::Show,
    Capability::Share,
];

/// Judges what was found by a profile.
///
/// - The band of a figure comes from its point estimate; where its 95 % interval spans two bands,
///   the confidence is low.
/// - A capability is as good as its worst figure. A required figure that is unknown makes it
///   undetermined, never good.
/// - The answer: [`Answer::CannotJoin`] when joining fails; else [`Answer::Undetermined`] when a
///   required capability is; else [`Answer::Limited`] when any capability is below good; else
///   [`Answer::Ready`].
/// - The built-in responder never makes the network good.
pub fn judge(parts: &Parts<'_>, profile: &Profile) -> Verdict {
    let capabilities: Vec<CapabilityVerdict> = CAPABILITIES
        .into_iter()
        .map(|capability| judge_capability(capability, parts, profile))
        .collect();
    let answer = answer(&capabilities);
    Verdict {
        answer,
        headline: headline(answer, &capabilities, parts, profile),
        capabilities,
    }
}

fn answer(capabilities: &[CapabilityVerdict]) -> Answer {
    let any = |test: fn(&CapabilityVerdict) -> bool| capabilities.iter().any(test);
    if any(|c| c.capability == Capability::Join && c.band == Some(Band::Fail)) {
        Answer::CannotJoin
    } else if any(|c| c.required && c.band.is_none()) {
        Answer::Undetermined
    } else if any(|c| c.band > Some(Band::Good)) {
        Answer::Limited
    } else {
        Answer::Ready
    }
}

/// Whether more samples might move the round-trip time or the jitter into another band: the
/// interval of one of them spans two. Loss is left out on purpose, since stopping when it looks
/// good would bias it.
pub fn is_close(path: &PathSection, profile: &Profile) -> bool {
    METRICS
        .iter()
        .filter(|m| matches!(m.figure, Figure::RttP95Ms | Figure::InterarrivalJitterMs))
        .any(|metric| {
            let threshold = profile.threshold(metric.figure);
            match (threshold, metric.read_path(path)) {
                (Some(threshold), Some(Reading::Known(measured))) => {
                    measured.interval.is_some_and(|interval| {
                        let (best, worst) = threshold.bands(interval);
                        best != worst
                    })
                }
                _ => false,
            }
        })
}
