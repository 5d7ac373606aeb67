#![expect(clippy::disallowed_methods, reason = "a test waits for the kernel")]

use std::time::Duration;

use super::*;

/// A socket that hears what is sent to it, and its address.
fn listener() -> (std::net::UdpSocket, SocketAddr) {
    let socket = std::net::UdpSocket::bind("[::1]:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn heard(socket: &std::net::UdpSocket) -> Vec<usize> {
    let mut buffer = [0; 2048];
    std::iter::from_fn(|| socket.recv(&mut buffer).ok()).collect()
}

async fn wait_a_moment(carrier: &mut OverUdp) {
    let mut ignore = |_: FlowId, _: _, _: _, _: &[u8]| {};
    let wait = carrier.wait(&mut ignore);
    tokio::time::timeout(Duration::from_millis(100), wait)
        .await
        .unwrap()
        .unwrap();
}

// Before the first wait the runtime knows of no room in the socket: that is as good as full.

#[tokio::test]
async fn what_finds_no_room_leaves_while_waiting_in_its_own_sizes() {
    let (socket, address) = listener();
    let mut carrier = OverUdp::connect(address, Clock::start()).await.unwrap();
    carrier.send(FlowId::Load, Some(600), &[7; 1500]).unwrap();
    carrier.send(FlowId::Load, None, &[7; 64]).unwrap();
    assert!(!carrier.load.backlog.is_empty());
    wait_a_moment(&mut carrier).await;
    assert_eq!(heard(&socket), [600, 600, 300, 64]);
    assert_eq!(carrier.load.backlog_bytes, 0);
}

#[tokio::test]
async fn a_full_socket_drops_what_is_too_much_and_never_waits() {
    let (_socket, address) = listener();
    let mut carrier = OverUdp::connect(address, Clock::start()).await.unwrap();
    let burst = vec![7; 60_000];
    for _ in 0..1000 {
        carrier.send(FlowId::Load, Some(1200), &burst).unwrap();
    }
    assert!(carrier.load.backlog_bytes <= BACKLOG_BYTES);
    assert!(carrier.other.backlog.is_empty());
    assert!(!carrier.is_full());
}

#[tokio::test]
async fn a_port_that_nobody_listens_at_rejects_and_breaks_nothing() {
    let (socket, address) = listener();
    drop(socket);
    let mut carrier = OverUdp::connect(address, Clock::start()).await.unwrap();
    carrier.send(FlowId::Other, None, &[7; 64]).unwrap();
    wait_a_moment(&mut carrier).await;
    for _ in 0..3 {
        // The refusal comes back as an error of a later call, or wakes who waits.
        carrier.send(FlowId::Other, None, &[7; 64]).unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(carrier.rejected());
}
