//! The answer from the capabilities.

use super::capability::judge_capability;
use super::headline::headline;
use super::metric::{METRICS, Reading};
use super::parts::Parts;
use super::profile::{Figure, Profile};
use crate::finding::device_faults;
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
/// - The built-in responder never makes the network good, nor a device that a program makes the
///   machine's own.
/// - Without a camera only showing fails, without a microphone speaking, without a speaker hearing;
///   joining, seeing and sharing need none. The same holds for one that is refused, busy, broken,
///   gone, muted, or that shows or gives nothing. So a server without sound hardware can be joined
///   from, and its answer is limited (exit code 3) by a profile that requires hearing or speaking.
/// - A device that the user left out, or that this build cannot reach, is not judged: hearing and
///   speaking rest on the network alone, showing stays unknown, and each says so. A check of a
///   device that was wanted and broke off leaves its capability undetermined.
/// - Speech is judged where a person was asked to speak; without one it is not required.
pub fn judge(parts: &Parts<'_>, profile: &Profile) -> Verdict {
    let faults = device_faults(parts, profile);
    let capabilities: Vec<CapabilityVerdict> = CAPABILITIES
        .into_iter()
        .map(|capability| judge_capability(capability, parts, profile, &faults))
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
