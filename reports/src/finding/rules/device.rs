//! Findings about devices of every kind.

use crate::finding::facts::{Facts, Hit, number, word};
use crate::model::device::{Device, StreamHealth};
use crate::model::finding::{Evidence, Severity};
use crate::stats::proportion::wilson_interval;
use crate::verdict::standing::{DeviceKind, Standing};

/// Longest wait between two callbacks before the stream stalled.
///
/// Engineering choice, as for outages of the path: beyond it a person asks "are you still there?".
pub(super) const MIN_STALL_MS: f64 = 500.0;

/// Share of callbacks that lost samples from which it is more than an accident.
///
/// Engineering choice: with callbacks of 10 ms, one in five seconds. One loss at the start, which
/// many sound systems have, stays below it. Raising it hides choppy audio.
const MAX_XRUN_RATIO: f64 = 0.002;

/// Fewest losses that are no accident: in a stream of a second or less, one alone is a large share.
const MIN_XRUNS: u64 = 2;

/// Volume from which something is heard: one step of a slider of hundred.
///
/// Engineering choice.
pub(super) const MIN_VOLUME_RATIO: f64 = 0.01;

pub(in crate::finding) fn hits(facts: &Facts<'_>) -> Vec<Hit> {
    [fallback(facts), synthetic(facts)]
        .into_iter()
        .flatten()
        .collect()
}

/// The devices that were looked at, for what the profile judges.
fn seen<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (DeviceKind, &'a Device)> {
    let facts = *facts;
    let judged = move |kind: &DeviceKind| facts.profile.judges(kind.capability());
    let kinds = DeviceKind::ALL.into_iter().filter(judged);
    kinds.filter_map(move |kind| match Standing::of(kind, facts.parts) {
        Standing::Seen(device) => Some((kind, device)),
        _ => None,
    })
}

/// The chosen device was gone, and another one was taken.
fn fallback(facts: &Facts<'_>) -> Option<Hit> {
    let of_kind = |(kind, device): (DeviceKind, &Device)| {
        let why = device.fallback.as_ref()?;
        let text = format!("{}, taken in its place: {why}", device.name);
        Some(word(kind.word(), text))
    };
    let evidence: Vec<Evidence> = seen(facts).filter_map(of_kind).collect();
    (!evidence.is_empty()).then(|| Hit::new("device.fallback", Severity::Warning, evidence))
}

/// A device that a program makes proves the program, as the built-in responder does.
fn synthetic(facts: &Facts<'_>) -> Option<Hit> {
    let made = seen(facts).filter(|(_, device)| device.is_synthetic);
    let evidence = made.map(|(kind, device)| word(kind.word(), &device.name));
    let evidence: Vec<Evidence> = evidence.collect();
    (!evidence.is_empty()).then(|| Hit::new("device.synthetic", Severity::Info, evidence))
}

/// The longest wait between two callbacks, where it is too long.
pub(super) fn stall(stream: &StreamHealth) -> Option<Evidence> {
    let gap = stream.longest_gap_ms?.as_f64();
    let evidence = Evidence {
        threshold: Some(MIN_STALL_MS),
        ..number("longest_stall", gap, "ms")
    };
    (gap >= MIN_STALL_MS).then_some(evidence)
}

/// Losses of samples, where even the low end of their share is too much: a rate, since a single one
/// is an accident.
pub(super) fn xruns(stream: &StreamHealth) -> Option<Evidence> {
    let share = wilson_interval(stream.xruns.min(stream.callbacks), stream.callbacks)?;
    let interval = [share.low.as_f64(), share.high.as_f64()];
    let ratio = stream.xruns.min(stream.callbacks) as f64 / stream.callbacks as f64;
    let evidence = Evidence {
        samples: Some(stream.callbacks),
        interval: Some(interval),
        threshold: Some(MAX_XRUN_RATIO),
        ..number("xrun_ratio", ratio, "ratio")
    };
    (stream.xruns >= MIN_XRUNS && interval[0] > MAX_XRUN_RATIO).then_some(evidence)
}
