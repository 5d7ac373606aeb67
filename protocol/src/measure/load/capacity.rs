//! What one direction carries: packet trains tell roughly, a flood exactly.
//!
//! A train that enters a queue at once leaves it at the rate of the link, whatever else is on it.
//! A flood of twice that rate keeps the queue filled; after the head, which a shaper's bucket may
//! have let pass faster, its arrivals tell the rate that is left for it, its delay the depth of the
//! queue. The answer of a real call is neither: that is what the verification is for.

use std::time::Duration;

use super::rate::{Series, interval_half, median, percentiles, spread, whole};
use super::schedule::Shape;
use super::transfer::{Arrival, Transfer, TransferEnd};
use super::view::{Behavior, View, latter_half_if_slower, offered_bps, train_rate, without_head};

/// UDP payload of a packet of trains and floods. It passes IPv6's least MTU of 1280 bytes.
pub const LOAD_PACKET_BYTES: u16 = 1200;
/// And on slower links, where a queue may hold few large ones: below this rate, so many bytes.
const SMALLER_PACKETS: [(f64, u16); 2] = [(0.8e6, 300), (2e6, 600)];
/// Packets of the first train, when nothing is known yet, and their payload.
const FIRST_TRAIN: (u32, u16) = (20, 600);
/// Fewer packets are not worth a load.
const FEWEST_PACKETS: u32 = 10;
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
const STREAM_LOOK_NS: u64 = 700_000_000;
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
/// A rate that did not settle varies when its windows spread by more than this share.
const SPREAD_WHEN_UNSETTLED: f64 = 0.25;
/// And one that did settle in the end, when it was this different before.
const SPREAD_BEFORE_SETTLED: f64 = 0.6;
/// Share of what was sent that came in at the better times of a varying link: it would have carried
/// more then.
const OUTRAN_AT_TIMES: f64 = 0.9;
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
pub(super) struct Segment {
    pub(super) shape: Shape,
    /// UDP payload of a packet.
    pub(super) packet_bytes: u16,
    pub(super) packets: u32,
    /// Of UDP payload.
    pub(super) rate_bps: u64,
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

/// What is known of a direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Capacity {
    /// Bits a second of IP packets.
    pub bps: f64,
    /// Its 95 % interval.
    pub interval_bps: (f64, f64),
    /// It carries at least this much.
    pub at_least: bool,
    /// What is left beside other traffic; a hint.
    pub free_bps: f64,
    /// Samples it rests on: packets that came in.
    pub samples: u64,
    /// 10th, 50th and 90th percentile of windows of 50 ms, when the rate did not settle.
    pub variation_bps: Option<[f64; 3]>,
    /// Packets beyond the rate are dropped without waiting.
    pub is_policed: bool,
}

/// Delay while the direction is full.
#[derive(Clone, Debug, PartialEq)]
pub struct Saturation {
    /// Client's time from which the queue counts as full, or the last third began.
    pub from_ns: u64,
    /// Client's time of its end.
    pub until_ns: u64,
    /// Rise of the transit time of the load's own packets in that time, in nanoseconds, sorted.
    pub rises_ns: Vec<i64>,
    /// Depth of the queue in time: the longest rise, and the time that the packet itself takes.
    pub deepest_ns: i64,
    /// Packets were dropped, and the delay grew no more.
    pub is_full: bool,
}

/// One direction under measurement.
#[derive(Debug)]
pub(super) struct CapacityTest {
    plan: CapacityPlan,
    idle_loss: f64,
    trains: Vec<f64>,
    floods: u32,
    rate_bps: Option<f64>,
    least_transit_ns: Option<(u16, i64)>,
    spent: u64,
    pub(super) packets_sent: u64,
    pub(super) packets_received: u64,
    pub(super) stop: Option<Stop>,
    pub(super) capacity: Option<Capacity>,
    pub(super) saturation: Option<Saturation>,
    starved_trains: u32,
}

impl CapacityTest {
    /// `idle_loss` is what the idle path loses, at most.
    pub(super) fn new(plan: CapacityPlan, idle_loss: f64) -> Self {
        Self {
            plan,
            idle_loss: idle_loss.clamp(0.0, 0.5),
            trains: Vec::new(),
            floods: 0,
            rate_bps: None,
            least_transit_ns: None,
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
    pub(super) fn give_up(&mut self, stop: Stop) {
        self.stop.get_or_insert(stop);
    }

    /// The rate as far as it is known.
    pub(super) fn rate_bps(&self) -> Option<f64> {
        self.rate_bps
    }

    /// Bytes that may still be spent.
    pub(super) fn data_left(&self) -> u64 {
        self.plan.data.saturating_sub(self.spent)
    }

    fn packet_bits(&self, packet_bytes: u16) -> f64 {
        f64::from(packet_bytes + self.plan.headers) * 8.0
    }

    fn bits_of(&self, transfer: &Transfer) -> f64 {
        self.packet_bits(transfer.start().packet_bytes)
    }

    /// The load that comes next; `None` when enough is known.
    pub(super) fn next(&mut self) -> Option<Segment> {
        if self.stop.is_some() {
            return None;
        }
        let segment = if self.needs_train() {
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

    fn needs_train(&self) -> bool {
        if self.plan.stream {
            return false;
        }
        let wanted = if self.plan.quick { 4 } else { 2 };
        // On a slow link a second train costs more time than it tells.
        let is_slow = self.trains.last().is_some_and(|rate| *rate < 1e6);
        let is_blind = self.starved_trains > 0;
        let enough = self.trains.len() >= wanted || (!self.plan.quick && (is_slow || is_blind));
        !enough
    }

    fn train(&self) -> Segment {
        let (packets, packet_bytes) = self.trains.last().map_or(FIRST_TRAIN, |rate| {
            let bytes = packet_bytes_at(*rate);
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

    fn flood_factor(&self) -> f64 {
        if self.plan.stream {
            STREAM_FLOOD_FACTOR
        } else {
            FLOOD_FACTOR
        }
    }

    fn flood(&mut self) -> Segment {
        self.floods += 1;
        let cap = self.plan.cap_bps as f64;
        let told = self.rate_bps.unwrap_or(BLIND_BPS);
        let (shape, rate) = if told > cap * CAP_MARGIN {
            (Shape::Even, cap)
        } else {
            (Shape::Random, told * self.flood_factor())
        };
        let packet_bytes = if self.plan.stream {
            LOAD_PACKET_BYTES
        } else {
            packet_bytes_at(told)
        };
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
    pub(super) fn should_stop(&mut self, transfer: &Transfer, silence: Duration) -> bool {
        if transfer.start().shape == Shape::BackToBack {
            return false;
        }
        if silence >= STARVED {
            return true;
        }
        let Some(view) = self.view(transfer, &[]) else {
            return false;
        };
        let has_shown = match view.behavior {
            Behavior::Unfilled => return true,
            Behavior::Full | Behavior::Policed => true,
            Behavior::Filling => self.backs_up(&view),
        };
        let arrivals = transfer.arrivals();
        let is_long = !self.plan.stream || self.series(arrivals, &[]).span_ns() >= STREAM_LOOK_NS;
        is_long && (view.rise_ns >= WORST_RISE_NS || (view.is_settled && has_shown))
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
    pub(super) fn finished(
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
        let Some(rate) = train_rate(self.series(transfer.arrivals(), others)) else {
            self.starved_trains += 1;
            self.rate_bps.get_or_insert(BLIND_BPS);
            if self.plan.quick && self.starved_trains >= 2 {
                self.give_up(Stop::Starved);
            }
            return;
        };
        self.trains.push(rate);
        self.rate_bps = Some(median(&self.trains));
        if self.plan.quick && self.trains.len() >= 4 {
            self.settle_on_trains();
            self.stop = Some(Stop::TrainsOnly);
        }
    }

    /// Trains alone: their median, with the spread between them as the interval.
    fn settle_on_trains(&mut self) {
        let cap = self.plan.cap_bps as f64;
        let bps = median(&self.trains);
        let spread = self.trains.iter().map(|rate| (rate - bps).abs());
        let half = spread.fold(bps * 0.02, f64::max);
        let at_least = bps > cap * CAP_MARGIN;
        let bps = if at_least { cap } else { bps };
        self.capacity = Some(Capacity {
            bps,
            interval_bps: (bps - half, if at_least { bps } else { bps + half }),
            at_least,
            free_bps: bps,
            samples: self.packets_received,
            variation_bps: None,
            is_policed: false,
        });
    }

    // ----- floods

    fn flood_finished(&mut self, transfer: &Transfer, others: &[(u64, u64)]) {
        let Some(view) = self.view(transfer, others) else {
            self.give_up(Stop::Starved);
            return;
        };
        let is_unfilled = view.behavior == Behavior::Unfilled;
        let drops = matches!(view.behavior, Behavior::Full | Behavior::Policed);
        let cap = self.plan.cap_bps as f64;
        let mut found = self.judge(transfer, others, &view);
        let reached = found.bps.min(found.interval_bps.1);
        if is_unfilled && reached < cap * CAP_REACHED && self.floods < FLOODS {
            // The trains told too little; what came through is the new estimate.
            self.rate_bps = Some(reached * FLOOD_FACTOR);
            return;
        }
        if let Some(rate) = self.better_times(transfer, &found) {
            self.rate_bps = Some(rate);
            return;
        }
        found.at_least = is_unfilled || (reached >= cap * CAP_REACHED && !drops);
        self.stop
            .get_or_insert(if found.at_least && reached >= cap * CAP_REACHED {
                Stop::Cap
            } else if found.at_least {
                Stop::Sender
            } else if view.rise_ns >= WORST_RISE_NS {
                Stop::Delay
            } else if view.is_settled {
                Stop::Settled
            } else if self.affordable_packets(LOAD_PACKET_BYTES) < FEWEST_PACKETS {
                Stop::Data
            } else {
                Stop::Time
            });
        if found.at_least {
            found.bps = found.bps.min(cap);
            found.free_bps = found.bps;
            found.interval_bps = (found.interval_bps.0.min(found.bps), found.bps);
        }
        self.capacity = Some(found);
        if !is_unfilled && !self.plan.stream {
            self.saturation = self.saturated(transfer, &view);
        }
    }

    /// The link varies, and at its better times the first flood was too small to tell its rate: what
    /// it carried then, at least.
    fn better_times(&self, transfer: &Transfer, found: &Capacity) -> Option<f64> {
        let [_, _, most] = found.variation_bps?;
        let start = transfer.start();
        let bits = f64::from(start.packet_bytes) * 8.0;
        let sent = start.rate_bps as f64 * self.bits_of(transfer) / bits;
        let is_more = self.floods == 1 && most >= OUTRAN_AT_TIMES * sent;
        let is_worth_it = !self.plan.stream && most < self.plan.cap_bps as f64 * CAP_REACHED;
        (is_more && is_worth_it).then_some(most)
    }

    fn judge(&self, transfer: &Transfer, others: &[(u64, u64)], view: &View) -> Capacity {
        let series = without_head(self.series(transfer.arrivals(), others));
        let series = latter_half_if_slower(series);
        let share = series.rate_bps().unwrap_or_else(|| transfer_rate(transfer));
        let samples = series.samples(series.window(share, self.bits_of(transfer)));
        let most = if view.is_settled {
            SPREAD_BEFORE_SETTLED
        } else {
            SPREAD_WHEN_UNSETTLED
        };
        let varies = spread(&samples) > most;
        let half = interval_half(&series.parts(8)).max(share * 0.002);
        let offered = offered_bps(series, self.bits_of(transfer));
        let (bps, free) = self.beside_others(share, offered, view);
        Capacity {
            bps,
            interval_bps: (bps - half, bps + half),
            at_least: false,
            free_bps: free,
            samples: transfer.received(),
            variation_bps: varies.then(|| percentiles(&samples)),
            is_policed: view.behavior == Behavior::Policed,
        }
    }

    /// Capacity and what is free. In a queue that everybody enters, who sends `r` beside `x` of
    /// others gets the share `c·r/(r+x)`; trains tell `c`, so the share tells `x`.
    fn beside_others(&self, share: f64, offered: f64, view: &View) -> (f64, f64) {
        if self.trains.is_empty() || matches!(view.behavior, Behavior::Policed | Behavior::Unfilled)
        {
            return (share, share);
        }
        let c = median(&self.trains);
        let agree = self.trains.iter().all(|rate| (rate - c).abs() <= 0.1 * c);
        let is_shared = agree && share < 0.95 * c && !view.is_settled;
        if !is_shared {
            return (share, share);
        }
        let others = offered * (c / share - 1.0);
        (c, (c - others).clamp(0.0, share))
    }

    fn saturated(&self, transfer: &Transfer, view: &View) -> Option<Saturation> {
        let (_, shortest) = self.least_transit_ns?;
        let arrivals = transfer.arrivals();
        let (first, last) = (arrivals.first()?, arrivals.last()?);
        let sent_until = arrivals.iter().map(|a| a.sent_ns).max()?;
        let third = (sent_until.saturating_sub(first.sent_ns)) / 3;
        let from_sent = sent_until - third;
        let mut rises: Vec<i64> = arrivals
            .iter()
            .filter(|a| a.sent_ns >= from_sent)
            .map(|a| a.transit_ns() - shortest)
            .collect();
        rises.sort_unstable();
        let began = transfer.began()?.as_nanos();
        let until = transfer.ended()?.as_nanos().max(began);
        let up_to = last.at_ns.saturating_sub(first.at_ns);
        let until = match transfer.start().direction {
            super::wire::LoadDirection::Up => until,
            super::wire::LoadDirection::Down => began + up_to,
        };
        Some(Saturation {
            from_ns: until - (until - began) / 3,
            until_ns: until,
            deepest_ns: *rises.last()? + view.packet_ns,
            rises_ns: rises,
            is_full: view.behavior == Behavior::Full,
        })
    }
}

fn transfer_rate(transfer: &Transfer) -> f64 {
    let totals = transfer.totals();
    match (totals.first(), totals.last()) {
        (Some((from, first)), Some((to, last))) if to > from => {
            (last - first) as f64 * 8e9 / (to - from) as f64
        }
        _ => 0.0,
    }
}

fn packet_bytes_at(rate_bps: f64) -> u16 {
    let smaller = SMALLER_PACKETS.iter().find(|(below, _)| rate_bps < *below);
    smaller.map_or(LOAD_PACKET_BYTES, |(_, bytes)| *bytes)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what a load may have"
)]
fn whole_packets(count: f64) -> u32 {
    count.clamp(1.0, 4e6) as u32
}
