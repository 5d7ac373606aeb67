//! The whole protocol over an emulated link, in virtual time.

mod harness;

use std::time::Duration;

use greenroom_lab::link::{GilbertElliott, Jitter, LinkConfig, Loss};
use greenroom_protocol::measure::client::{ClientEvent, End};
use greenroom_protocol::measure::limits::Limits;
use greenroom_protocol::measure::wire::RefusalCode;
use greenroom_reports::units::{ByteCount, Millis};
use harness::{ClientEnd, ServerEnd, config, measure, measure_with};

fn clean(delay_ms: u64) -> LinkConfig {
    LinkConfig::new().delay_ms(delay_ms)
}

fn random_loss(probability: f64) -> LinkConfig {
    clean(10).loss(Loss::Random(probability))
}

#[test]
fn a_clean_link_is_measured_as_it_is() {
    let run = measure(clean(12), clean(8), 1, 150);
    assert_eq!(run.client.end, Some(End::Complete));
    let section = run.section().unwrap();
    let rtt = section.rtt.unwrap();
    assert_eq!(
        (rtt.min_ms, rtt.max_ms),
        (Millis::new(20.0).unwrap(), Millis::new(20.0).unwrap())
    );
    assert_eq!(section.stream.packets_sent, 200);
    for direction in [&section.up, &section.down] {
        let loss = direction.loss.as_ref().unwrap();
        assert_eq!((loss.packets_sent, loss.packets_lost), (200, 0));
        assert_eq!(direction.interarrival_jitter_ms, Millis::new(0.0));
        let mtu = direction.path_mtu.as_ref().unwrap();
        assert_eq!((mtu.bytes, mtu.black_hole), (ByteCount::new(1500), false));
        let order = direction.order.as_ref().unwrap();
        assert_eq!((order.packets_reordered, order.duplicates), (0, 0));
    }
    assert!(section.outages.is_empty());
    assert!(
        run.ended < Duration::from_millis(3300),
        "took {:?}",
        run.ended
    );
}

#[test]
fn loss_is_counted_in_its_own_direction_exactly() {
    for seed in 0..40 {
        let run = measure(random_loss(0.08), random_loss(0.03), seed, 150);
        let section = run.section().unwrap();
        let warmup = run.client.client.warmup();
        let records = &run.client.client.records()[warmup..];
        let lost_up = records
            .iter()
            .filter(|r| r.reached_server == Some(false))
            .count() as u64;
        let received = run.server.responder.counters();
        assert!(received.datagrams_in > 0);
        let up = section.up.loss.unwrap();
        let down = section.down.loss.unwrap();
        assert_eq!(up.packets_lost, lost_up, "seed {seed}");
        assert_eq!(up.packets_sent, 200);
        assert_eq!(down.packets_sent, 200 - lost_up);
    }
}

#[test]
fn windows_alone_tell_the_direction_when_the_run_is_cut() {
    let run = measure(random_loss(0.1), clean(10), 4, 150);
    let whole = run.section().unwrap().up.loss.unwrap().packets_lost;
    let mut client = ClientEnd::new(config(4, 150));
    let mut server = ServerEnd::new(Limits::default());
    let mut link = greenroom_lab::link::Duplex::new(random_loss(0.1), clean(10), 4);
    link.run(
        Duration::ZERO,
        Duration::from_millis(3100),
        &mut client,
        &mut server,
    );
    client.client.cancel();
    let cut = harness::Run {
        link,
        client,
        server,
        ended: Duration::from_millis(3100),
    };
    let section = cut.section().unwrap();
    let up = section.up.loss.unwrap();
    assert!(
        up.packets_lost.abs_diff(whole) <= 2,
        "{} of {whole}",
        up.packets_lost
    );
    assert_eq!(section.down.loss.unwrap().packets_lost, 0);
}

#[test]
fn packets_on_their_way_at_a_cancellation_are_not_lost() {
    let mut client = ClientEnd::new(config(4, 150));
    let mut server = ServerEnd::new(Limits::default());
    let mut link = greenroom_lab::link::Duplex::symmetric(clean(150), 4);
    let cut_at = Duration::from_millis(1900);
    link.run(Duration::ZERO, cut_at, &mut client, &mut server);
    let run = harness::Run {
        link,
        client,
        server,
        ended: cut_at,
    };
    let section = run.section().unwrap();
    assert_eq!(section.up.loss.unwrap().packets_lost, 0);
    assert_eq!(section.down.loss.unwrap().packets_lost, 0);
    assert!(section.outages.is_empty());
}

#[test]
fn bursts_have_the_length_they_were_given() {
    let bursty = clean(10).loss(Loss::GilbertElliott(GilbertElliott::bursts(0.1, 5.0)));
    let section = measure(clean(10), bursty, 11, 1000).section().unwrap();
    let gilbert = section.down.loss.unwrap().gilbert.unwrap();
    let mean_burst = 1.0 / gilbert.r.as_f64();
    assert!((3.0..8.0).contains(&mean_burst), "mean burst {mean_burst}");
    assert!(gilbert.burst_ratio > 2.5);
}

#[test]
fn reordering_and_copies_are_told_apart_by_direction() {
    let up = clean(10).reordering(0.1, Duration::from_millis(50));
    let down = clean(10).duplicate(0.2);
    let section = measure(up, down, 3, 300).section().unwrap();
    let (up, down) = (section.up.order.unwrap(), section.down.order.unwrap());
    assert!((15..55).contains(&up.packets_reordered), "{up:?}");
    assert_eq!((up.duplicates, down.packets_reordered), (0, 0));
    assert!((35..100).contains(&down.duplicates), "{down:?}");
}

#[test]
fn jitter_is_told_apart_by_direction() {
    let wild = clean(10).jitter(Jitter::Uniform(Duration::from_millis(30)));
    let section = measure(clean(10), wild, 3, 300).section().unwrap();
    assert!(section.up.interarrival_jitter_ms.unwrap().as_f64() < 0.1);
    assert!(section.down.interarrival_jitter_ms.unwrap().as_f64() > 5.0);
    assert!(section.down.pdv.unwrap().p95_ms.as_f64() > 10.0);
}

#[test]
fn an_outage_is_found_with_its_length_and_is_no_loss() {
    let (from, until) = (Duration::from_millis(1500), Duration::from_millis(2500));
    let up = clean(10).outage(from, until);
    let section = measure(up, clean(10), 3, 300).section().unwrap();
    let [outage] = &section.outages[..] else {
        panic!("{:?}", section.outages)
    };
    assert!(
        (outage.duration_ms.as_f64() - 1000.0).abs() < 50.0,
        "{outage:?}"
    );
    assert!(outage.recovered);
    assert_eq!(section.up.loss.unwrap().packets_lost, 0);
    assert_eq!(section.down.loss.unwrap().packets_lost, 0);
}

#[test]
fn a_narrow_path_is_found_to_the_byte() {
    let section = measure(clean(10).mtu(1433), clean(10).mtu(1321), 3, 60)
        .section()
        .unwrap();
    let (up, down) = (section.up.path_mtu.unwrap(), section.down.path_mtu.unwrap());
    assert_eq!((up.bytes, up.black_hole), (ByteCount::new(1433), true));
    assert_eq!((down.bytes, down.black_hole), (ByteCount::new(1321), true));
}

#[test]
fn nobody_there_ends_in_time() {
    let mut server = ServerEnd::new(Limits::default());
    server.dies_at = Some(Duration::ZERO);
    let run = measure_with(
        clean(10),
        clean(10),
        1,
        ClientEnd::new(config(1, 60)),
        server,
    );
    let Some(End::NoAnswer { attempts, waited }) = run.client.end else {
        panic!("{:?}", run.client.end)
    };
    assert!(attempts >= 4 && waited == Duration::from_millis(1500));
    assert!(run.section().is_none());
}

#[test]
fn a_server_that_vanishes_is_noticed_and_what_was_measured_stays() {
    let mut server = ServerEnd::new(Limits::default());
    server.dies_at = Some(Duration::from_millis(1500));
    let run = measure_with(
        clean(10),
        clean(10),
        1,
        ClientEnd::new(config(1, 150)),
        server,
    );
    assert_eq!(run.client.end, Some(End::Vanished));
    let section = run.section().unwrap();
    assert!(section.rtt.unwrap().samples > 50);
    assert!(!section.outages.last().unwrap().recovered);
    assert_eq!(section.up.loss.unwrap().packets_lost, 0);
}

#[test]
fn a_server_with_impossible_times_is_not_believed() {
    let mut server = ServerEnd::new(Limits::default());
    server.lies = true;
    let run = measure_with(
        clean(10),
        clean(10),
        1,
        ClientEnd::new(config(1, 60)),
        server,
    );
    assert!(run.section().unwrap().rtt.is_none());
    assert!(run.client.client.ignored() >= 60);
}

#[test]
fn a_refusal_ends_the_handshake_with_its_reason() {
    let limits = Limits {
        max_sessions: 0,
        ..Limits::default()
    };
    let run = measure_with(
        clean(10),
        clean(10),
        1,
        ClientEnd::new(config(1, 60)),
        ServerEnd::new(limits),
    );
    assert!(matches!(
        run.client.end,
        Some(End::Refused {
            code: RefusalCode::ServerFull,
            ..
        })
    ));
}

#[test]
fn the_client_stays_within_what_the_server_grants() {
    let limits = Limits {
        max_packets_per_second: 20,
        max_datagram_bytes: 100,
        ..Limits::default()
    };
    let run = measure_with(
        clean(10),
        clean(10),
        1,
        ClientEnd::new(config(1, 60)),
        ServerEnd::new(limits),
    );
    assert_eq!(run.client.end, Some(End::Complete));
    assert_eq!(run.server.responder.counters().refused_rate, 0);
    let section = run.section().unwrap();
    assert_eq!(section.stream.payload_bytes, ByteCount::new(100));
    assert_eq!(section.up.loss.unwrap().packets_lost, 0);
}

#[test]
fn a_handshake_survives_heavy_loss() {
    for seed in 0..50 {
        let run = measure(random_loss(0.3), random_loss(0.3), seed, 20);
        let opened = run
            .client
            .events
            .iter()
            .any(|e| matches!(e, ClientEvent::Opened { .. }));
        assert!(opened || matches!(run.client.end, Some(End::NoAnswer { .. })));
    }
}

#[test]
fn a_stream_can_be_extended_once() {
    let mut client = ClientEnd::new(config(1, 50));
    client.extend_by = Some(50);
    let run = measure_with(
        clean(10),
        clean(10),
        1,
        client,
        ServerEnd::new(Limits::default()),
    );
    assert_eq!(run.client.end, Some(End::Complete));
    let section = run.section().unwrap();
    assert!(section.extended);
    assert_eq!(section.stream.packets_sent, 134);
    assert!(section.outages.is_empty());
    assert_eq!(section.up.interarrival_jitter_ms, Millis::new(0.0));
}

#[test]
fn the_server_never_sends_more_than_it_got_before_the_proof() {
    let run = measure(clean(10), clean(10), 1, 20);
    let records = run.link.records();
    let hello = records
        .iter()
        .find(|r| r.direction == greenroom_lab::link::Direction::Up)
        .unwrap();
    let challenge = records
        .iter()
        .find(|r| r.direction == greenroom_lab::link::Direction::Down)
        .unwrap();
    assert!(challenge.size <= hello.size);
}
