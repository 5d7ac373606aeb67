//! Findings about the speaker, and about the way from it into the microphone.

use super::device::{stall, xruns};
use super::microphone::mixer_evidence;
use crate::finding::facts::{Facts, number, word};
use crate::finding::fault::{Fault, OutcomeIds, came_to_its_end};
use crate::model::finding::{Evidence, Severity};
use crate::model::outcome::Outcome;
use crate::model::speaker::{AcousticLoop, LoopResult, SpeakerSection};
use crate::model::verdict::Band;
use crate::verdict::standing::DeviceKind;

/// Echo return loss below which the others hear themselves unless an echo canceller works hard.
///
/// Source: practice after ITU-T G.131 and P.340.
const MIN_ECHO_RETURN_LOSS_DB: f64 = 10.0;

/// Delay from playing to recording that buffers of wired devices never have.
///
/// Source: half of what ITU-T G.114 allows from mouth to ear at all (400 ms); radio headsets take
/// 150 to 300 ms.
const MAX_ROUND_TRIP_MS: f64 = 200.0;

const IDS: OutcomeIds = OutcomeIds {
    kind: DeviceKind::Speaker,
    none: "device.speaker.none",
    access_refused: "device.speaker.access_refused",
    busy: "device.speaker.busy",
    failed: "device.speaker.failed",
    vanished: "device.speaker.vanished",
    stalled: "device.speaker.stalled",
};

/// Everything that is wrong with the speaker.
pub(in crate::finding) fn faults(facts: &Facts<'_>) -> Vec<Fault> {
    let outcome = facts.parts.speaker;
    let Some(speaker) = outcome.data() else {
        return IDS.fault(facts, None).into_iter().collect();
    };
    let acoustic = speaker.acoustic_loop.as_ref();
    [
        IDS.fault(facts, Some(&speaker.device.name)),
        nothing_taken(outcome, speaker).or_else(|| stalled(speaker)),
        lost_samples(speaker),
        muted(speaker),
        acoustic.and_then(|heard| not_heard(speaker, heard)),
        acoustic.and_then(strong_echo),
        acoustic.and_then(|heard| long_delay(speaker, heard)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn nothing_taken(outcome: &Outcome<SpeakerSection>, s: &SpeakerSection) -> Option<Fault> {
    let none = came_to_its_end(outcome) && s.first_callback_ms.is_none();
    let evidence = vec![word("samples", "none were taken")];
    none.then(|| Fault::limiting("device.speaker.stalled", Band::Fail, evidence))
}

fn stalled(s: &SpeakerSection) -> Option<Fault> {
    let gap = stall(&s.stream)?;
    Some(Fault::limiting(
        "device.speaker.stalled",
        Band::Fair,
        vec![gap],
    ))
}

fn lost_samples(s: &SpeakerSection) -> Option<Fault> {
    let share = xruns(&s.stream)?;
    Some(Fault::limiting(
        "device.speaker.xruns",
        Band::Fair,
        vec![share],
    ))
}

fn muted(s: &SpeakerSection) -> Option<Fault> {
    let evidence = mixer_evidence(s.mixer?)?;
    let evidence = vec![word("speaker", &s.device.name), evidence];
    Some(Fault::limiting(
        "device.speaker.muted",
        Band::Fail,
        evidence,
    ))
}

/// It limits nothing: of a headset, the microphone hears nothing either, and that is as it should
/// be. Where the name says that it is one, it is only a note.
fn not_heard(s: &SpeakerSection, heard: &AcousticLoop) -> Option<Fault> {
    let severity = if is_worn(&s.device.name) {
        Severity::Info
    } else {
        Severity::Warning
    };
    let evidence = vec![
        word("speaker", &s.device.name),
        word("microphone", &heard.microphone.name),
        number("test_sounds", heard.shots as f64, "count"),
    ];
    let nothing = heard.result == LoopResult::NotHeard;
    nothing.then(|| Fault::informing("device.speaker.not_heard", severity, evidence))
}

/// The name is that of something that is worn at the ear.
fn is_worn(name: &str) -> bool {
    let name = name.to_lowercase();
    [
        "headset",
        "headphone",
        "earphone",
        "earbud",
        "airpods",
        "buds",
    ]
    .iter()
    .any(|word| name.contains(word))
}

/// The others suffer, and only where nobody cancels the echo: it limits nothing.
fn strong_echo(heard: &AcousticLoop) -> Option<Fault> {
    let LoopResult::Heard {
        echo_return_loss_db,
        snr_db,
        ..
    } = heard.result
    else {
        return None;
    };
    let loss = Evidence {
        samples: Some(heard.shots),
        threshold: Some(MIN_ECHO_RETURN_LOSS_DB),
        ..number("echo_return_loss", echo_return_loss_db, "db")
    };
    let snr = snr_db.map(|snr| number("test_sound_snr", snr, "db"));
    let evidence = [loss].into_iter().chain(snr).collect();
    let id = "device.speaker.strong_echo";
    (echo_return_loss_db < MIN_ECHO_RETURN_LOSS_DB)
        .then(|| Fault::informing(id, Severity::Warning, evidence))
}

/// Even the shortest of the delays is too long.
fn long_delay(s: &SpeakerSection, heard: &AcousticLoop) -> Option<Fault> {
    let LoopResult::Heard {
        delay_ms,
        spread_ms,
        ..
    } = heard.result
    else {
        return None;
    };
    let (delay, spread) = (delay_ms.as_f64(), spread_ms.as_f64());
    let evidence = vec![
        Evidence {
            samples: Some(heard.shots),
            threshold: Some(MAX_ROUND_TRIP_MS),
            ..number("acoustic_delay", delay, "ms")
        },
        number("delay_spread", spread, "ms"),
        word("speaker", &s.device.name),
        word("microphone", &heard.microphone.name),
    ];
    (delay - spread > MAX_ROUND_TRIP_MS)
        .then(|| Fault::limiting("device.speaker.long_delay", Band::Fair, evidence))
}
