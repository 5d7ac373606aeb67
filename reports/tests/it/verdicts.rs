//! From what was found to the answer.

use greenroom_reports::model::outcome::{Outcome, ReasonCode};
use greenroom_reports::model::path::PathSection;
use greenroom_reports::model::report::{Report, Target};
use greenroom_reports::model::system::DisplayServer;
use greenroom_reports::model::verdict::{Answer, Band, Capability, CapabilityVerdict, Confidence};
use greenroom_reports::samples::{self, DirectionModel, LossModel, PathModel};
use greenroom_reports::verdict::assemble::Run;
use greenroom_reports::verdict::is_close;
use greenroom_reports::verdict::profile::Profile;
use proptest::prelude::*;

fn report(run: Run) -> Report {
    Report::assemble(run, Profile::default_profile())
}

fn healthy() -> Run {
    samples::run_over(&PathModel::default(), 1)
}

fn path(run: &mut Run) -> &mut PathSection {
    run.path.data_mut().unwrap()
}

fn capability(report: &Report, which: Capability) -> &CapabilityVerdict {
    let found = report
        .verdict
        .capabilities
        .iter()
        .find(|c| c.capability == which);
    found.unwrap()
}

fn band(report: &Report, which: Capability) -> Option<Band> {
    capability(report, which).band
}

#[test]
fn a_healthy_set_up_is_ready() {
    let report = report(healthy());
    assert_eq!(report.verdict.answer, Answer::Ready);
    assert_eq!(report.verdict.answer.exit_code(), 0);
    assert_eq!(band(&report, Capability::Join), Some(Band::Excellent));
    assert!(band(&report, Capability::Hear) <= Some(Band::Good));
    assert!(band(&report, Capability::See) <= Some(Band::Good));
    assert!(band(&report, Capability::Show) <= Some(Band::Good));
    assert!(band(&report, Capability::Show).is_some());
    assert_eq!(band(&report, Capability::Share), Some(Band::Good));
}

#[test]
fn few_packets_without_loss_leave_doubt() {
    let report = report(healthy());
    // 0 of 165 is consistent with up to 2.3 %.
    assert_eq!(
        capability(&report, Capability::Hear).confidence,
        Confidence::Low
    );
}

#[test]
fn the_builtin_responder_never_makes_the_network_good() {
    let report = report(samples::builtin());
    assert_eq!(report.verdict.answer, Answer::Undetermined);
    assert_eq!(report.verdict.answer.exit_code(), 5);
    for c in &report.verdict.capabilities {
        assert_eq!(c.band, None, "{:?}", c.capability);
    }
    assert!(
        report
            .verdict
            .headline
            .contains("internet connection was not tested")
    );
}

#[test]
fn loss_to_the_server_keeps_others_from_hearing() {
    let report = report(samples::lossy());
    assert_eq!(report.verdict.answer, Answer::Limited);
    assert_eq!(report.verdict.answer.exit_code(), 3);
    assert_eq!(band(&report, Capability::Speak), Some(Band::Fail));
    assert!(band(&report, Capability::Hear) <= Some(Band::Good));
}

#[test]
fn over_websocket_nothing_is_better_than_fair_and_loss_is_not_missing() {
    let report = report(samples::websocket());
    assert_eq!(report.verdict.answer, Answer::Limited);
    assert_eq!(band(&report, Capability::Join), Some(Band::Good));
    assert_eq!(band(&report, Capability::Hear), Some(Band::Fair));
    assert_eq!(band(&report, Capability::Speak), Some(Band::Fair));
}

#[test]
fn an_unknown_server_cannot_be_joined() {
    let report = report(samples::unreachable());
    assert_eq!(report.verdict.answer, Answer::CannotJoin);
    assert_eq!(report.verdict.answer.exit_code(), 4);
}

#[test]
fn a_defect_of_the_check_is_no_answer_of_the_network() {
    let mut run = samples::unreachable();
    if let Outcome::Blocked { reason } = &mut run.discovery {
        reason.code = ReasonCode::InternalError;
    }
    assert_eq!(report(run).verdict.answer, Answer::Undetermined);
}

#[test]
fn a_missing_screen_limits_sharing_alone() {
    let mut run = healthy();
    run.system.data_mut().unwrap().display.server = DisplayServer::None;
    let found = report(run.clone());
    assert_eq!(band(&found, Capability::Share), Some(Band::Fail));
    assert_eq!(found.verdict.answer, Answer::Limited);
    // A voice call has no screen to share.
    let voice = Report::assemble(run, Profile::voice());
    assert_eq!(voice.verdict.answer, Answer::Ready);
    assert_eq!(band(&voice, Capability::Share), None);
}

#[test]
fn one_core_limits_video_alone() {
    let mut run = healthy();
    run.system.data_mut().unwrap().cpu.usable_cores = 1;
    let report = report(run);
    assert_eq!(band(&report, Capability::See), Some(Band::Fair));
    assert!(band(&report, Capability::Hear) <= Some(Band::Good));
}

#[test]
fn a_stopped_run_is_undetermined_and_says_what_is_missing() {
    let report = report(samples::cancelled());
    assert_eq!(report.verdict.answer, Answer::Undetermined);
    let notes = capability(&report, Capability::Hear).notes.join("\n");
    assert!(
        notes.contains("round-trip time: too few samples: 12"),
        "{notes}"
    );
}

#[test]
fn each_required_figure_that_is_missing_makes_its_direction_undetermined() {
    let mut run = healthy();
    path(&mut run).up.loss = None;
    let found = report(run);
    assert_eq!(band(&found, Capability::Speak), None);
    assert!(band(&found, Capability::Hear).is_some());
    assert_eq!(found.verdict.answer, Answer::Undetermined);

    let mut run = healthy();
    path(&mut run).down.interarrival_jitter_ms = None;
    assert_eq!(band(&report(run), Capability::Hear), None);

    let mut run = healthy();
    path(&mut run).rtt = None;
    assert_eq!(report(run).verdict.answer, Answer::Undetermined);
}

#[test]
fn nothing_measured_is_never_good() {
    let nothing = || ReasonCode::NotSelected;
    let mut run = healthy();
    run.system = Outcome::not_run(nothing(), "left out");
    run.discovery = Outcome::not_run(nothing(), "left out");
    run.path = Outcome::not_run(nothing(), "left out");
    let report = report(run);
    assert_eq!(report.verdict.answer, Answer::Undetermined);
    for c in &report.verdict.capabilities {
        assert_eq!(c.band, None, "{:?}", c.capability);
    }
    assert!(report.findings.is_empty());
}

#[test]
fn a_figure_near_an_edge_asks_for_more_samples() {
    let profile = Profile::default_profile();
    let far = PathModel::default().section(1);
    assert!(!is_close(&far, &profile));
    let mut near = PathModel::default();
    near.up.jitter_ms = 30.0;
    assert!(is_close(&near.section(1), &profile));
}

#[test]
fn the_same_run_gives_the_same_report() {
    assert_eq!(report(samples::lossy()), report(samples::lossy()));
    let found = report(samples::lossy());
    assert_eq!(found.judged_by(found.profile.clone()), found);
}

fn rank(answer: Answer) -> u8 {
    match answer {
        Answer::Ready => 0,
        Answer::Limited => 1,
        Answer::CannotJoin => 2,
        Answer::Undetermined => 3,
    }
}

fn model() -> impl Strategy<Value = PathModel> {
    let direction = (0.0_f64..0.3, 1.0_f64..6.0, 0.0_f64..200.0, 0.0_f64..0.1).prop_map(
        |(ratio, mean_burst, jitter_ms, reordered)| DirectionModel {
            loss: LossModel { ratio, mean_burst },
            jitter_ms,
            reordered: (reordered, 50.0),
            ..DirectionModel::default()
        },
    );
    (0_u64..300, 1.0_f64..500.0, direction.clone(), direction).prop_map(
        |(packets, rtt_ms, up, down)| PathModel {
            packets,
            rtt_ms,
            up,
            down,
            outage: None,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_worse_round_trip_never_gets_a_better_answer(
        model in model(), seed in 0_u64..1000, more in 0.0_f64..400.0
    ) {
        let worse = PathModel { rtt_ms: model.rtt_ms + more, ..model.clone() };
        let before = report(samples::run_over(&model, seed));
        let after = report(samples::run_over(&worse, seed));
        prop_assert!(rank(before.verdict.answer) <= rank(after.verdict.answer));
        for (b, a) in before.verdict.capabilities.iter().zip(&after.verdict.capabilities) {
            if let (Some(b), Some(a)) = (b.band, a.band) {
                prop_assert!(b <= a);
            }
        }
    }

    #[test]
    fn taking_a_figure_away_never_makes_a_capability_good(
        model in model(), seed in 0_u64..1000, which in 0..6_usize
    ) {
        let mut run = samples::run_over(&model, seed);
        let p = path(&mut run);
        match which {
            0 => p.rtt = None,
            1 => p.up.loss = None,
            2 => p.down.loss = None,
            3 => p.up.interarrival_jitter_ms = None,
            4 => p.down.interarrival_jitter_ms = None,
            _ => run.discovery = Outcome::not_run(ReasonCode::Cancelled, "stopped"),
        }
        let report = report(run);
        if which < 5 {
            prop_assert_eq!(report.verdict.answer, Answer::Undetermined);
        }
    }

    #[test]
    fn every_report_is_judged_rendered_and_read_back(
        model in model(), seed in 0_u64..1000, builtin: bool
    ) {
        let mut run = samples::run_over(&model, seed);
        if builtin {
            run.request.target = Target::Builtin;
        }
        let report = report(run);
        let json = greenroom_reports::render::json(&report);
        let read = greenroom_reports::schema::read_report(&json).unwrap();
        prop_assert_eq!(read, report);
    }
}
