//! Faults of speakers.

use greenroom_reports::model::finding::Severity;
use greenroom_reports::model::speaker::{LoopDoubt, LoopResult};
use greenroom_reports::model::verdict::{Answer, Band, Capability};
use greenroom_reports::samples;

use super::judged::{HEAR, assert_limits, assert_named, assert_silent, mixer, report, with_loop};

#[test]
fn a_muted_speaker_explains_that_it_is_not_heard() {
    for silent in [mixer(true, 0.6), mixer(false, 0.0)] {
        let mut run = with_loop(LoopResult::NotHeard);
        run.speaker.data_mut().unwrap().mixer = Some(silent);
        assert_limits(run, "device.speaker.muted", HEAR, Band::Fail);
    }
}

#[test]
fn a_speaker_that_is_not_heard_may_be_a_headset() {
    let found = report(with_loop(LoopResult::NotHeard));
    assert_named(&found, "device.speaker.not_heard");
    assert_eq!(found.findings[0].severity, Severity::Warning);
    assert_eq!(found.verdict.answer, Answer::Ready);
    let mut worn = with_loop(LoopResult::NotHeard);
    let device = &mut worn.speaker.data_mut().unwrap().device;
    "Jabra Evolve Headset".clone_into(&mut device.name);
    assert_eq!(report(worn).findings[0].severity, Severity::Info);
    for doubt in [LoopDoubt::Noise, LoopDoubt::Weak, LoopDoubt::NoRecording] {
        assert_silent(with_loop(LoopResult::Uncertain { doubt }));
    }
}

#[test]
fn echo_and_delay_are_named() {
    let echo = report(with_loop(samples::heard(46.0, 4.0)));
    assert_named(&echo, "device.speaker.strong_echo");
    assert_eq!(echo.verdict.answer, Answer::Ready);
    assert_silent(with_loop(samples::heard(46.0, 10.0)));
    let far = with_loop(samples::heard(240.0, 30.0));
    let both = [Capability::Hear, Capability::Speak];
    assert_limits(far, "device.speaker.long_delay", &both, Band::Fair);
    assert_silent(with_loop(samples::heard(199.0, 30.0)));
}
