//! One direction of a link.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::bottleneck::Bottleneck;
use super::chance::Chance;
use super::config::{Jitter, LinkConfig, Outage};
use super::log::{Counters, Direction, DropReason, Fate, PacketLog, PacketRecord, RecordId};
use super::loss::LossProcess;

/// Records kept unless [`Link::set_log_capacity`] says otherwise: half a minute at 10,000 packets per second, 50 MB.
const DEFAULT_LOG_CAPACITY: usize = 300_000;

/// An emulated one-way link.
///
/// [`send`](Self::send) puts packets in, [`poll`](Self::poll) takes them out, [`next_at`](Self::next_at) says when to
/// poll next. Time never runs backwards: an earlier `now` than before counts as the latest one.
#[derive(Debug)]
pub struct Link {
    direction: Direction,
    config: LinkConfig,
    now: Duration,
    first_at: Option<Duration>,
    loss: LossProcess,
    bottleneck: Bottleneck<Waiting>,
    tail: Tail,
    in_flight: BinaryHeap<Reverse<InFlight>>,
    outages: Vec<Outage>,
    is_cut: bool,
    counters: Counters,
    log: PacketLog,
}

/// What [`Link::send`] did with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is on its way.
    Accepted,
    /// It never arrives. A sender does not get to know this, except where a router would tell it
    /// ([`DropReason::TooLong`]).
    Dropped(DropReason),
}

/// A packet that left the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Which way it went.
    pub direction: Direction,
    /// Its rank among the packets that entered in this direction.
    pub sequence: u64,
    /// Whether it is a copy made by the link.
    pub is_duplicate: bool,
    /// When it was to leave.
    pub due_at: Duration,
    /// The packet.
    pub packet: Vec<u8>,
}

impl Link {
    /// A link for one direction. The same seed, packets and times give the same result; the two directions of one seed
    /// differ from each other.
    pub fn new(direction: Direction, config: LinkConfig, seed: u64) -> Self {
        let stream =
            |concern: u64| Chance::new(seed, concern * 2 + u64::from(direction == Direction::Down));
        Self {
            direction,
            now: Duration::ZERO,
            first_at: None,
            loss: LossProcess::new(config.loss, stream(0)),
            bottleneck: Bottleneck::new(config.rate),
            tail: Tail::new(stream(1), stream(2), stream(3)),
            in_flight: BinaryHeap::new(),
            outages: Vec::new(),
            is_cut: false,
            counters: Counters::default(),
            log: PacketLog::new(DEFAULT_LOG_CAPACITY),
            config,
        }
    }

    /// Changes the behavior from now on.
    ///
    /// Packets past the bottleneck keep their arrival time, packets waiting in it get the new rate and delay. Random
    /// streams go on. Order is kept even if the delay shrinks.
    pub fn set_config(&mut self, now: Duration, config: LinkConfig) {
        self.advance(now);
        self.loss.set_model(config.loss);
        self.bottleneck.set_rate(self.now, config.rate);
        self.config = config;
        self.advance(now);
    }

    /// The present behavior.
    pub fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// Loses everything that enters in this spell, given in the caller's time.
    pub fn add_outage(&mut self, from: Duration, until: Duration) {
        self.outages.push(Outage { from, until });
    }

    /// Loses everything that enters until this is called with `false`.
    pub fn set_cut(&mut self, is_cut: bool) {
        self.is_cut = is_cut;
    }

    /// Puts a packet in.
    pub fn send(&mut self, now: Duration, packet: Vec<u8>) -> Admission {
        self.advance(now);
        self.first_at.get_or_insert(self.now);
        let record = PacketRecord::new(self.direction, self.counters.entered, self.now, &packet);
        let admission = self.admit(record, packet);
        self.advance(now);
        admission
    }

    /// Takes out a packet that is due; repeat until `None`.
    pub fn poll(&mut self, now: Duration) -> Option<Delivery> {
        self.advance(now);
        if self.in_flight.peek()?.0.due_at > self.now {
            return None;
        }
        let Reverse(packet) = self.in_flight.pop()?;
        self.counters.left += 1;
        if let Some(record) = self.log.get_mut(packet.record) {
            record.fate = Fate::Left {
                due_at: packet.due_at,
                left_at: self.now,
            };
        }
        Some(packet.into_delivery(self.direction))
    }

    /// When to call [`poll`](Self::poll) next, or `None` if nothing is on its way.
    ///
    /// There may be nothing to take out then: a packet may merely move on inside the link.
    pub fn next_at(&self) -> Option<Duration> {
        let due_at = self.in_flight.peek().map(|packet| packet.0.due_at);
        due_at.into_iter().chain(self.bottleneck.next_at()).min()
    }

    /// Totals since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The packets logged so far.
    pub fn records(&self) -> &[PacketRecord] {
        self.log.records()
    }

    /// Empties the log and gives what it held. Packets in flight stay [`Fate::InFlight`] in it.
    pub fn take_records(&mut self) -> Vec<PacketRecord> {
        self.log.take()
    }

    /// Whether records are missing since the log was full.
    pub fn has_log_overflowed(&self) -> bool {
        self.log.has_overflowed()
    }

    /// Sets how many records are kept, and empties the log.
    pub fn set_log_capacity(&mut self, n_records: usize) {
        self.log = PacketLog::new(n_records);
        self.in_flight = std::mem::take(&mut self.in_flight)
            .into_iter()
            .map(|Reverse(packet)| {
                Reverse(InFlight {
                    record: None,
                    ..packet
                })
            })
            .collect();
    }

    fn admit(&mut self, mut record: PacketRecord, packet: Vec<u8>) -> Admission {
        let sequence = record.sequence;
        self.counters.entered += 1;
        if let Some(reason) = self.drop_reason(packet.len()) {
            record.fate = Fate::Dropped(reason);
            self.log.push(record);
            self.counters.count_drop(reason);
            return Admission::Dropped(reason);
        }
        let entered_at = record.entered_at;
        let record = self.log.push(record);
        let waiting = Waiting {
            sequence,
            entered_at,
            record,
            packet,
        };
        self.bottleneck
            .push(self.now, waiting.packet.len(), waiting);
        Admission::Accepted
    }

    fn drop_reason(&mut self, size: usize) -> Option<DropReason> {
        if self.config.mtu.is_some_and(|mtu| size > mtu) {
            Some(DropReason::TooLong)
        } else if self.is_out() {
            Some(DropReason::Outage)
        } else if self.loss.loses_next() {
            Some(DropReason::Loss)
        } else {
            self.bottleneck
                .is_full_for(size)
                .then_some(DropReason::QueueFull)
        }
    }

    fn is_out(&self) -> bool {
        let since_first = self.now.saturating_sub(self.first_at.unwrap_or_default());
        self.is_cut
            || self.outages.iter().any(|outage| outage.covers(self.now))
            || self
                .config
                .outages
                .iter()
                .any(|outage| outage.covers(since_first))
    }

    /// Moves packets that passed the bottleneck on to the delay stage.
    fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
        while let Some((departed_at, waiting)) = self.bottleneck.pop(self.now) {
            let plan = self.tail.plan(departed_at, &self.config);
            self.counters.held_back += u64::from(plan.is_held_back);
            if plan.is_duplicated {
                self.duplicate(departed_at, plan.due_at, &waiting);
            }
            self.in_flight
                .push(Reverse(waiting.into_flight(plan.due_at, false)));
        }
    }

    fn duplicate(&mut self, departed_at: Duration, due_at: Duration, original: &Waiting) {
        let mut record = PacketRecord::new(
            self.direction,
            original.sequence,
            departed_at,
            &original.packet,
        );
        record.is_duplicate = true;
        record.entered_at = original.entered_at;
        let copy = Waiting {
            record: self.log.push(record),
            packet: original.packet.clone(),
            ..*original
        };
        self.counters.duplicated += 1;
        self.in_flight.push(Reverse(copy.into_flight(due_at, true)));
    }
}

/// What happens behind the bottleneck: duplication, delay, jitter, reordering.
#[derive(Debug)]
struct Tail {
    jitter: Chance,
    duplication: Chance,
    reordering: Chance,
    last_due_at: Duration,
}

struct Plan {
    due_at: Duration,
    is_duplicated: bool,
    is_held_back: bool,
}

impl Tail {
    fn new(jitter: Chance, duplication: Chance, reordering: Chance) -> Self {
        Self {
            jitter,
            duplication,
            reordering,
            last_due_at: Duration::ZERO,
        }
    }

    fn plan(&mut self, departed_at: Duration, config: &LinkConfig) -> Plan {
        let in_order = (departed_at + self.delay(config)).max(self.last_due_at);
        let extra = config
            .reordering
            .filter(|reordering| self.reordering.happens(reordering.probability))
            .map(|reordering| reordering.extra_delay);
        if extra.is_none() {
            // A packet held back on purpose must not hold up its successors.
            self.last_due_at = in_order;
        }
        Plan {
            due_at: in_order + extra.unwrap_or_default(),
            is_duplicated: self.duplication.happens(config.duplicate_probability),
            is_held_back: extra.is_some(),
        }
    }

    fn delay(&mut self, config: &LinkConfig) -> Duration {
        let jitter_s = match config.jitter {
            Jitter::None => 0.0,
            Jitter::Uniform(spread) => spread.as_secs_f64() * (2.0 * self.jitter.unit() - 1.0),
            Jitter::Normal(deviation) => deviation.as_secs_f64() * self.jitter.standard_normal(),
        };
        let jitter = Duration::try_from_secs_f64(jitter_s.abs()).unwrap_or_default();
        if jitter_s < 0.0 {
            config.delay.saturating_sub(jitter)
        } else {
            config.delay + jitter
        }
    }
}

#[derive(Debug)]
struct Waiting {
    sequence: u64,
    entered_at: Duration,
    record: RecordId,
    packet: Vec<u8>,
}

impl Waiting {
    fn into_flight(self, due_at: Duration, is_duplicate: bool) -> InFlight {
        InFlight {
            due_at,
            sequence: self.sequence,
            is_duplicate,
            record: self.record,
            packet: self.packet,
        }
    }
}

#[derive(Debug)]
struct InFlight {
    due_at: Duration,
    sequence: u64,
    is_duplicate: bool,
    record: RecordId,
    packet: Vec<u8>,
}

impl InFlight {
    /// Ties are broken by order of entering, the copy behind its original.
    fn key(&self) -> (Duration, u64, bool) {
        (self.due_at, self.sequence, self.is_duplicate)
    }

    fn into_delivery(self, direction: Direction) -> Delivery {
        Delivery {
            direction,
            sequence: self.sequence,
            is_duplicate: self.is_duplicate,
            due_at: self.due_at,
            packet: self.packet,
        }
    }
}

impl Ord for InFlight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for InFlight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for InFlight {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for InFlight {}

#[cfg(test)]
#[path = "tests/emulator.rs"]
mod tests;
