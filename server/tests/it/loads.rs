//! Loads over real sockets.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use greenroom_protocol::measure::{
    load::{
        schedule::{Sending, Shape},
        wire::{LoadDirection, LoadMessage, LoadReport, LoadStart},
    },
    time::MonotonicTime,
    wire::{Message, RefusalCode, decode, encode},
};
use greenroom_server::{ServeConfig, Server};

use super::client::{TestClient, server};

const PACKET: u16 = 1200;

/// A load of 0.3 seconds at this rate.
pub(super) fn load(session: u64, load: u32, direction: LoadDirection, rate_bps: u64) -> LoadStart {
    let packets = rate_bps * 3 / 10 / 8 / u64::from(PACKET);
    LoadStart {
        session,
        load,
        direction,
        shape: Shape::Even,
        packet_bytes: PACKET,
        packets: u32::try_from(packets).unwrap(),
        rate_bps,
    }
}

pub(super) fn request(session: u64, load: u32, base: u32, stop: bool) -> Message {
    Message::Load(LoadMessage::ReportRequest {
        session,
        load,
        base,
        stop,
    })
}

/// Every arrival that the server noted, asked for report by report.
pub(super) fn gather(mut ask: impl FnMut(u32) -> LoadReport) -> (LoadReport, Vec<u32>) {
    let mut seqs = Vec::new();
    loop {
        let report = ask(u32::try_from(seqs.len()).unwrap());
        seqs.extend(report.notes.iter().map(|(seq, _)| *seq));
        if report.notes.is_empty() || seqs.len() >= report.noted as usize {
            return (report, seqs);
        }
    }
}

fn begin(client: &mut TestClient, start: LoadStart) -> u32 {
    client.send_message(&Message::Load(LoadMessage::Start(start)), 64);
    match client.receive_message() {
        Message::Load(LoadMessage::Granted { packets, .. }) => packets,
        other => panic!("not granted: {other:?}"),
    }
}

/// What came of a load that the server sent.
#[derive(Debug, Default)]
struct Received {
    seqs: Vec<u32>,
    /// The server's clock at the first and last departure.
    departures: (u64, u64),
    took: Duration,
    turnarounds: Vec<Duration>,
}

/// Receives a whole load while echoes go on beside it.
fn receive_load(client: &mut TestClient, session: u64, packets: u32) -> Received {
    let mut received = Received::default();
    let began = Instant::now();
    let (mut echoes, mut buffer) = (0, [0; 2048]);
    client.set_patience(Duration::from_millis(100));
    while received.seqs.len() < packets as usize && began.elapsed() < Duration::from_secs(5) {
        if began.elapsed() > Duration::from_millis(10) * echoes {
            client.send_echo(session, echoes);
            echoes += 1;
        }
        let Some(datagram) = client.try_receive(&mut buffer) else {
            continue;
        };
        match decode(datagram).unwrap() {
            Message::Load(LoadMessage::Packet(packet)) => {
                assert_eq!(datagram.len(), usize::from(PACKET));
                if received.seqs.is_empty() {
                    received.departures.0 = packet.departure_ns;
                }
                received.departures.1 = packet.departure_ns;
                received.seqs.push(packet.seq);
                received.took = began.elapsed();
            }
            Message::EchoReply(reply) => received
                .turnarounds
                .push(Duration::from_nanos(reply.departure_ns - reply.arrival_ns)),
            other => panic!("{other:?}"),
        }
    }
    received
}

/// What was not as it is to be, of a load of 100 Mbit/s. The machine may be busy with something
/// else just then.
fn shortcomings(client: &mut TestClient, session: u64, id: u32) -> Result<(), String> {
    let start = load(session, id, LoadDirection::Down, 100_000_000);
    let granted = begin(client, start);
    assert_eq!(granted, 3125);
    let mut received = receive_load(client, session, granted);
    client.set_patience(Duration::from_secs(2));
    client.send_message(&request(session, id, 0, false), 64);
    let report = report_among(client);
    assert_eq!((report.sent, report.ended), (granted, true));
    let sent = Duration::from_nanos(received.departures.1 - received.departures.0);
    received.turnarounds.sort_unstable();
    let n_echoes = received.turnarounds.len();
    let p95 = received.turnarounds[n_echoes * 95 / 100];
    let is_as_asked = received.seqs.len() >= 3094
        && received.seqs.is_sorted()
        && sent.abs_diff(Duration::from_millis(300)) < Duration::from_millis(3)
        && n_echoes >= 15
        && p95 < Duration::from_millis(1);
    let told = format!(
        "{} packets in {sent:?}, turnarounds {:?}",
        received.seqs.len(),
        received.turnarounds
    );
    if is_as_asked { Ok(()) } else { Err(told) }
}

/// The report that was asked for, behind what else is still on its way.
fn report_among(client: &mut TestClient) -> LoadReport {
    loop {
        if let Message::Load(LoadMessage::Report(report)) = client.receive_message() {
            return report;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_comes_down_whole_and_at_its_rate_and_echoes_are_answered_meanwhile() {
    let server = server(|_| {}).await;
    let mut client = TestClient::new(server.udp_addr());
    let session = client.open(1).unwrap();
    let mut told = Vec::new();
    for id in 0..10 {
        match shortcomings(&mut client, session, id) {
            Ok(()) => return server.stop(Duration::ZERO).await,
            Err(what) => told.push(what),
        }
    }
    panic!("{told:?}");
}

/// Sends a load as a client does, and counts the reports that nobody asked for.
fn send_load(client: &mut TestClient, start: &LoadStart) -> u32 {
    let began = Instant::now();
    let now = || MonotonicTime::from_nanos(u64::try_from(began.elapsed().as_nanos()).unwrap());
    let mut sending = Sending::new(start, now());
    let (mut out, mut reports, mut buffer) = (Vec::new(), 0, [0; 2048]);
    client.set_patience(Duration::from_micros(100));
    while !sending.is_over() {
        while let Some(burst) = sending.poll(now(), &mut out) {
            for packet in out.chunks(burst.segment_bytes.into()) {
                client.send(packet);
            }
        }
        reports += u32::from(client.try_receive(&mut buffer).is_some());
    }
    client.set_patience(Duration::from_millis(50));
    while client.try_receive(&mut buffer).is_some() {
        reports += 1;
    }
    client.set_patience(Duration::from_secs(2));
    reports
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_goes_up_is_reported_exactly() {
    let server = server(|_| {}).await;
    let mut client = TestClient::new(server.udp_addr());
    let session = client.open(1).unwrap();
    let start = load(session, 5, LoadDirection::Up, 12_800_000);
    assert_eq!(begin(&mut client, start), 400);
    let reports = send_load(&mut client, &start);
    assert!(
        (5..=20).contains(&reports),
        "{reports} unasked reports in 0.3 s"
    );
    let (report, seqs) = gather(|base| {
        client.send_message(&request(session, 5, base, false), 64);
        match client.receive_message() {
            Message::Load(LoadMessage::Report(report)) => report,
            other => panic!("{other:?}"),
        }
    });
    assert!(seqs.iter().copied().eq(0..400));
    assert_eq!((report.received, report.duplicates), (400, 0));
    assert_eq!(report.received_bytes, 400 * u64::from(PACKET));
    assert_eq!(report.kernel_stamps, cfg!(target_os = "linux"));
    let took = Duration::from_nanos(report.last_arrival_ns - report.first_arrival_ns);
    assert!(
        took.abs_diff(Duration::from_millis(300)) < Duration::from_millis(100),
        "{took:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_leaves_from_the_address_that_the_client_had_addressed() {
    let config = ServeConfig {
        listen: "[::]:0".parse().unwrap(),
        ..ServeConfig::local()
    };
    let server = Server::start(config).await.unwrap();
    let target: SocketAddr = ([127, 0, 0, 5], server.udp_addr().port()).into();
    // A connected socket takes packets from this address alone.
    let mut client = TestClient::new(target);
    let session = client.open(1).unwrap();
    let start = LoadStart {
        shape: Shape::BackToBack,
        packets: 50,
        ..load(session, 1, LoadDirection::Down, 0)
    };
    let granted = begin(&mut client, start);
    let received = receive_load(&mut client, session, granted);
    assert_eq!((granted, received.seqs.len()), (50, 50));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_left_is_not_flooded_and_the_metrics_tell() {
    let server = server(|limits| limits.measure.max_load_bps = 5_000_000).await;
    let mut client = TestClient::new(server.udp_addr());
    let session = client.open(1).unwrap();
    let too_fast = load(session, 1, LoadDirection::Down, 5_000_001);
    client.send_message(&Message::Load(LoadMessage::Start(too_fast)), 64);
    let Message::Refused { code, .. } = client.receive_message() else {
        panic!("granted");
    };
    assert_eq!(code, RefusalCode::LoadLimit);
    let start = LoadStart {
        packets: 2000,
        ..load(session, 2, LoadDirection::Down, 4_800_000)
    };
    begin(&mut client, start);
    let (mut n, mut buffer) = (0, [0; 2048]);
    client.set_patience(Duration::from_millis(300));
    while client.try_receive(&mut buffer).is_some() {
        n += 1;
    }
    // Half a second at 500 packets a second.
    assert!((240..=262).contains(&n), "{n}");
    let url = format!("http://{}/metrics", server.http_addr());
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    for line in [
        "greenroom_loads_total{transport=\"udp\",direction=\"out\"} 1",
        "greenroom_loads_silenced_total{transport=\"udp\"} 1",
        "greenroom_loads_sending{transport=\"udp\"} 0",
        "greenroom_refused_total{transport=\"udp\",reason=\"load_limit\"} 1",
        &format!(
            "greenroom_load_payload_bytes_total{{transport=\"udp\",direction=\"out\"}} {}",
            n * u64::from(PACKET)
        ),
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn loads_are_advertised_unless_they_are_switched_off() {
    for (max_loads, advertised) in [(16, true), (0, false)] {
        let server = server(|limits| limits.measure.max_loads = max_loads).await;
        let url = format!("http://{}/.well-known/greenroom", server.http_addr());
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let loads = "\"loads\":{\"max_load_bps\":250000000,\"max_load_bytes\":128000000}";
        assert_eq!(text.contains(loads), advertised, "{text}");
    }
}

/// One packet of a load, as bytes.
pub(super) fn packet(session: u64, load: u32, seq: u32) -> Vec<u8> {
    let packet = LoadMessage::Packet(greenroom_protocol::measure::load::wire::LoadPacket {
        session,
        load,
        seq,
        departure_ns: 0,
    });
    let mut bytes = Vec::new();
    encode(&Message::Load(packet), PACKET.into(), &mut bytes);
    bytes
}
