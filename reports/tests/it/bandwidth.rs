//! Rates and delay under load: faults are named, and judged by what they do to a call.

use greenroom_reports::derive::ladder::Rung;
use greenroom_reports::finding::explain;
use greenroom_reports::model::finding::{Complaint, Finding, Severity};
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::report::{Mode, Report};
use greenroom_reports::model::throughput::{Grade, RefusedFor};
use greenroom_reports::model::verdict::{Answer, Band, Capability, CapabilityVerdict};
use greenroom_reports::samples::{self, PathModel, Shape, ThroughputModel};
use greenroom_reports::units::Bitrate;
use greenroom_reports::verdict::assemble::Run;
use greenroom_reports::verdict::profile::Profile;
use proptest::prelude::*;

fn report(run: Run) -> Report {
    Report::assemble(run, Profile::default_profile())
}

fn run_over(link: &ThroughputModel) -> Run {
    samples::run_with(&PathModel::default(), 1, link)
}

fn over(link: &ThroughputModel) -> Report {
    report(run_over(link))
}

fn ids(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|f| f.id.as_str()).collect()
}

fn capability(report: &Report, which: Capability) -> &CapabilityVerdict {
    let mut all = report.verdict.capabilities.iter();
    all.find(|c| c.capability == which).unwrap()
}

fn band(report: &Report, which: Capability) -> Option<Band> {
    capability(report, which).band
}

/// The fault stands first; the rest follows from it.
fn assert_named(report: &Report, id: &str) {
    let belongs = |f: &Finding| f.id == id || f.consequence_of.is_some();
    let first = report.findings.first().map(|f| f.id.as_str());
    assert_eq!(first, Some(id), "{:?}", ids(report));
    assert!(report.findings.iter().all(belongs), "{:?}", ids(report));
}

#[test]
fn links_that_carry_a_call_raise_no_alarm() {
    for up_kbps in [2_000, 3_100, 8_000, 12_000, 200_000] {
        for down_kbps in [2_600, 4_000, 24_000, 400_000] {
            let report = over(&ThroughputModel {
                up_kbps,
                down_kbps,
                ..ThroughputModel::default()
            });
            assert_eq!(ids(&report), [""; 0], "{up_kbps} {down_kbps}");
            assert_eq!(report.verdict.answer, Answer::Ready);
        }
    }
}

#[test]
fn a_rate_of_half_of_what_is_needed_is_named_by_its_direction() {
    let up = over(&ThroughputModel {
        up_kbps: 950,
        ..ThroughputModel::default()
    });
    assert_named(&up, "network.bandwidth.uplink_too_small");
    assert_eq!(up.verdict.answer, Answer::Limited);
    assert_eq!(band(&up, Capability::Show), Some(Band::Fair));
    let down = over(&ThroughputModel {
        down_kbps: 1_250,
        ..ThroughputModel::default()
    });
    assert_named(&down, "network.bandwidth.downlink_too_small");
    assert_eq!(band(&down, Capability::See), Some(Band::Fair));
}

#[test]
fn a_rate_near_the_edge_names_no_cause() {
    // The interval of half a percent spans the edge.
    let report = over(&ThroughputModel {
        up_kbps: 1_895,
        ..ThroughputModel::default()
    });
    let too_small = "network.bandwidth.uplink_too_small";
    assert!(!ids(&report).contains(&too_small), "{:?}", ids(&report));
}

#[test]
fn a_small_uplink_leaves_audio_alone_until_not_even_that_fits() {
    let small = over(&ThroughputModel {
        up_kbps: 300,
        ..ThroughputModel::default()
    });
    assert!(band(&small, Capability::Speak) <= Some(Band::Good));
    assert_eq!(band(&small, Capability::Show), Some(Band::Poor));
    let tiny = over(&ThroughputModel {
        up_kbps: 60,
        ..ThroughputModel::default()
    });
    assert_eq!(band(&tiny, Capability::Speak), Some(Band::Fail));
    assert_named(&tiny, "network.bandwidth.uplink_too_small");
    assert_eq!(tiny.findings[0].severity, Severity::Critical);
}

#[test]
fn a_voice_call_asks_for_the_rate_of_audio_only() {
    let voice = |up_kbps| {
        let link = ThroughputModel {
            up_kbps,
            ..ThroughputModel::default()
        };
        Report::assemble(run_over(&link), Profile::voice())
    };
    assert_eq!(ids(&voice(300)), [""; 0]);
    assert_eq!(voice(300).verdict.answer, Answer::Ready);
    assert_named(&voice(60), "network.bandwidth.uplink_too_small");
}

#[test]
fn deep_queues_are_named_by_their_direction() {
    for queue_ms in [75.0, 120.0, 260.0, 380.0, 900.0] {
        let up = over(&ThroughputModel {
            up_queue_ms: queue_ms,
            ..ThroughputModel::default()
        });
        assert_named(&up, "network.bandwidth.bufferbloat_up");
        assert_eq!(up.findings[0].severity, Severity::Warning);
        let down = over(&ThroughputModel {
            down_kbps: 20_000,
            down_queue_ms: queue_ms,
            ..ThroughputModel::default()
        });
        assert_named(&down, "network.bandwidth.bufferbloat_down");
    }
}

#[test]
fn saturation_informs_and_the_load_of_a_call_decides() {
    let link = ThroughputModel {
        up_queue_ms: 300.0,
        ..ThroughputModel::default()
    };
    assert_eq!(over(&link).verdict.answer, Answer::Ready);
    let mut run = run_over(&ThroughputModel {
        call_load_ms: 90.0,
        ..link
    });
    let throughput = run.throughput.data_mut().unwrap();
    let down = throughput.verifications[0].down.as_mut().unwrap();
    down.pdv_p95_ms = greenroom_reports::units::Millis::new(3.0);
    let report = report(run);
    assert_named(&report, "network.bandwidth.bufferbloat_up");
    assert_eq!(report.findings[0].severity, Severity::Critical);
    assert_eq!(report.verdict.answer, Answer::Limited);
}

#[test]
fn a_rate_that_keeps_changing_is_named() {
    let up = over(&ThroughputModel {
        up_kbps: 2_400,
        up_shape: Shape::Varies,
        ..ThroughputModel::default()
    });
    assert_named(&up, "network.bandwidth.varying_rate_up");
    let down = over(&ThroughputModel {
        down_kbps: 3_000,
        down_shape: Shape::Varies,
        ..ThroughputModel::default()
    });
    assert_named(&down, "network.bandwidth.varying_rate_down");
}

#[test]
fn a_rate_that_changes_far_above_what_is_needed_is_no_finding() {
    let report = over(&ThroughputModel {
        up_kbps: 9_000,
        up_shape: Shape::Varies,
        ..ThroughputModel::default()
    });
    assert_eq!(ids(&report), [""; 0]);
}

#[test]
fn policing_is_named_before_the_small_rate_that_it_leaves() {
    let up = over(&ThroughputModel {
        up_kbps: 800,
        up_shape: Shape::Policed,
        ..ThroughputModel::default()
    });
    assert_named(&up, "network.bandwidth.policed_up");
    assert!(ids(&up).contains(&"network.bandwidth.uplink_too_small"));
    let down = over(&ThroughputModel {
        down_kbps: 1_000,
        down_shape: Shape::Policed,
        ..ThroughputModel::default()
    });
    assert_named(&down, "network.bandwidth.policed_down");
}

#[test]
fn policing_below_the_idle_stream_explains_its_losses() {
    let mut path = PathModel::default();
    path.up.loss.ratio = 0.2;
    let link = ThroughputModel {
        up_kbps: 64,
        up_shape: Shape::Policed,
        ..ThroughputModel::default()
    };
    let report = report(samples::run_with(&path, 1, &link));
    assert_named(&report, "network.bandwidth.policed_up");
}

#[test]
fn a_limit_of_the_server_is_no_fault_of_the_access() {
    let report = over(&ThroughputModel {
        server_kbps: Some(1_000),
        ..ThroughputModel::default()
    });
    assert_named(&report, "network.bandwidth.server_limited");
    // At least 1 Mbit/s says nothing of 720p, and is enough for audio.
    assert_eq!(band(&report, Capability::See), None);
    assert!(band(&report, Capability::Hear) <= Some(Band::Good));
    assert_eq!(report.verdict.answer, Answer::Ready);
}

#[test]
fn a_server_that_turns_the_test_away_leaves_the_rates_unknown() {
    let mut run = run_over(&ThroughputModel::default());
    run.throughput = Outcome::Blocked {
        reason: Reason::new(ReasonCode::Limited, "too many tests from one address"),
    };
    let report = report(run);
    assert_named(&report, "network.bandwidth.server_limited");
    assert_eq!(report.verdict.answer, Answer::Undetermined);
}

#[test]
fn a_server_that_vanishes_while_rates_are_measured_cannot_be_joined() {
    let mut run = samples::narrow();
    run.throughput = Outcome::Partial {
        data: run.throughput.data().unwrap().clone(),
        reason: Reason::new(ReasonCode::ServerVanished, "no answer since 2.0 s"),
    };
    let report = report(run);
    assert_named(&report, "network.server.vanished");
    assert_eq!(report.verdict.answer, Answer::CannotJoin);
}

#[test]
fn losses_explain_a_rate_that_the_way_could_carry() {
    let mut path = PathModel::default();
    path.up.loss.ratio = 0.1;
    let mut run = samples::run_with(&path, 4, &ThroughputModel::default());
    let throughput = run.throughput.data_mut().unwrap();
    let up = throughput.verifications[0].up.as_mut().unwrap();
    up.accepted = false;
    up.refused_for = Some(RefusedFor::Loss);
    up.rung = Rung::P720;
    let report = report(run);
    assert_named(&report, "network.path.loss_up");
    assert!(ids(&report).contains(&"network.bandwidth.uplink_too_small"));
}

#[test]
fn a_small_uplink_beside_losses_is_a_fault_of_its_own() {
    let mut path = PathModel::default();
    path.up.loss.ratio = 0.1;
    let link = ThroughputModel {
        up_kbps: 700,
        ..ThroughputModel::default()
    };
    let report = report(samples::run_with(&path, 4, &link));
    assert!(report.findings.iter().all(|f| f.consequence_of.is_none()));
    assert_eq!(report.findings.len(), 2);
}

#[test]
fn complaints_lead_to_rates_and_queues() {
    let narrow = report(samples::narrow());
    let blurry = explain(&narrow, Complaint::BlurryVideo);
    assert_eq!(blurry[0].id, "network.bandwidth.uplink_too_small");
    let deep = over(&ThroughputModel {
        down_kbps: 8_000,
        down_queue_ms: 250.0,
        ..ThroughputModel::default()
    });
    let choppy = explain(&deep, Complaint::ChoppyAudio);
    assert_eq!(choppy[0].id, "network.bandwidth.bufferbloat_down");
}

#[test]
fn every_finding_on_rates_names_what_it_rests_on() {
    let report = report(samples::narrow());
    for finding in &report.findings {
        let first = &finding.evidence[0];
        assert!(first.threshold.is_some() && first.interval.is_some());
        assert!(first.samples.is_some(), "{}", finding.id);
    }
}

#[test]
fn a_required_rate_that_is_unknown_leaves_the_answer_open() {
    let without = |change: fn(&mut Run)| {
        let mut run = run_over(&ThroughputModel::default());
        change(&mut run);
        report(run).verdict.answer
    };
    let no_uplink = without(|run| {
        let throughput = run.throughput.data_mut().unwrap();
        throughput.uplink = None;
        throughput.verifications.clear();
    });
    assert_eq!(no_uplink, Answer::Undetermined);
    let no_load = without(|run| run.throughput.data_mut().unwrap().call_load = None);
    assert_eq!(no_load, Answer::Undetermined);
    let left_out = without(|run| {
        run.throughput = Outcome::not_run(ReasonCode::NotSelected, "left out by the user");
    });
    assert_eq!(left_out, Answer::Undetermined);
}

#[test]
fn a_quick_check_is_judged_without_the_load_of_a_call_and_says_so() {
    let report = report(samples::quick());
    assert_eq!(report.request.mode, Mode::Quick);
    assert_eq!(report.verdict.answer, Answer::Ready);
    let speak = capability(&report, Capability::Speak);
    assert!(speak.notes.join(" ").contains("left out of a quick check"));
    let load = speak.metrics.iter().find(|m| m.metric == "call_load");
    assert!(load.is_some_and(|m| !m.required && m.band.is_none()));
}

#[test]
fn a_run_from_before_rates_were_measured_is_judged_without_them() {
    let mut run = run_over(&ThroughputModel::default());
    run.throughput = Outcome::earlier_version();
    let report = report(run);
    assert_eq!(report.verdict.answer, Answer::Ready);
    assert_eq!(band(&report, Capability::See), None);
    assert!(report.derived.call.is_none());
    let json = serde_json::to_value(&report).unwrap();
    assert!(json.get("throughput").is_none());
}

#[test]
fn the_builtin_responder_gives_neither_rates_nor_scores() {
    let mut run = samples::builtin();
    run.throughput = samples::narrow().throughput;
    let report = report(run);
    assert_eq!(ids(&report), ["network.target.builtin"]);
    assert!(report.derived.is_empty());
}

#[test]
fn the_letter_is_the_one_of_the_queue() {
    let section = ThroughputModel {
        up_queue_ms: 260.0,
        ..ThroughputModel::default()
    }
    .section();
    let load = section.uplink.unwrap().full_load.unwrap();
    assert_eq!(load.grade, Grade::D);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn less_rate_never_gets_a_better_band_or_rung(
        up_kbps in 40_u64..14_000, less in 0.0_f64..1.0, queue in 0.0_f64..500.0
    ) {
        let link = ThroughputModel { up_kbps, up_queue_ms: queue, ..ThroughputModel::default() };
        let part = Bitrate::from_kbps(up_kbps).as_bps() as f64 * less / 1000.0;
        let slower = ThroughputModel { up_kbps: up_kbps.min(part.max(30.0) as u64), ..link };
        let (before, after) = (over(&link), over(&slower));
        for (b, a) in before.verdict.capabilities.iter().zip(&after.verdict.capabilities) {
            if let (Some(b), Some(a)) = (b.band, a.band) {
                prop_assert!(b <= a);
            }
        }
        let rung = |r: &Report| r.derived.call.clone().unwrap().send.unwrap().rung;
        prop_assert!(rung(&after) <= rung(&before));
    }
}
