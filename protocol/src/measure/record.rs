//! What is known of each echo request.

use greenroom_reports::model::path::ClockSource;

use super::time::MonotonicTime;
use super::wire::EchoReply;

/// One echo request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EchoRecord {
    /// Sequence number.
    pub seq: u32,
    /// When it left, on the client's clock (t1).
    pub sent: MonotonicTime,
    /// The first answer.
    pub reply: Option<ReplyTimes>,
    /// Whether the request reached the server; `None` when nobody can tell.
    pub reached_server: Option<bool>,
    /// The network made copies of the request.
    pub copied_up: bool,
    /// The network made copies of an answer.
    pub copied_down: bool,
    copies_seen: u64,
}

/// The times of one answered request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTimes {
    /// When the request came in, on the server's clock (t2).
    pub server_arrival: MonotonicTime,
    /// When the answer left, on the server's clock (t3).
    pub server_departure: MonotonicTime,
    /// When the answer came in, on the client's clock (t4).
    pub arrival: MonotonicTime,
    /// Who took `arrival`.
    pub clock: ClockSource,
    /// Who took `server_arrival`.
    pub server_clock: ClockSource,
}

impl ReplyTimes {
    /// Those that a reply tells, and when it came in.
    pub fn of(reply: &EchoReply, arrival: MonotonicTime, clock: ClockSource) -> Self {
        Self {
            server_arrival: MonotonicTime::from_nanos(reply.arrival_ns),
            server_departure: MonotonicTime::from_nanos(reply.departure_ns),
            arrival,
            clock,
            server_clock: if reply.kernel_stamp {
                ClockSource::KernelReceive
            } else {
                ClockSource::User
            },
        }
    }

    /// Whether the server's two times are possible: it cannot answer before it was asked, nor take
    /// longer than the whole round trip. A server whose times are not gives figures of no worth.
    pub fn are_possible(&self, sent: MonotonicTime) -> bool {
        let turnaround = self.server_departure.minus(self.server_arrival);
        let round_trip = self.arrival.minus(sent);
        -CLOCK_SLACK_NS <= turnaround && turnaround <= round_trip.saturating_add(CLOCK_SLACK_NS)
    }
}

/// Error of a reading that is no lie: pairing the kernel's wall clock with the monotonic one is off
/// by as long as the program was not running in between. Beyond a millisecond it is no reading.
const CLOCK_SLACK_NS: i64 = 1_000_000;

impl EchoRecord {
    /// A request that has just left.
    pub fn new(seq: u32, sent: MonotonicTime) -> Self {
        Self {
            seq,
            sent,
            reply: None,
            reached_server: None,
            copied_up: false,
            copied_down: false,
            copies_seen: 0,
        }
    }

    /// Notes an answer: `copy` says which copy of the request it answers. Returns whether it was
    /// the first.
    pub fn note_reply(&mut self, copy: u16, times: ReplyTimes) -> bool {
        let bit = 1_u64 << copy.min(63);
        self.copied_up |= copy > 1;
        self.copied_down |= self.copies_seen & bit != 0;
        self.copies_seen |= bit;
        self.reached_server = Some(true);
        let first = self.reply.is_none();
        if first {
            self.reply = Some(times);
        }
        first
    }

    /// Round-trip time in nanoseconds without the server's own turnaround, `(t4-t1)-(t3-t2)`. Never
    /// negative: what readings of the clocks are off by cannot make a packet arrive early.
    pub fn rtt_ns(&self) -> Option<i64> {
        let reply = self.reply?;
        let total = reply.arrival.minus(self.sent);
        let turnaround = reply.server_departure.minus(reply.server_arrival);
        total.checked_sub(turnaround).map(|rtt| rtt.max(0))
    }

    /// `t2 - t1` in nanoseconds: the delay to the server plus an unknown constant.
    pub fn up_transit_ns(&self) -> Option<i64> {
        Some(self.reply?.server_arrival.minus(self.sent))
    }

    /// `t4 - t3` in nanoseconds: the delay from the server less the same constant.
    pub fn down_transit_ns(&self) -> Option<i64> {
        let reply = self.reply?;
        Some(reply.arrival.minus(reply.server_departure))
    }
}
