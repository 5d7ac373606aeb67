//! Garbage, replay and very many sources: the responder stays up, and its memory bounded.

use std::net::Ipv4Addr;

use greenroom_protocol::measure::wire::{HELLO_BYTES, Message, OPEN_BYTES};
use greenroom_server::RunningServer;

use super::client::{TestClient, server};

/// The responder still serves an honest client.
fn assert_serves(server: &RunningServer) {
    let mut client = TestClient::at([127, 9, 9, 9], server.udp_addr());
    let session = client.open(77).unwrap();
    client.send_echo(session, 0);
    assert!(matches!(client.receive_message(), Message::EchoReply(_)));
}

/// Resident memory of this process, in bytes; `None` where the system has no `/proc`.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

#[tokio::test]
async fn garbage_is_not_answered() {
    let server = server(|_| {}).await;
    let mut client = TestClient::new(server.udp_addr());
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = vec![0_u8; 1600];
    for round in 0..5000_usize {
        for byte in &mut bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state.to_le_bytes()[0];
        }
        let len = round % bytes.len();
        // Every other one begins as ours does, so that it gets past the first look.
        if round % 2 == 0 {
            let kind = bytes[5] % 16;
            bytes[..5].copy_from_slice(&[b'G', b'R', b'M', 1, kind]);
        }
        client.send(&bytes[..len]);
    }
    let answered: usize = client.receive_all().iter().map(Vec::len).sum();
    assert!(
        answered < 5000 * 64,
        "{answered} bytes in answer to garbage"
    );
    assert_serves(&server);
}

#[tokio::test]
async fn a_replayed_open_finds_its_session_and_makes_no_other() {
    let server = server(|_| {}).await;
    let mut client = TestClient::new(server.udp_addr());
    client.send_message(&Message::Hello { nonce: 3 }, HELLO_BYTES);
    let Message::Challenge { token, .. } = client.receive_message() else {
        panic!("no challenge");
    };
    let open = Message::Open {
        nonce: 3,
        token,
        duration_ms: 1000,
    };
    for _ in 0..500 {
        client.send_message(&open, OPEN_BYTES);
    }
    client.receive_all();
    assert_eq!(server.open_sessions(), 1);
    // From another address the token is worth nothing.
    let mut thief = TestClient::at([127, 0, 0, 3], server.udp_addr());
    thief.send_message(&open, OPEN_BYTES);
    assert!(matches!(thief.receive_message(), Message::Refused { .. }));
    assert_eq!(server.open_sessions(), 1);
}

#[tokio::test]
async fn ten_thousand_sources_stay_bounded() {
    let server = server(|limits| {
        limits.measure.max_sessions = 200;
        limits.measure.max_challenges_per_second = 1_000_000;
    })
    .await;
    let before = resident_bytes();
    let mut n_opened = 0;
    for source in 0..10_000_u32 {
        let ip = Ipv4Addr::from(0x7F01_0000 + source);
        let mut client = TestClient::at(ip, server.udp_addr());
        client.send(&[0xFF; 200]);
        n_opened += usize::from(client.open(source.into()).is_ok());
    }
    assert_eq!(n_opened, 200);
    assert_eq!(server.open_sessions(), 200);
    if let (Some(before), Some(after)) = (before, resident_bytes()) {
        let grown = after.saturating_sub(before);
        assert!(grown < 16 << 20, "memory grew by {grown} bytes");
    }
}
