//! The library as another client calls it.

use std::time::{Duration, Instant};

use greenroom::model::outcome::Outcome;
use greenroom::model::report::Ending;
use greenroom::units::ByteCount;
use greenroom::{Check, EventKind, Mode, ProbeId, Sample, check_system_requirements};

#[tokio::test]
async fn a_check_gives_events_and_a_report() {
    let mut check = Check::builder()
        .mode(Mode::Quick)
        .skip([ProbeId::Camera, ProbeId::Microphone, ProbeId::Speaker])
        .start()
        .await
        .unwrap();
    let (mut samples, mut finished) = (0, Vec::new());
    let mut last = None;
    while let Some(event) = check.next_event().await {
        match &event.kind {
            EventKind::Sample {
                sample: Sample::RoundTrip { rtt_ms, .. },
                ..
            } => {
                assert!(rtt_ms.as_f64() >= 0.0);
                samples += 1;
            }
            EventKind::ProbeFinished { result, .. } => finished.push(result.probe()),
            _ => {}
        }
        last = Some(event.kind);
    }
    assert!(samples > 60, "{samples} samples");
    finished.sort();
    assert_eq!(
        finished,
        [
            ProbeId::System,
            ProbeId::Discovery,
            ProbeId::Path,
            ProbeId::Throughput,
            ProbeId::Resolve,
            ProbeId::Web,
            ProbeId::Stun,
            ProbeId::Turn,
        ]
    );
    assert!(matches!(
        last,
        Some(EventKind::RunFinished {
            ending: Ending::Finished
        })
    ));
    let report = check.report();
    assert_eq!(report.ending, Ending::Finished);
    assert!(matches!(report.path, Outcome::Measured { .. }));
}

#[tokio::test]
async fn one_probe_can_run_again_alone() {
    let mut check = Check::builder().mode(Mode::Quick).start().await.unwrap();
    let first = check.finish().await;
    check.run_again(ProbeId::Path).unwrap();
    let second = check.finish().await;
    assert_eq!(first.id, second.id);
    assert_eq!(first.system, second.system, "the system was not read again");
    assert_ne!(first.path, second.path, "the path was measured again");
    assert_eq!(second.ending, Ending::Finished);
}

#[tokio::test]
async fn a_cancelled_check_ends_soon_with_what_it_has() {
    let mut check = Check::builder().start().await.unwrap();
    let mut seen = 0;
    while seen < 30 {
        let event = check.next_event().await.unwrap();
        seen += usize::from(matches!(event.kind, EventKind::Sample { .. }));
    }
    let began = Instant::now();
    check.canceller().cancel(greenroom::CancelCause::User);
    let report = check.finish().await;
    assert!(
        began.elapsed() < Duration::from_millis(500),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(report.ending, Ending::Cancelled);
    assert!(matches!(report.path, Outcome::Partial { .. }));
}

/// Whether somebody listens at these ports of loopback.
fn listening(tcp: u16, udp: u16) -> [bool; 2] {
    let somebody = std::net::TcpStream::connect(("127.0.0.1", tcp)).is_ok();
    [
        somebody,
        std::net::UdpSocket::bind(("127.0.0.1", udp)).is_err(),
    ]
}

#[tokio::test]
async fn a_check_dropped_while_it_runs_leaves_nothing_listening() {
    let mut check = Check::builder().mode(Mode::Quick).start().await.unwrap();
    let report = check.finish().await;
    let tcp = report.discovery.data().unwrap().port;
    let udp = report.path.data().unwrap().remote_port;
    check.run_again(ProbeId::Path).unwrap();
    while let Some(event) = check.next_event().await {
        if matches!(event.kind, EventKind::Sample { .. }) {
            break;
        }
    }
    assert_eq!(listening(tcp, udp), [true, true]);
    drop(check);
    // The responder's thread owns the UDP port, and gives it up when it ends.
    let began = Instant::now();
    while listening(tcp, udp) != [false, false] {
        let waited = began.elapsed();
        assert!(waited < Duration::from_secs(5), "ports {tcp} and {udp}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn budgets_and_urls_are_checked_before_the_start() {
    let error = Check::builder().server("gopher://x").unwrap_err();
    assert!(error.to_string().contains("cannot use"), "{error}");
    let check = Check::builder()
        .data_limit(ByteCount::new(1))
        .only([ProbeId::Path]);
    let report = check.start().await.unwrap().finish().await;
    assert!(matches!(report.path, Outcome::NotRun { .. }));
}

#[tokio::test]
async fn the_requirements_are_answered_before_any_run() {
    let requirements = check_system_requirements().await;
    for answer in [
        &requirements.video,
        &requirements.audio,
        &requirements.screen,
    ] {
        assert_eq!(answer.met, answer.reasons.is_empty(), "{answer:?}");
    }
    assert!(requirements.audio.met, "{:?}", requirements.audio);
}
