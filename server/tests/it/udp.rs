//! Measuring over UDP, and its limits.

use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

use greenroom_protocol::measure::{
    client::{Client, ClientConfig, End, Output, StreamPlan, TransmitKind},
    time::MonotonicTime,
    wire::{Message, RefusalCode, decode},
};
use greenroom_reports::model::path::ClockSource;
use greenroom_server::{ServeConfig, Server};

use super::client::{TestClient, server};

#[tokio::test]
async fn the_protocols_own_client_measures_to_the_end() {
    let server = server(|_| {}).await;
    let client = run_client(server.udp_addr());
    let records = client.records();
    assert!(records.len() >= 20);
    assert!(client.sizes().is_some(), "the size search did not run");
    server.stop(Duration::ZERO).await;
}

/// The smallest driver: one loop over socket and clock.
fn run_client(server: std::net::SocketAddr) -> Client {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server).unwrap();
    let began = Instant::now();
    let now = || MonotonicTime::from_nanos(u64::try_from(began.elapsed().as_nanos()).unwrap());
    let mut client = Client::new(ClientConfig {
        nonce: 7,
        stream: StreamPlan {
            interval: Duration::from_millis(5),
            slots: 20,
            ..StreamPlan::default()
        },
        patience: Duration::from_secs(2),
        session_time: Duration::from_secs(10),
        headers: Some(28),
    });
    let mut buffer = [0; 2048];
    loop {
        assert!(began.elapsed() < Duration::from_secs(20), "it does not end");
        match client.poll(now()) {
            Output::Transmit(transmit) => {
                socket.send(&transmit.datagram).unwrap();
                if let TransmitKind::Echo(seq) = transmit.kind {
                    client.departed(seq, now());
                }
            }
            Output::Event(_) => {}
            Output::Finished(end) => {
                assert_eq!(end, End::Complete);
                return client;
            }
            Output::Wait(until) => {
                let wait = until.since(now()).max(Duration::from_micros(100));
                socket.set_read_timeout(Some(wait)).unwrap();
                if let Ok(n) = socket.recv(&mut buffer) {
                    client.received(now(), ClockSource::User, &buffer[..n]);
                }
            }
        }
    }
}

#[tokio::test]
async fn an_echo_carries_kernel_arrival_before_departure() {
    let server = server(|_| {}).await;
    let mut client = TestClient::new(server.udp_addr());
    let session = client.open(1).unwrap();
    client.send_echo(session, 0);
    let Message::EchoReply(reply) = client.receive_message() else {
        panic!("no echo");
    };
    assert_eq!(reply.kernel_stamp, cfg!(target_os = "linux"));
    assert!(reply.arrival_ns < reply.departure_ns);
    assert_eq!(server.open_sessions(), 1);
}

#[tokio::test]
async fn a_dual_stack_server_answers_both_families_from_the_address_they_asked() {
    let config = ServeConfig {
        listen: "[::]:0".parse().unwrap(),
        ..ServeConfig::local()
    };
    let server = Server::start(config).await.unwrap();
    let port = server.udp_addr().port();
    // A connected socket takes answers from this address alone.
    for target in ["127.0.0.1", "127.0.0.5"] {
        let target: std::net::IpAddr = target.parse().unwrap();
        let mut client = TestClient::new((target, port).into());
        client.open(1).unwrap();
    }
    if server.udp_addr().is_ipv6() {
        let v6 = std::net::Ipv6Addr::LOCALHOST;
        TestClient::at(v6, (v6, port).into()).open(1).unwrap();
    }
}

#[tokio::test]
async fn an_address_gets_no_more_sessions_than_its_share() {
    let server = server(|limits| limits.measure.max_sessions_per_address = 2).await;
    let mut clients: Vec<_> = (0..3).map(|_| TestClient::new(server.udp_addr())).collect();
    let opened: Vec<_> = clients.iter_mut().map(|client| client.open(5)).collect();
    assert!(opened[0].is_ok() && opened[1].is_ok());
    assert_eq!(opened[2], Err(RefusalCode::AddressLimit));
    let mut elsewhere = TestClient::at([127, 0, 0, 2], server.udp_addr());
    assert!(elsewhere.open(5).is_ok());
}

#[tokio::test]
async fn packets_faster_than_granted_are_refused() {
    let server = server(|limits| limits.measure.max_packets_per_second = 40).await;
    let mut client = TestClient::new(server.udp_addr());
    let session = client.open(1).unwrap();
    for seq in 0..200 {
        client.send_echo(session, seq);
    }
    let answers = client.receive_all();
    let is_refusal = |bytes: &&Vec<u8>| {
        let code = RefusalCode::TooFast;
        matches!(decode(bytes), Ok(Message::Refused { code: c, .. }) if c == code)
    };
    let n_refusals = answers.iter().filter(is_refusal).count();
    assert_eq!(n_refusals, 1, "one refusal a second, not one a packet");
    // A burst of 32, and what the time of the test adds at 40 a second.
    assert!((32..60).contains(&(answers.len() - 1)), "{}", answers.len());
}

#[tokio::test]
async fn a_datagram_larger_than_granted_is_dropped() {
    let server = server(|_| {}).await;
    let mut client = TestClient::new(server.udp_addr());
    let session = client.open(1).unwrap();
    let probe = Message::SizeProbe {
        session,
        id: 1,
        reply_bytes: 64,
    };
    client.send_message(&probe, 1473);
    client.send_message(&probe, 1600);
    client.send_message(&probe, 5000);
    assert!(client.receive_all().is_empty());
    client.send_message(&probe, 1472);
    assert_eq!(client.receive_all().len(), 1);
}

#[tokio::test]
async fn who_has_not_proven_its_address_gets_no_more_bytes_than_it_sent() {
    let server = server(|_| {}).await;
    let mut client = TestClient::new(server.udp_addr());
    let messages = [
        Message::Hello { nonce: 1 },
        Message::Open {
            nonce: 1,
            token: [9; 16],
            duration_ms: 1000,
        },
        Message::Echo(greenroom_protocol::measure::wire::Echo {
            session: 3,
            seq: 0,
            departure_ns: 0,
        }),
        Message::SizeProbe {
            session: 3,
            id: 0,
            reply_bytes: 1472,
        },
        Message::ReceiptRequest {
            session: 3,
            base: 0,
        },
        Message::Close { session: 3 },
    ];
    for message in &messages {
        for total in [0, 24, 40, 64, 96, 172, 1472] {
            let sent = client.send_message(message, total).len();
            let answers = client.receive_all();
            let received: usize = answers.iter().map(Vec::len).sum();
            assert!(received <= sent, "{received} for {sent} of {message:?}");
        }
    }
}
