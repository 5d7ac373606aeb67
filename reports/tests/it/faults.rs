//! Every injected fault is named first, and nothing else is but what it brings along.

use greenroom_reports::finding::explain;
use greenroom_reports::model::discovery::ClockOffset;
use greenroom_reports::model::finding::{Complaint, Finding, Severity};
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::path::Transport;
use greenroom_reports::model::report::{Report, Target};
use greenroom_reports::model::sensitive::Sensitive;
use greenroom_reports::model::system::{
    DisplayServer, LinkKind, Proxy, ScreenCapture, SystemSection, Throttling,
};
use greenroom_reports::model::verdict::Answer;
use greenroom_reports::samples::{self, PathModel};
use greenroom_reports::units::{Millis, Ratio};
use greenroom_reports::verdict::assemble::Run;
use greenroom_reports::verdict::profile::Profile;

fn report(run: Run) -> Report {
    Report::assemble(run, Profile::default_profile())
}

fn ids(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|f| f.id.as_str()).collect()
}

/// The fault stands first; the rest follows from it or is a mere note.
fn is_named(report: &Report, id: &str) -> bool {
    let belongs =
        |f: &Finding| f.id == id || f.consequence_of.is_some() || f.severity == Severity::Info;
    report.findings.first().is_some_and(|f| f.id == id) && report.findings.iter().all(belongs)
}

fn assert_named(run: Run, id: &str) {
    let report = report(run);
    assert!(
        is_named(&report, id),
        "{id} expected, got {:?}",
        ids(&report)
    );
}

fn with_system(change: impl FnOnce(&mut SystemSection)) -> Run {
    let mut run = samples::run_over(&PathModel::default(), 1);
    change(run.system.data_mut().unwrap());
    run
}

fn blocked(code: ReasonCode) -> Run {
    let mut run = samples::unreachable();
    run.discovery = Outcome::Blocked {
        reason: Reason::new(code, "because"),
    };
    run
}

fn ms(value: f64) -> Millis {
    Millis::new(value).unwrap()
}

/// How many of 400 seeds satisfy `test`.
fn share(model: &PathModel, test: impl Fn(&Report) -> bool) -> f64 {
    let hits = (0..400)
        .filter(|&seed| test(&report(samples::run_over(model, seed))))
        .count();
    hits as f64 / 400.0
}

fn named_share(model: &PathModel, id: &str) -> f64 {
    let share = share(model, |report| is_named(report, id));
    println!("{id}: named in {:.1} % of the runs", share * 100.0);
    share
}

#[test]
fn a_healthy_set_up_raises_no_alarm() {
    let silent = share(&PathModel::default(), |report| {
        report.findings.is_empty() && report.verdict.answer == Answer::Ready
    });
    assert_eq!(silent, 1.0);
}

#[test]
fn a_little_random_loss_and_jitter_raise_no_alarm() {
    let mut model = PathModel::default();
    model.rtt_ms = 60.0;
    for direction in [&mut model.up, &mut model.down] {
        direction.loss.ratio = 0.002;
        direction.jitter_ms = 15.0;
    }
    let silent = share(&model, |report| report.findings.is_empty());
    assert!(silent > 0.99, "{silent}");
}

#[test]
fn faults_of_the_system_are_named() {
    assert_named(
        with_system(|s| s.cpu.usable_cores = 1),
        "system.cpu.too_few_cores",
    );
    assert_named(
        with_system(|s| s.cpu.busy_ratio = Ratio::new(0.97)),
        "system.cpu.busy",
    );
    let throttling = Throttling {
        active: true,
        source: "thermal zone".to_owned(),
    };
    assert_named(
        with_system(|s| s.cpu.throttling = Some(throttling)),
        "system.cpu.throttled",
    );
    assert_named(
        with_system(|s| s.power.saver_active = Some(true)),
        "system.power.saver",
    );
    assert_named(
        with_system(|s| {
            s.display.server = DisplayServer::None;
            s.display.screen_capture = ScreenCapture::Unavailable {
                reason: "no display".to_owned(),
            };
        }),
        "system.display.none",
    );
    assert_named(
        with_system(|s| {
            s.display.screen_capture = ScreenCapture::Unavailable {
                reason: "no portal answers".to_owned(),
            };
        }),
        "system.screen_capture.unavailable",
    );
    assert_named(
        with_system(|s| s.interfaces[0].kind = LinkKind::Tunnel),
        "system.network.vpn",
    );
    let proxy = Proxy {
        host: Sensitive::new("proxy.example"),
        port: Some(3128),
        source: "https_proxy".to_owned(),
    };
    assert_named(
        with_system(|s| s.proxy = Some(proxy)),
        "system.network.proxy",
    );
}

fn with_clock(offset: f64, uncertainty: f64) -> Run {
    let mut run = samples::run_over(&PathModel::default(), 1);
    run.discovery.data_mut().unwrap().clock_offset = Some(ClockOffset {
        offset_ms: ms(offset),
        uncertainty_ms: ms(uncertainty),
    });
    run
}

#[test]
fn a_wrong_clock_is_named_beyond_its_uncertainty_only() {
    assert_named(with_clock(-90_000.0, 500.0), "system.clock.offset");
    assert_named(with_clock(61_000.0, 500.0), "system.clock.offset");
    assert!(report(with_clock(60_300.0, 500.0)).findings.is_empty());
}

#[test]
fn the_headless_vpn_machine_still_names_the_network_fault_first() {
    let mut run = samples::lossy();
    let system = run.system.data_mut().unwrap();
    system.display.server = DisplayServer::None;
    system.interfaces[0].kind = LinkKind::Tunnel;
    system.cpu.busy_ratio = Ratio::new(0.99);
    assert_named(run, "network.path.loss_up");
}

#[test]
fn the_builtin_responder_is_a_note() {
    let report = report(samples::builtin());
    assert_eq!(ids(&report), ["network.target.builtin"]);
    assert_eq!(report.findings[0].severity, Severity::Info);
}

#[test]
fn each_way_not_to_find_the_server_is_named() {
    for (code, id) in [
        (ReasonCode::UnknownHost, "unknown_host"),
        (ReasonCode::ResolverFailed, "resolver_failed"),
        (ReasonCode::Refused, "refused"),
        (ReasonCode::NoAnswer, "no_answer"),
        (ReasonCode::Unreachable, "unreachable"),
        (ReasonCode::TlsExpired, "tls_expired"),
        (ReasonCode::TlsWrongName, "tls_wrong_name"),
        (ReasonCode::TlsUnknownIssuer, "tls_unknown_issuer"),
        (ReasonCode::TlsFailed, "tls_failed"),
        (ReasonCode::NotGreenroom, "not_greenroom"),
        (ReasonCode::VersionMismatch, "version_mismatch"),
        (ReasonCode::Limited, "limited"),
        (ReasonCode::ProxyFailed, "proxy_failed"),
        (ReasonCode::Other, "failed"),
    ] {
        let report = report(blocked(code));
        assert_eq!(ids(&report), [format!("network.discovery.{id}")]);
        assert_eq!(report.verdict.answer, Answer::CannotJoin);
        assert_eq!(report.findings[0].severity, Severity::Critical);
    }
}

#[test]
fn random_loss_is_named_by_direction_and_hardly_ever_called_bursty() {
    for (ratio, least) in [(0.05, 0.9), (0.08, 0.97), (0.1, 0.97)] {
        let mut model = PathModel::default();
        model.up.loss.ratio = ratio;
        assert!(named_share(&model, "network.path.loss_up") >= least);
        let mut model = PathModel::default();
        model.down.loss.ratio = ratio;
        assert!(named_share(&model, "network.path.loss_down") >= least);
        let bursty = share(&model, |r| {
            ids(r).contains(&"network.path.bursty_loss_down")
        });
        assert!(bursty < 0.01, "{bursty}");
    }
}

#[test]
fn loss_in_bursts_is_named_in_place_of_plain_loss() {
    for mean_burst in [4.0, 6.0] {
        let mut model = PathModel::default();
        model.packets = 250;
        model.up.loss.ratio = 0.08;
        model.up.loss.mean_burst = mean_burst;
        // Some runs see no or hardly any burst at all; those that lose enough must say so.
        let wrong = share(&model, |r| ids(r).contains(&"network.path.loss_up"));
        let right = named_share(&model, "network.path.bursty_loss_up");
        assert!(right > 0.9 && wrong < 0.06, "right {right}, wrong {wrong}");
    }
}

#[test]
fn jitter_is_named_and_takes_its_reordering_along() {
    for jitter_ms in [120.0, 200.0] {
        let mut model = PathModel::default();
        model.down.jitter_ms = jitter_ms;
        assert!(named_share(&model, "network.path.high_jitter_down") > 0.97);
        let mut model = PathModel::default();
        model.up.jitter_ms = jitter_ms;
        assert!(named_share(&model, "network.path.high_jitter_up") > 0.97);
    }
}

#[test]
fn a_round_trip_that_is_long_only_at_times_is_jitter() {
    let mut model = PathModel::default();
    model.rtt_ms = 80.0;
    model.down.jitter_ms = 200.0;
    assert!(named_share(&model, "network.path.high_jitter_down") > 0.97);
}

#[test]
fn a_long_way_is_named() {
    let model = PathModel {
        rtt_ms: 320.0,
        ..PathModel::default()
    };
    assert!(named_share(&model, "network.path.high_rtt") >= 1.0);
}

#[test]
fn a_long_way_is_named_with_few_samples_too() {
    let model = PathModel {
        rtt_ms: 320.0,
        packets: 48,
        ..PathModel::default()
    };
    assert!(named_share(&model, "network.path.high_rtt") >= 1.0);
}

#[test]
fn reordering_is_named_even_where_it_shakes_the_spacing() {
    for late_ms in [30.0, 50.0, 200.0] {
        let mut model = PathModel::default();
        model.up.reordered = (0.08, late_ms);
        assert!(named_share(&model, "network.path.reordering_up") > 0.97);
    }
}

#[test]
fn duplicates_and_black_holes_are_named() {
    let mut model = PathModel::default();
    model.down.duplicated = 0.1;
    assert!(named_share(&model, "network.path.duplicates_down") > 0.97);
    let mut model = PathModel::default();
    model.up.black_hole_bytes = Some(1000);
    assert!(named_share(&model, "network.path.mtu_black_hole_up") >= 1.0);
    model.up.black_hole_bytes = Some(1420);
    assert!(share(&model, |r| r.findings.is_empty()) >= 1.0);
}

#[test]
fn an_outage_is_named_and_explains_the_losses_in_it() {
    let mut model = PathModel::default();
    model.outage = Some((60, 40));
    assert!(named_share(&model, "network.path.outage") >= 1.0);
    let report = report(samples::run_over(&model, 1));
    assert_eq!(report.verdict.answer, Answer::Limited);
}

#[test]
fn a_server_that_vanishes_explains_the_outage() {
    let mut model = PathModel::default();
    model.outage = Some((100, 65));
    let mut run = samples::run_over(&model, 1);
    run.path = Outcome::Partial {
        data: run.path.data().unwrap().clone(),
        reason: Reason::new(ReasonCode::ServerVanished, "no answer since 2.0 s"),
    };
    let report = report(run);
    assert!(
        is_named(&report, "network.server.vanished"),
        "{:?}",
        ids(&report)
    );
    assert_eq!(report.verdict.answer, Answer::CannotJoin);
}

#[test]
fn blocked_udp_is_named_with_and_without_a_way_around() {
    let report_over = report(samples::websocket());
    assert!(is_named(&report_over, "network.udp.blocked"));
    assert_eq!(report_over.verdict.answer, Answer::Limited);
    let mut run = samples::websocket();
    run.path = Outcome::Blocked {
        reason: Reason::new(ReasonCode::NoAnswer, "neither UDP nor WebSocket"),
    };
    let report = report(run);
    assert!(is_named(&report, "network.path.no_media"));
    assert_eq!(report.verdict.answer, Answer::CannotJoin);
}

#[test]
fn a_relay_as_the_only_way_is_a_note_over_udp_and_follows_from_blocked_udp_else() {
    let mut run = samples::run_over(&PathModel::default(), 1);
    run.path.data_mut().unwrap().transport = Transport::TurnUdp;
    let over_udp = report(run);
    assert!(is_named(&over_udp, "network.path.relay_only"));
    assert_eq!(over_udp.verdict.answer, Answer::Ready);
    let mut run = samples::websocket();
    run.path.data_mut().unwrap().transport = Transport::TurnTls;
    let over_tls = report(run);
    assert!(is_named(&over_tls, "network.udp.blocked"));
    assert!(ids(&over_tls).contains(&"network.path.relay_only"));
    assert_eq!(over_tls.verdict.answer, Answer::Limited);
}

#[test]
fn two_faults_are_both_named() {
    let model = PathModel {
        rtt_ms: 500.0,
        ..PathModel::default()
    };
    let mut model = model;
    model.down.loss.ratio = 0.2;
    let report = report(samples::run_over(&model, 1));
    assert_eq!(
        ids(&report),
        ["network.path.loss_down", "network.path.high_rtt"]
    );
    assert!(report.findings.iter().all(|f| f.consequence_of.is_none()));
}

#[test]
fn a_complaint_leads_to_its_findings() {
    let report = report(samples::lossy());
    let audio = explain(&report, Complaint::ChoppyAudio);
    assert_eq!(audio[0].id, "network.path.loss_up");
    assert!(explain(&report, Complaint::PoorConnectivity).is_empty());
}

#[test]
fn a_report_with_few_packets_names_no_cause() {
    assert!(report(samples::cancelled()).findings.is_empty());
    let mut run = samples::cancelled();
    run.request.target = Target::Builtin;
    assert_eq!(ids(&report(run)), ["network.target.builtin"]);
}

#[test]
fn loss_between_outages_is_a_fault_of_its_own() {
    let mut model = PathModel::default();
    model.outage = Some((60, 40));
    model.up.loss.ratio = 0.1;
    let report = report(samples::run_over(&model, 1));
    assert_eq!(
        ids(&report),
        ["network.path.outage", "network.path.loss_up"]
    );
    assert_eq!(report.findings[1].consequence_of, None);
}
