//! What the link's packet log says of rates and bytes: the truth to compare a report with.

use std::time::Duration;

use greenroom_lab::link::{Direction, Fate, LinkConfig, PacketRecord, Rate};

use crate::scene::{Scene, good_link};

/// Packets of a flood are larger; echoes, handshakes and reports are smaller.
const LARGE_BYTES: usize = 400;

/// One direction of a link with 20 ms RTT, and a queue as deep as most have.
pub(crate) fn link(bits_per_second: u64) -> LinkConfig {
    queued_link(bits_per_second, Duration::from_millis(50))
}

/// One direction of a link with 20 ms RTT.
pub(crate) fn queued_link(bits_per_second: u64, queue: Duration) -> LinkConfig {
    good_link().rate(Rate::new(bits_per_second, queue))
}

/// Bytes of IP packets that were put into the link, whatever became of them: up and down.
pub(super) fn bytes_sent(scene: &Scene) -> [u64; 2] {
    let records = records(scene);
    Direction::BOTH.map(|direction| {
        let sizes = records.iter().filter(|r| r.direction == direction);
        sizes.map(|r| r.size as u64).sum()
    })
}

/// The log, whole.
fn records(scene: &Scene) -> Vec<PacketRecord> {
    assert!(!scene.lab.link().has_log_overflowed());
    scene.lab.link().records()
}

/// Most bits a second that the link's bottleneck let pass in 150 ms, which is less than the shortest flood takes.
pub(super) fn rate_bps(scene: &Scene, direction: Direction) -> f64 {
    let left = |r: &PacketRecord| match r.fate {
        Fate::Left { due_at, .. } if r.direction == direction => Some((due_at, r.size)),
        _ => None,
    };
    let mut packets: Vec<(Duration, usize)> = records(scene).iter().filter_map(left).collect();
    packets.sort_unstable();
    let window = Duration::from_millis(150);
    let (mut first, mut bytes, mut most) = (0, 0, 0.0_f64);
    for &(at, size) in packets.get(1..).unwrap_or_default() {
        bytes += size;
        // The first packet begins the window; its own bytes took the time before.
        while at - packets[first].0 > window {
            first += 1;
            bytes -= packets[first].1;
        }
        let span = at - packets[first].0;
        if span > window * 9 / 10 {
            most = most.max(bytes as f64 * 8.0 / span.as_secs_f64());
        }
    }
    most
}

/// Large packets that entered in this direction so far.
pub(super) fn large_packets(scene: &Scene, direction: Direction) -> usize {
    let is_large = |r: &&PacketRecord| r.direction == direction && r.size > LARGE_BYTES;
    records(scene)
        .iter()
        .filter(is_large)
        // The path probe looks for the path MTU with large ones, all of different size.
        .filter(|r| (1200..1300).contains(&r.size) || r.size < 700)
        .count()
}

/// Waits until a flood in this direction is on its way.
///
/// # Panics
///
/// There is none.
pub(super) fn wait_for_flood(scene: &Scene, direction: Direction) {
    let until = std::time::Instant::now() + Duration::from_secs(8);
    while large_packets(scene, direction) < 150 {
        assert!(std::time::Instant::now() < until, "nothing floods the link");
        std::thread::sleep(Duration::from_millis(10));
    }
}
