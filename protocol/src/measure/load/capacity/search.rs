//! Which loads a direction is measured with, and when enough is known.

use std::time::Duration;

use super::super::schedule::Shape;
use super::super::transfer::{Arrival, Transfer, TransferEnd};
use super::super::verify::IdleDirection;
use super::estimate::{Capacity, Flood, Saturation};
use super::rate::{Series, median, whole};
use super::view::{Behavior, View, comes_evenly, train_rate};

/// UDP payload of a packet of trains and floods. It passes IPv6's least MTU of 1280 bytes.
pub const LOAD_PACKET_BYTES: u16 = 1200;
/// Sizes that are used where a queue holds too few of the larger, so that a flood always keeps it
/// filled. Small ones find room where large ones of others do not, and so displace them.
const SMALLER_PACKETS: [u16; 2] = [600, 300];
/// A link below this is slow.
const SLOW_BPS: f64 = 2e6;
/// So many packets a queue has to hold; on a slow link, where the depth of a queue that holds so
/// few is told less exactly.
const HELD: [u64; 2] = [16, 5];
/// A second train tells too little for its time when a round trip takes this long.
const LONG_RTT: Duration = Duration::from_millis(120);
/// Packets of the first train, when nothing is known yet, and their payload.
const FIRST_TRAIN: (u32, u16) = (20, 600);
/// Fewer packets are not worth a load.
const FEWEST_PACKETS: u32 = 10;
/// Trains before a flood.
const TRAINS: usize = 2;
/// Trains where there are no floods.
const TRAINS_OF_QUICK: usize = 4;
/// A train takes about this long on the link.
const TRAIN_TIME: Duration = Duration::from_millis(60);
/// Fewest and most packets of a later train.
const TRAIN_PACKETS: (f64, f64) = (8.0, 100.0);
/// A flood is so many times the rate that the trains told: 400 ms of queue fill in 364 ms. No
/// whole number, so that its packets do not keep step with those that leave the queue.
const FLOOD_FACTOR: f64 = 2.1;
/// Over a stream, which trains tell nothing of, it is more: two floods reach any cap, and TCP takes
/// no more than there is.
const STREAM_FLOOD_FACTOR: f64 = 6.0;
/// What comes over a stream comes in lumps, since lost packets are waited for; a shorter look at it
/// tells nothing.
const STREAM_LOOK: Duration = Duration::from_millis(700);
/// A cap so far below what the trains told is not worth a flood beyond it.
const CAP_MARGIN: f64 = 1.08;
/// Share of the cap from which on it counts as reached.
const CAP_REACHED: f64 = 0.985;
/// Delay beyond which the grade F is decided.
const WORST_RISE_NS: i64 = 400_000_000;
/// Delay over a stream from which on it carries no more.
const BACKED_UP_NS: i64 = 60_000_000;
/// No arrival for this long: nothing comes through any more.
const STARVED: Duration = Duration::from_millis(700);
/// How long a flood at the cap has to come through before that is believed: a bucket of 100 kB is
/// empty by then when the link behind it is a tenth below a cap of 12 Mbit/s. Raising it costs every
/// fast link as much time.
const BUCKET_EMPTIES: Duration = Duration::from_millis(700);
/// A sender that does not keep up with its plan gets this much longer.
const OVERTIME: Duration = Duration::from_millis(200);
/// Shortest flood that is not stopped early: links that change every 300 ms, as mobile ones do,
/// have changed once.
const LEAST_FLOOD: Duration = Duration::from_millis(370);
/// A flood lasts for so many times what packets are delayed without any load.
const JITTERS: u64 = 8;
/// Floods in one direction, at most.
const FLOODS: u32 = 5;
/// The rate taken where so few packets of a train come through that they tell none: a queue of two
/// packets, or heavy loss.
const BLIND_BPS: f64 = 500e3;

/// What a direction is measured with.
#[derive(Clone, Copy, Debug)]
pub struct CapacityPlan {
    /// Nothing above this needs to be told, in bits a second of IP packets.
    pub cap_bps: u64,
    /// The server takes and sends nothing faster, in bits a second of UDP payload.
    pub max_bps: u64,
    /// Bytes of IP packets that may be spent.
    pub data: u64,
    /// Longest flood.
    pub longest: Duration,
    /// Trains only.
    pub quick: bool,
    /// Over a stream: TCP paces, so there are no trains, and loss is not seen.
    pub stream: bool,
    /// Bytes of headers of each packet.
    pub headers: u16,
}

/// A load to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Segment {
    pub(crate) shape: Shape,
    /// UDP payload of a packet.
    pub(crate) packet_bytes: u16,
    pub(crate) packets: u32,
    /// Of UDP payload.
    pub(crate) rate_bps: u64,
}

/// Why a direction was measured no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The rate had settled, and the queue was full or there was none.
    Settled,
    /// The cap is reached.
    Cap,
    /// Packets were delayed by 400 ms.
    Delay,
    /// Out of time.
    Time,
    /// Out of data.
    Data,
    /// Trains were all that was asked for.
    TrainsOnly,
    /// Nothing came through.
    Starved,
    /// The server went away.
    NoAnswer,
    /// The server carries no more for now.
    Refused(Duration),
    /// What the server reports cannot be.
    Impossible,
    /// This machine does not send as fast as the link carries.
    Sender,
}

/// One direction under measurement.
#[derive(Debug)]
pub(crate) struct CapacityTest {
    plan: CapacityPlan,
    /// How much packets are delayed without any load.
    idle_pdv_ns: i64,
    /// The share of them that is lost, at most.
    idle_loss: f64,
    trains: Vec<f64>,
    /// Those that came in evenly, as from a queue without jitter behind it.
    even_trains: Vec<f64>,
    floods: u32,
    /// A flood was stopped since it came through as it was sent.
    was_unfilled: bool,
    rate_bps: Option<f64>,
    least_transit_ns: Option<(u16, i64)>,
    /// Bytes of IP packets that the queue held of a train that did not fit.
    queue_bytes: Option<u64>,
    spent: u64,
    pub(crate) packets_sent: u64,
    pub(crate) packets_received: u64,
    pub(crate) stop: Option<Stop>,
    pub(crate) capacity: Option<Capacity>,
    pub(crate) saturation: Option<Saturation>,
    starved_trains: u32,
}

impl CapacityTest {
    /// A direction, and what it does without any load.
    pub(crate) fn new(plan: CapacityPlan, idle: IdleDirection) -> Self {
        Self {
            plan,
            idle_pdv_ns: idle.pdv_p95_ns,
            idle_loss: idle.loss_upper.clamp(0.0, 0.5),
            trains: Vec::new(),
            even_trains: Vec::new(),
            floods: 0,
            was_unfilled: false,
            rate_bps: None,
            least_transit_ns: None,
            queue_bytes: None,
            spent: 0,
            packets_sent: 0,
            packets_received: 0,
            stop: None,
            capacity: None,
            saturation: None,
            starved_trains: 0,
        }
    }

    /// Ends without another load.
    pub(crate) fn give_up(&mut self, stop: Stop) {
        self.stop.get_or_insert(stop);
    }

    /// The rate as far as it is known.
    pub(crate) fn rate_bps(&self) -> Option<f64> {
        self.rate_bps
    }

    /// Bytes that may still be spent.
    pub(crate) fn data_left(&self) -> u64 {
        self.plan.data.saturating_sub(self.spent)
    }

    fn packet_bits(&self, packet_bytes: u16) -> f64 {
        f64::from(packet_bytes + self.plan.headers) * 8.0
    }

    fn bits_of(&self, transfer: &Transfer) -> f64 {
        self.packet_bits(transfer.start().packet_bytes)
    }

    /// The load that comes next; `None` when enough is known. `rtt` is what each load costs at
    /// least.
    pub(crate) fn next(&mut self, rtt: Duration) -> Option<Segment> {
        if self.stop.is_some() {
            return None;
        }
        let segment = if self.needs_train(rtt) {
            self.train()
        } else {
            self.flood()
        };
        let affordable = self.affordable_packets(segment.packet_bytes);
        if affordable < FEWEST_PACKETS {
            self.stop = Some(Stop::Data);
            return None;
        }
        let packets = segment.packets.min(affordable);
        Some(Segment { packets, ..segment })
    }

    fn affordable_packets(&self, packet_bytes: u16) -> u32 {
        let each = u64::from(packet_bytes + self.plan.headers);
        u32::try_from(self.plan.data.saturating_sub(self.spent) / each).unwrap_or(u32::MAX)
    }

    fn needs_train(&self, rtt: Duration) -> bool {
        if self.plan.stream {
            return false;
        }
        if self.plan.quick {
            return self.trains.len() < TRAINS_OF_QUICK;
        }
        // There a second train costs more time than it tells.
        let is_slow = |rate: &f64| *rate < SLOW_BPS || rtt >= LONG_RTT;
        let is_enough = self.trains.last().is_some_and(is_slow);
        self.trains.len() < TRAINS && self.starved_trains == 0 && !is_enough
    }

    fn train(&self) -> Segment {
        let (packets, packet_bytes) = self.trains.last().map_or(FIRST_TRAIN, |rate| {
            let bytes = self.packet_bytes_at(*rate);
            let fit = rate * TRAIN_TIME.as_secs_f64() / self.packet_bits(bytes);
            (
                whole_packets(fit.clamp(TRAIN_PACKETS.0, TRAIN_PACKETS.1)),
                bytes,
            )
        });
        Segment {
            shape: Shape::BackToBack,
            packet_bytes,
            packets,
            rate_bps: 0,
        }
    }

    /// The largest packets of which the queue holds enough.
    fn packet_bytes_at(&self, rate_bps: f64) -> u16 {
        let Some(queue) = self.queue_bytes else {
            return LOAD_PACKET_BYTES;
        };
        let held = HELD[usize::from(rate_bps < SLOW_BPS)];
        let fits = |bytes: &u16| u64::from(*bytes + self.plan.headers) * held <= queue;
        let [_, smallest] = SMALLER_PACKETS;
        let mut sizes = [LOAD_PACKET_BYTES].into_iter().chain(SMALLER_PACKETS);
        sizes.find(fits).unwrap_or(smallest)
    }

    fn flood_factor(&self) -> f64 {
        if self.plan.stream {
            STREAM_FLOOD_FACTOR
        } else {
            FLOOD_FACTOR
        }
    }

    fn flood(&mut self) -> Segment {
        self.floods += 1;
        self.was_unfilled = false;
        let cap = self.plan.cap_bps as f64;
        let told = self.rate_bps.unwrap_or(BLIND_BPS);
        let (shape, rate) = if told > cap * CAP_MARGIN {
            (Shape::Even, cap)
        } else {
            (Shape::Random, told * self.flood_factor())
        };
        let packet_bytes = self.packet_bytes_at(told);
        let payload = f64::from(packet_bytes) * 8.0 / self.packet_bits(packet_bytes);
        let packets = rate * self.plan.longest.as_secs_f64() / self.packet_bits(packet_bytes);
        Segment {
            shape,
            packet_bytes,
            packets: whole_packets(packets.max(f64::from(FEWEST_PACKETS))),
            rate_bps: whole(rate * payload).min(self.plan.max_bps),
        }
    }

    /// Whether to stop the load that is under way.
    pub(crate) fn should_stop(
        &mut self,
        transfer: &Transfer,
        silence: Duration,
        runs: Duration,
    ) -> bool {
        if transfer.start().shape == Shape::BackToBack {
            return false;
        }
        if silence >= STARVED || runs >= self.plan.longest + OVERTIME {
            return true;
        }
        let Some(flood) = self.flood_of(transfer, &[]) else {
            return false;
        };
        let view = flood.view;
        let has_shown = match view.behavior {
            Behavior::Unfilled if may_be_a_bucket(transfer, &flood) => return false,
            Behavior::Unfilled => {
                self.was_unfilled = true;
                return true;
            }
            Behavior::Full | Behavior::Policed => true,
            Behavior::Filling => self.backs_up(&view),
        };
        if flood.series.span_ns() < self.least_flood_ns() {
            return false;
        }
        // Beside others a share settles by chance, and so does a rate that changes; all the time
        // there is makes it surer. What became slower may be a shaper whose bucket is empty, or a
        // link that changes: that one becomes faster again.
        let goes_on = || flood.is_changing() || flood.is_shared() || flood.slowed_down();
        let is_worst = view.rise_ns >= WORST_RISE_NS;
        (is_worst || (view.is_settled && has_shown)) && !goes_on()
    }

    /// A few times what packets are delayed anyway, since that moves the ends of a flood.
    fn least_flood_ns(&self) -> u64 {
        let least = if self.plan.stream {
            STREAM_LOOK
        } else {
            LEAST_FLOOD
        };
        let least = u64::try_from(least.as_nanos()).unwrap_or(u64::MAX);
        least.max(JITTERS * self.idle_pdv_ns.max(0).unsigned_abs())
    }

    /// TCP drops nothing; where it carries no more, its packets wait.
    fn backs_up(&self, view: &View) -> bool {
        self.plan.stream && view.rise_ns >= BACKED_UP_NS
    }

    fn view(&self, transfer: &Transfer, others: &[(u64, u64)]) -> Option<View> {
        let series = self.series(transfer.arrivals(), others);
        let least = self.least_transit(transfer)?;
        View::of(series, least, self.bits_of(transfer), self.idle_loss)
    }

    fn series<'a>(&self, arrivals: &'a [Arrival], others: &'a [(u64, u64)]) -> Series<'a> {
        Series {
            arrivals,
            headers: self.plan.headers,
            others,
            stream: self.plan.stream,
        }
    }

    /// Of packets of this size: smaller ones take less time on the link.
    fn least_transit(&self, transfer: &Transfer) -> Option<i64> {
        let bytes = transfer.start().packet_bytes;
        let here = transfer.arrivals().iter().map(Arrival::transit_ns).min();
        let before = self.least_transit_ns.filter(|(of, _)| *of == bytes);
        here.into_iter().chain(before.map(|(_, least)| least)).min()
    }

    /// A load is over; `others` are further packets of this program that came in the same way.
    pub(crate) fn finished(
        &mut self,
        transfer: &Transfer,
        end: TransferEnd,
        others: &[(u64, u64)],
    ) {
        let bytes = transfer.start().packet_bytes;
        let least = self.least_transit(transfer);
        self.least_transit_ns = least.map(|least| (bytes, least));
        self.spent += u64::from(transfer.sent()) * u64::from(bytes + self.plan.headers);
        self.packets_sent += u64::from(transfer.sent());
        self.packets_received += transfer.received();
        self.broke_off(end);
        if end == TransferEnd::Impossible {
            return;
        }
        if transfer.start().shape == Shape::BackToBack {
            self.train_finished(transfer, others);
        } else {
            self.flood_finished(transfer, others);
        }
    }

    /// A load ended otherwise than planned.
    fn broke_off(&mut self, end: TransferEnd) {
        match end {
            TransferEnd::Complete => {}
            TransferEnd::NoAnswer => self.give_up(Stop::NoAnswer),
            TransferEnd::Refused(after) => self.give_up(Stop::Refused(after)),
            TransferEnd::Impossible => self.give_up(Stop::Impossible),
        }
    }

    // ----- trains

    fn train_finished(&mut self, transfer: &Transfer, others: &[(u64, u64)]) {
        self.note_queue(transfer);
        let Some(rate) = train_rate(self.series(transfer.arrivals(), others)) else {
            self.starved_trains += 1;
            self.rate_bps.get_or_insert(BLIND_BPS);
            if self.plan.quick && self.starved_trains >= 2 {
                self.give_up(Stop::Starved);
            }
            return;
        };
        self.trains.push(rate);
        if comes_evenly(self.series(transfer.arrivals(), others)) {
            self.even_trains.push(rate);
        }
        self.rate_bps = Some(median(&self.trains));
        if self.plan.quick && self.trains.len() >= TRAINS_OF_QUICK {
            self.capacity = Some(Capacity::of_trains(
                &self.trains,
                self.plan.cap_bps as f64,
                CAP_MARGIN,
                self.packets_received,
            ));
            self.stop = Some(Stop::TrainsOnly);
        }
    }

    /// What a queue has room for, when a train is longer.
    fn note_queue(&mut self, transfer: &Transfer) {
        let bytes = u64::from(transfer.start().packet_bytes + self.plan.headers);
        if transfer.received() < u64::from(transfer.sent()) {
            let held = transfer.received() * bytes;
            self.queue_bytes = Some(self.queue_bytes.map_or(held, |other| other.min(held)));
        }
    }

    // ----- floods

    fn flood_finished(&mut self, transfer: &Transfer, others: &[(u64, u64)]) {
        let Some(flood) = self.flood_of(transfer, others) else {
            self.give_up(Stop::Starved);
            return;
        };
        // What was still on its way may wait, when the link became slower at the end.
        let is_unfilled = match flood.view.behavior {
            Behavior::Filling => self.was_unfilled,
            behavior => behavior == Behavior::Unfilled,
        };
        let found = flood.capacity();
        let saturation = self
            .least_transit_ns
            .filter(|_| !is_unfilled && !self.plan.stream)
            .and_then(|(_, shortest)| flood.saturation(shortest));
        let view = flood.view;
        let cap = self.plan.cap_bps as f64;
        let reached = found.bps.min(found.interval_bps.1);
        // A path that loses packets by chance never lets all of the cap through; to flood it again
        // tells nothing new.
        let filled_cap = is_unfilled && is_at_cap(transfer) && !flood.fell_behind();
        let reaches_cap = filled_cap || reached >= cap * CAP_REACHED;
        if is_unfilled && !reaches_cap && self.floods < FLOODS {
            // The trains told too little; what came through is the new estimate.
            self.rate_bps = Some(reached * FLOOD_FACTOR);
            return;
        }
        let drops = matches!(view.behavior, Behavior::Full | Behavior::Policed);
        let at_least = is_unfilled || flood.fell_behind() || (reaches_cap && !drops);
        let stop = self.why_over(&view, at_least, reaches_cap);
        self.stop.get_or_insert(stop);
        self.capacity = Some(if at_least { found.at_least(cap) } else { found });
        self.saturation = saturation;
    }

    fn why_over(&self, view: &View, at_least: bool, reaches_cap: bool) -> Stop {
        if at_least && reaches_cap {
            Stop::Cap
        } else if at_least {
            Stop::Sender
        } else if view.rise_ns >= WORST_RISE_NS {
            Stop::Delay
        } else if view.is_settled {
            Stop::Settled
        } else if self.affordable_packets(LOAD_PACKET_BYTES) < FEWEST_PACKETS {
            Stop::Data
        } else {
            Stop::Time
        }
    }

    fn flood_of<'a>(
        &'a self,
        transfer: &'a Transfer,
        others: &'a [(u64, u64)],
    ) -> Option<Flood<'a>> {
        Some(Flood {
            transfer,
            series: self.series(transfer.arrivals(), others),
            packet_bits: self.bits_of(transfer),
            trains: &self.even_trains,
            view: self.view(transfer, others)?,
            idle_pdv_ns: self.idle_pdv_ns,
        })
    }
}

/// Even packets are those of a flood at the cap.
fn is_at_cap(transfer: &Transfer) -> bool {
    transfer.start().shape == Shape::Even
}

/// A shaper's bucket lets a flood at the cap pass for a while, and there is no larger flood that
/// would empty it.
fn may_be_a_bucket(transfer: &Transfer, flood: &Flood<'_>) -> bool {
    is_at_cap(transfer) && u128::from(flood.series.span_ns()) < BUCKET_EMPTIES.as_nanos()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what a load may have"
)]
fn whole_packets(count: f64) -> u32 {
    count.clamp(1.0, 4e6) as u32
}
