//! What a test says of a report: runs with one change, and what has to come of it.

use greenroom_reports::model::camera::{CameraSection, PictureSection};
use greenroom_reports::model::device::Mixer;
use greenroom_reports::model::finding::Finding;
use greenroom_reports::model::microphone::MicrophoneSection;
use greenroom_reports::model::report::Report;
use greenroom_reports::model::speaker::{LoopResult, SpeakerSection};
use greenroom_reports::model::verdict::{Answer, Band, Capability, CapabilityVerdict};
use greenroom_reports::samples::{self, PathModel};
use greenroom_reports::units::{Dbfs, Millis, Ratio};
use greenroom_reports::verdict::assemble::Run;
use greenroom_reports::verdict::profile::Profile;

pub(super) fn healthy() -> Run {
    samples::run_over(&PathModel::default(), 1)
}

pub(super) fn report(run: Run) -> Report {
    Report::assemble(run, Profile::default_profile())
}

pub(super) fn ids(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|f| f.id.as_str()).collect()
}

pub(super) fn capability(report: &Report, which: Capability) -> &CapabilityVerdict {
    let mut all = report.verdict.capabilities.iter();
    all.find(|c| c.capability == which).unwrap()
}

pub(super) fn band(report: &Report, which: Capability) -> Option<Band> {
    capability(report, which).band
}

pub(super) fn notes(report: &Report, which: Capability) -> String {
    capability(report, which).notes.join("; ")
}

pub(super) fn ms(value: f64) -> Millis {
    Millis::new(value).unwrap()
}

pub(super) fn with_camera(change: impl FnOnce(&mut CameraSection)) -> Run {
    let mut run = healthy();
    change(run.camera.data_mut().unwrap());
    run
}

pub(super) fn with_picture(change: impl FnOnce(&mut PictureSection)) -> Run {
    with_camera(|camera| change(camera.picture.as_mut().unwrap()))
}

pub(super) fn with_microphone(change: impl FnOnce(&mut MicrophoneSection)) -> Run {
    let mut run = healthy();
    change(run.microphone.data_mut().unwrap());
    run
}

pub(super) fn with_speaker(change: impl FnOnce(&mut SpeakerSection)) -> Run {
    let mut run = healthy();
    change(run.speaker.data_mut().unwrap());
    run
}

pub(super) fn with_loop(result: LoopResult) -> Run {
    with_speaker(|s| s.acoustic_loop.as_mut().unwrap().result = result)
}

pub(super) fn mixer(is_muted: bool, volume: f64) -> Mixer {
    Mixer {
        is_muted,
        volume_ratio: Ratio::new(volume),
    }
}

pub(super) fn voice(dbfs: f64) -> Run {
    with_microphone(|m| {
        m.speech_level_dbfs = Dbfs::new(dbfs);
        m.snr_db = Some(30.0);
    })
}

/// The fault stands first and alone, but for what follows from it.
pub(super) fn assert_named(report: &Report, id: &str) {
    let belongs = |f: &Finding| f.id == id || f.consequence_of.is_some();
    let first = report.findings.first().map(|f| f.id.as_str());
    assert_eq!(first, Some(id), "{:?}", ids(report));
    assert!(report.findings.iter().all(belongs), "{:?}", ids(report));
    assert!(!report.findings[0].evidence.is_empty(), "{id}");
}

/// The fault is named, and these capabilities, and no others, are no better than so.
pub(super) fn assert_limits(run: Run, id: &str, limited: &[Capability], at_best: Band) -> Report {
    let report = report(run);
    assert_named(&report, id);
    for verdict in &report.verdict.capabilities {
        if limited.contains(&verdict.capability) {
            assert_eq!(
                verdict.band,
                Some(at_best),
                "{id}: {:?}",
                verdict.capability
            );
        } else {
            let fine = verdict.band <= Some(Band::Good);
            assert!(fine, "{id}: {:?}", verdict.capability);
        }
    }
    report
}

pub(super) fn assert_silent(run: Run) {
    let report = report(run);
    assert_eq!(ids(&report), [""; 0]);
    assert_eq!(report.verdict.answer, Answer::Ready);
}

pub(super) const SHOW: &[Capability] = &[Capability::Show];
pub(super) const SPEAK: &[Capability] = &[Capability::Speak];
pub(super) const HEAR: &[Capability] = &[Capability::Hear];
