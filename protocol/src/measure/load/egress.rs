//! What the server sends unasked: which loads it grants, and who has his turn.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::super::limits::{Limits, MAX_LOAD_PACKET_BYTES, MAX_LOAD_TIME, MAX_TRAIN_PACKETS};
use super::ledger::MAX_LOAD_PACKETS;
use super::schedule::{
    CALL_AUDIO_BYTES, CALL_AUDIO_INTERVAL, CALL_FRAMES_PER_SECOND, MIN_RATE_BPS, Shape,
};
use super::wire::{LOAD_PACKET_FIELDS, LoadStart};

/// Packets for a driver to send: one behind the other in its buffer, all of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Egress {
    /// Where to.
    pub to: SocketAddr,
    /// UDP payload of each.
    pub segment_bytes: u16,
    /// How many.
    pub packets: u32,
}

/// A packet costs a server as much as one of this size, so that small ones cannot be had in
/// numbers that it is unable to send.
const COST_BYTES: u16 = 500;

/// What a load takes of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Demand {
    /// Packets granted, no more than asked for.
    pub(in super::super) packets: u32,
    /// UDP payload of the largest packet.
    pub(in super::super) largest: u16,
    /// UDP payload of all, or somewhat more.
    pub(in super::super) bytes: u64,
    /// Rate to be set aside for it.
    pub(in super::super) cost_bps: u64,
    /// For how long. A train leaves at once, but counts as if it left at the rate of a load, so
    /// that trains in a row keep the limit too.
    pub(in super::super) lasts: Duration,
}

impl Demand {
    /// What `start` takes when a session has `bytes_left`; `None` when it can never be granted.
    ///
    /// Fewer packets are granted than asked for when they would last too long, make too long a
    /// train, or be more than the session has left.
    pub(in super::super) fn of(
        start: &LoadStart,
        limits: &Limits,
        bytes_left: u64,
    ) -> Option<Self> {
        let packet = usize::from(start.packet_bytes).max(LOAD_PACKET_FIELDS);
        let packet_bytes = u16::try_from(packet).ok()?;
        let cost_bps = cost(start, packet_bytes, limits)?;
        let largest = match start.shape {
            Shape::Call => packet_bytes.max(CALL_AUDIO_BYTES),
            Shape::Even | Shape::Random | Shape::BackToBack => packet_bytes,
        };
        if largest > limits.max_datagram_bytes.min(MAX_LOAD_PACKET_BYTES) {
            return None;
        }
        let a_second = packets_a_second(start, packet_bytes);
        let longest = match start.shape {
            Shape::BackToBack => u64::from(MAX_TRAIN_PACKETS),
            Shape::Even | Shape::Random | Shape::Call => {
                a_second.saturating_mul(MAX_LOAD_TIME.as_secs()).max(1)
            }
        };
        let most = longest
            .min(bytes_left / u64::from(largest))
            .min(MAX_LOAD_PACKETS.into());
        let packets = start.packets.min(u32::try_from(most).ok()?);
        let bytes = u64::from(packets) * u64::from(largest);
        let seconds = match start.shape {
            Shape::BackToBack => (bytes * 8) as f64 / cost_bps as f64,
            Shape::Even | Shape::Random | Shape::Call => {
                f64::from(packets) / a_second.max(1) as f64
            }
        };
        (packets > 0).then_some(Self {
            packets,
            largest,
            bytes,
            cost_bps,
            lasts: Duration::from_secs_f64(seconds).min(MAX_LOAD_TIME),
        })
    }
}

/// Rate to be set aside; `None` when it is more than one load may have.
fn cost(start: &LoadStart, packet_bytes: u16, limits: &Limits) -> Option<u64> {
    let most = limits.load_bps();
    if start.shape == Shape::BackToBack {
        return (most > 0).then_some(most);
    }
    let rate = start.rate_bps.max(MIN_RATE_BPS);
    let counted = u64::from(packet_bytes.max(COST_BYTES));
    let cost = rate.checked_mul(counted)? / u64::from(packet_bytes) + audio_bps(start.shape);
    (cost <= most).then_some(cost)
}

fn audio_bps(shape: Shape) -> u64 {
    match shape {
        Shape::Call => u64::from(CALL_AUDIO_BYTES) * 8 * audio_packets_a_second(),
        Shape::Even | Shape::Random | Shape::BackToBack => 0,
    }
}

fn audio_packets_a_second() -> u64 {
    1000 / u64::try_from(CALL_AUDIO_INTERVAL.as_millis()).unwrap_or(u64::MAX)
}

/// Packets that leave in a second of a load that is paced.
fn packets_a_second(start: &LoadStart, packet_bytes: u16) -> u64 {
    let bytes = start.rate_bps.max(MIN_RATE_BPS) / 8;
    match start.shape {
        Shape::Even | Shape::Random | Shape::BackToBack => bytes.div_ceil(packet_bytes.into()),
        Shape::Call => {
            let frames = u64::from(CALL_FRAMES_PER_SECOND);
            let a_frame = (bytes / frames).max(1).div_ceil(packet_bytes.into());
            a_frame * frames + audio_packets_a_second()
        }
    }
}

/// Sessions that are being sent to, in the order of their turns.
#[derive(Debug, Default)]
pub(in super::super) struct Turns(VecDeque<u64>);

impl Turns {
    /// A session has something to be sent.
    pub(in super::super) fn add(&mut self, session: u64) {
        if !self.0.contains(&session) {
            self.0.push_back(session);
        }
    }

    /// Nothing more is to be sent to a session.
    pub(in super::super) fn remove(&mut self, session: u64) {
        self.0.retain(|other| *other != session);
    }

    /// The session whose turn it is; it comes last from now on.
    pub(in super::super) fn next(&mut self) -> Option<u64> {
        let session = self.0.pop_front()?;
        self.0.push_back(session);
        Some(session)
    }

    /// How many there are.
    pub(in super::super) fn len(&self) -> usize {
        self.0.len()
    }

    /// All, in no order that matters.
    pub(in super::super) fn sessions(&self) -> impl Iterator<Item = u64> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::LoadDirection;
    use super::*;

    fn start(shape: Shape, rate_bps: u64, packet_bytes: u16, packets: u32) -> LoadStart {
        LoadStart {
            session: 1,
            load: 1,
            direction: LoadDirection::Down,
            shape,
            packet_bytes,
            packets,
            rate_bps,
        }
    }

    fn demand(shape: Shape, rate_bps: u64, packet_bytes: u16, packets: u32) -> Option<Demand> {
        let start = start(shape, rate_bps, packet_bytes, packets);
        Demand::of(&start, &Limits::default(), 10_000_000)
    }

    #[test]
    fn a_flood_is_cut_to_five_seconds_and_to_what_is_left() {
        let slow = demand(Shape::Even, 960_000, 1200, u32::MAX).unwrap();
        assert_eq!((slow.packets, slow.lasts), (500, MAX_LOAD_TIME));
        assert_eq!((slow.cost_bps, slow.bytes), (960_000, 600_000));
        let fast = demand(Shape::Even, 250_000_000, 1000, u32::MAX).unwrap();
        assert_eq!((fast.packets, fast.bytes), (10_000, 10_000_000));
        assert_eq!(fast.lasts, Duration::from_millis(320));
    }

    #[test]
    fn what_is_too_fast_too_large_or_nothing_is_never_granted() {
        assert_eq!(demand(Shape::Even, 250_000_001, 1200, 10), None);
        assert_eq!(demand(Shape::Even, u64::MAX, 1200, 10), None);
        assert_eq!(
            demand(Shape::Even, 30_000_000, 50, 10),
            None,
            "500,000 packets a second"
        );
        assert_eq!(demand(Shape::Even, 1_000_000, 1233, 10), None);
        assert_eq!(demand(Shape::Even, 1_000_000, 1200, 0), None);
        let start = start(Shape::BackToBack, 0, 1200, 10);
        assert_eq!(Demand::of(&start, &Limits::default(), 1199), None);
    }

    #[test]
    fn a_train_is_bounded_and_counts_at_the_rate_of_a_load() {
        let train = demand(Shape::BackToBack, 0, 1200, 1000).unwrap();
        assert_eq!((train.packets, train.bytes), (MAX_TRAIN_PACKETS, 720_000));
        assert_eq!(train.cost_bps, 250_000_000);
        assert_eq!(train.lasts, Duration::from_micros(23_040));
    }

    #[test]
    fn a_call_counts_video_and_audio() {
        let call = demand(Shape::Call, 2_400_000, 1200, u32::MAX).unwrap();
        // 10,000 bytes a frame: nine packets.
        assert_eq!(call.packets, (9 * 30 + 50) * 5);
        assert_eq!(call.cost_bps, 2_400_000 + 44_800);
        let tiny = demand(Shape::Call, 0, 1, 10).unwrap();
        assert_eq!(tiny.largest, CALL_AUDIO_BYTES);
    }

    #[test]
    fn sessions_take_turns() {
        let mut turns = Turns::default();
        for session in [1, 2, 1, 3] {
            turns.add(session);
        }
        let order: Vec<_> = (0..4).filter_map(|_| turns.next()).collect();
        assert_eq!(order, [1, 2, 3, 1]);
        turns.remove(3);
        assert_eq!(
            (turns.next(), turns.next(), turns.len()),
            (Some(2), Some(1), 2)
        );
    }
}
