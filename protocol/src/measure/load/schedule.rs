//! When the packets of a load leave, and how large they are.

use std::time::Duration;

use super::super::time::MonotonicTime;
use super::super::wire::{self, Message};
use super::wire::{LOAD_PACKET_FIELDS, LoadMessage, LoadPacket, LoadStart, stamp_packet};

/// Video frames a second of [`Shape::Call`].
pub const CALL_FRAMES_PER_SECOND: u32 = 30;
/// Spacing of the audio packets of [`Shape::Call`]: Opus' usual packet time.
pub const CALL_AUDIO_INTERVAL: Duration = Duration::from_millis(20);
/// UDP payload of an audio packet of [`Shape::Call`]: Opus at 40 kbit/s in RTP.
pub const CALL_AUDIO_BYTES: u16 = 112;
/// Slowest rate of a load.
pub(super) const MIN_RATE_BPS: u64 = 1000;
/// A frame's packets leave at this multiple of the video's rate, as libwebrtc's pacer has it.
const CALL_PACING: f64 = 2.5;
/// Longest time whose packets leave together.
const BURST: Duration = Duration::from_millis(1);
/// A sender that is later than this does not catch up, since that would be a burst that nobody
/// planned; what is left of the load moves.
const LATE: Duration = Duration::from_millis(5);
/// Packets that leave together at most, and their bytes: what one call of the system takes (GSO).
const BURST_PACKETS: usize = 64;
const BURST_BYTES: usize = 60_000;

/// When packets of a load leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Evenly spaced at a rate.
    Even,
    /// At random times (a Poisson process) at a mean rate. In a full queue such a flood gets the
    /// share of its rate; an even one gets more, since the next free place is more often its own.
    Random,
    /// All at once: a train.
    BackToBack,
    /// As a call sends: 30 video frames a second at the rate, each paced, and audio beside them.
    Call,
}

impl Shape {
    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::Even => 0,
            Self::BackToBack => 1,
            Self::Call => 2,
            Self::Random => 3,
        }
    }

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Even),
            1 => Some(Self::BackToBack),
            2 => Some(Self::Call),
            3 => Some(Self::Random),
            _ => None,
        }
    }
}

/// One packet of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Time since the load's start at which it is due.
    pub due: Duration,
    /// UDP payload.
    pub bytes: u16,
}

/// The plan of a load, packet by packet; endless.
#[derive(Clone, Debug)]
pub struct Plan {
    shape: Shape,
    packet_bytes: u16,
    rate_bps: u64,
    next: u64,
    random_due: Duration,
    random: u64,
    frame: u64,
    frame_packet: u64,
    audio: u64,
}

impl Plan {
    /// The plan that `start` asks for. Packets are never smaller than their fields.
    pub fn new(start: &LoadStart) -> Self {
        let smallest = u16::try_from(LOAD_PACKET_FIELDS).unwrap_or(u16::MAX);
        Self {
            shape: start.shape,
            packet_bytes: start.packet_bytes.max(smallest),
            rate_bps: start.rate_bps.max(MIN_RATE_BPS),
            next: 0,
            random_due: Duration::ZERO,
            random: (u64::from(start.load) << 32 | start.session >> 32) ^ 0x9E37_79B9_7F4A_7C15,
            frame: 0,
            frame_packet: 0,
            audio: 0,
        }
    }

    /// The packet that comes next.
    pub fn peek(&self) -> Slot {
        match self.shape {
            Shape::BackToBack => Slot {
                due: Duration::ZERO,
                bytes: self.packet_bytes,
            },
            Shape::Even => Slot {
                due: self.even_due(),
                bytes: self.packet_bytes,
            },
            Shape::Random => Slot {
                due: self.random_due,
                bytes: self.packet_bytes,
            },
            Shape::Call => {
                let (video, audio) = (self.video_slot(), self.audio_slot());
                if audio.due <= video.due { audio } else { video }
            }
        }
    }

    /// Goes on to the packet after.
    pub fn advance(&mut self) {
        self.next += 1;
        match self.shape {
            Shape::Even | Shape::BackToBack => {}
            Shape::Random => {
                let gap = self.random_gap();
                self.random_due += gap;
            }
            Shape::Call => self.advance_call(),
        }
    }

    /// An exponential gap; the longest, one in a thousand, are cut.
    fn random_gap(&mut self) -> Duration {
        for shift in [13, 7, 17] {
            self.random ^= if shift == 7 {
                self.random >> shift
            } else {
                self.random << shift
            };
        }
        let unit = ((self.random >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let mean = f64::from(self.packet_bytes) * 8.0 / self.rate_bps as f64;
        Duration::from_secs_f64((-unit.ln()).min(7.0) * mean)
    }

    fn advance_call(&mut self) {
        if self.audio_slot().due <= self.video_slot().due {
            self.audio += 1;
            return;
        }
        self.frame_packet += 1;
        if self.frame_packet >= self.packets_a_frame() {
            self.frame += 1;
            self.frame_packet = 0;
        }
    }

    fn even_due(&self) -> Duration {
        let bits = u128::from(self.next) * u128::from(self.packet_bytes) * 8;
        nanos(bits * 1_000_000_000 / u128::from(self.rate_bps))
    }

    fn audio_slot(&self) -> Slot {
        let index = u32::try_from(self.audio).unwrap_or(u32::MAX);
        Slot {
            due: CALL_AUDIO_INTERVAL.saturating_mul(index),
            bytes: CALL_AUDIO_BYTES,
        }
    }

    fn video_slot(&self) -> Slot {
        let packets = self.packets_a_frame();
        let frame = 1.0 / f64::from(CALL_FRAMES_PER_SECOND);
        let into = frame / CALL_PACING * self.frame_packet as f64 / packets as f64;
        let bytes = self.frame_bytes().div_ceil(packets);
        let smallest = LOAD_PACKET_FIELDS as u64;
        Slot {
            due: Duration::from_secs_f64(self.frame as f64 * frame + into),
            bytes: u16::try_from(bytes.max(smallest)).unwrap_or(self.packet_bytes),
        }
    }

    fn frame_bytes(&self) -> u64 {
        (self.rate_bps / 8 / u64::from(CALL_FRAMES_PER_SECOND)).max(1)
    }

    fn packets_a_frame(&self) -> u64 {
        self.frame_bytes().div_ceil(u64::from(self.packet_bytes))
    }
}

fn nanos(n: u128) -> Duration {
    Duration::from_nanos(u64::try_from(n).unwrap_or(u64::MAX))
}

/// Packets that leave together: equal in size, one behind the other in one buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// Sequence number of the first.
    pub first_seq: u32,
    /// How many.
    pub packets: u32,
    /// UDP payload of each.
    pub segment_bytes: u16,
}

/// The sending of one load.
#[derive(Debug)]
pub struct Sending {
    session: u64,
    load: u32,
    shape: Shape,
    plan: Plan,
    packets: u32,
    began: MonotonicTime,
    sent: u32,
    sent_bytes: u64,
    template: Vec<u8>,
}

impl Sending {
    /// Begins to send what `start` asks for, now.
    pub fn new(start: &LoadStart, now: MonotonicTime) -> Self {
        Self {
            session: start.session,
            load: start.load,
            shape: start.shape,
            plan: Plan::new(start),
            packets: start.packets,
            began: now,
            sent: 0,
            sent_bytes: 0,
            template: Vec::new(),
        }
    }

    /// Packets that left.
    pub fn sent(&self) -> u32 {
        self.sent
    }

    /// UDP payload that left.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Sends no more.
    pub fn stop(&mut self) {
        self.packets = self.sent;
    }

    /// Nothing is left to send.
    pub fn is_over(&self) -> bool {
        self.sent >= self.packets
    }

    /// When the next packet is due; `None` when nothing is left.
    pub fn next_at(&self) -> Option<MonotonicTime> {
        (!self.is_over()).then(|| self.began.after(self.plan.peek().due))
    }

    /// Writes the packets that are due into `out`, which is cleared first: at most a millisecond's
    /// worth of the rate, unless the sender is late.
    pub fn poll(&mut self, now: MonotonicTime, out: &mut Vec<u8>) -> Option<Burst> {
        out.clear();
        let due = self.next_at().filter(|at| *at <= now)?;
        self.forgive_lateness(now.since(due));
        let first_seq = self.sent;
        let segment_bytes = self.plan.peek().bytes;
        // What falls due within the burst leaves with it: a timer is no more exact than that.
        let until = now.after(BURST / 2);
        while self.fits(segment_bytes, first_seq, until, out.len()) {
            self.append(segment_bytes, now, out);
        }
        Some(Burst {
            first_seq,
            packets: self.sent - first_seq,
            segment_bytes,
        })
    }

    fn fits(&self, bytes: u16, first_seq: u32, until: MonotonicTime, filled: usize) -> bool {
        let in_time = self.next_at().is_some_and(|at| at <= until);
        let in_bounds = ((self.sent - first_seq) as usize) < BURST_PACKETS
            && filled + usize::from(bytes) <= BURST_BYTES;
        in_time && in_bounds && self.plan.peek().bytes == bytes
    }

    fn append(&mut self, bytes: u16, now: MonotonicTime, out: &mut Vec<u8>) {
        if self.template.len() != usize::from(bytes) {
            let packet = LoadMessage::Packet(LoadPacket {
                session: self.session,
                load: self.load,
                seq: 0,
                departure_ns: 0,
            });
            wire::encode(&Message::Load(packet), bytes.into(), &mut self.template);
        }
        let at = out.len();
        out.extend_from_slice(&self.template);
        stamp_packet(&mut out[at..], self.sent, now.as_nanos());
        self.sent += 1;
        self.sent_bytes += u64::from(bytes);
        self.plan.advance();
    }

    /// A call-shaped load that is late goes on from now. A flood catches up: its queue is never
    /// meant to be empty.
    fn forgive_lateness(&mut self, late: Duration) {
        if self.shape == Shape::Call && late > LATE {
            self.began = self.began.after(late);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::LoadDirection;
    use super::*;

    fn start(shape: Shape, rate_bps: u64, packets: u32) -> LoadStart {
        LoadStart {
            session: 1,
            load: 1,
            direction: LoadDirection::Up,
            shape,
            packet_bytes: 1200,
            packets,
            rate_bps,
        }
    }

    /// Runs a load to its end with a timer of this step: bytes, longest burst, end.
    fn run(start: &LoadStart, step: Duration) -> (u64, u32, Duration) {
        let mut now = MonotonicTime::default();
        let mut sending = Sending::new(start, now);
        let (mut out, mut longest) = (Vec::new(), 0);
        while !sending.is_over() {
            while let Some(burst) = sending.poll(now, &mut out) {
                assert_eq!(
                    out.len(),
                    (burst.packets * u32::from(burst.segment_bytes)) as usize
                );
                longest = longest.max(burst.packets);
            }
            now = now.after(step);
        }
        (
            sending.sent_bytes(),
            longest,
            now.since(MonotonicTime::default()),
        )
    }

    #[test]
    fn a_flood_leaves_evenly_at_its_rate() {
        let (bytes, longest, took) = run(
            &start(Shape::Even, 9_600_000, 1000),
            Duration::from_micros(100),
        );
        assert_eq!((bytes, longest), (1_200_000, 1));
        assert!((took.as_secs_f64() - 1.0).abs() < 0.002, "{took:?}");
        let (_, longest, _) = run(
            &start(Shape::Even, 96_000_000, 1000),
            Duration::from_micros(500),
        );
        assert!((5..=10).contains(&longest), "{longest}");
    }

    #[test]
    fn a_train_leaves_at_once() {
        let (bytes, longest, took) =
            run(&start(Shape::BackToBack, 1, 100), Duration::from_millis(1));
        assert_eq!(
            (bytes, longest, took),
            (120_000, 50, Duration::from_millis(1))
        );
    }

    #[test]
    fn a_call_sends_thirty_frames_and_fifty_audio_packets_a_second() {
        let mut plan = Plan::new(&start(Shape::Call, 1_900_000, 1000));
        let (mut audio, mut video_bytes) = (0, 0);
        while plan.peek().due < Duration::from_secs(1) {
            match plan.peek().bytes {
                CALL_AUDIO_BYTES => audio += 1,
                bytes => video_bytes += u64::from(bytes) * 8,
            }
            plan.advance();
        }
        assert_eq!(audio, 50);
        assert!(video_bytes.abs_diff(1_900_000) < 10_000, "{video_bytes}");
    }

    #[test]
    fn a_late_call_does_not_catch_up() {
        let mut sending = Sending::new(
            &start(Shape::Call, 1_900_000, 1000),
            MonotonicTime::default(),
        );
        let mut out = Vec::new();
        let late = MonotonicTime::default().after(Duration::from_millis(500));
        let mut sent = 0;
        while let Some(burst) = sending.poll(late, &mut out) {
            sent += burst.packets;
        }
        assert!(sent <= 3, "{sent}");
    }
}
