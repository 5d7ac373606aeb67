//! What one direction carries: packet trains tell roughly, a flood exactly.
//!
//! A train that enters a queue at once leaves it at the rate of the link, whatever else is on it.
//! A flood of twice that rate keeps the queue filled; after the head, which a shaper's bucket may
//! have let pass faster, its arrivals tell the rate that is left for it, its delay the depth of the
//! queue. The answer of a real call is neither: that is what the verification is for.

use std::time::Duration;

use super::rate::{Series, Window, is_settled, whole};
use super::schedule::Shape;
use super::transfer::{Arrival, Transfer, TransferEnd};

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
/// A cap so far below what the trains told is not worth a flood beyond it.
const CAP_MARGIN: f64 = 1.08;
/// Arrivals left out at the head of a flood: a shaper's bucket may have let them pass faster.
const HEAD: Duration = Duration::from_millis(100);
/// Delay beyond which the grade F is decided.
const WORST_RISE_NS: i64 = 400_000_000;
/// Delay over a stream from which on it carries no more.
const BACKED_UP_NS: i64 = 60_000_000;
/// How long delay has to stand still before the queue counts as full.
const PLATEAU: Duration = Duration::from_millis(60);
/// How long a link that is not filled by its flood is watched before the flood is made larger.
const UNFILLED: Duration = Duration::from_millis(250);
/// No arrival for this long: nothing comes through any more.
const STARVED: Duration = Duration::from_millis(700);
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
    pub(super) fn new(plan: CapacityPlan) -> Self {
        Self {
            plan,
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

    fn flood(&mut self) -> Segment {
        self.floods += 1;
        let cap = self.plan.cap_bps as f64;
        let told = self.rate_bps.unwrap_or(BLIND_BPS);
        let (shape, rate) = if told > cap * CAP_MARGIN {
            (Shape::Even, cap)
        } else {
            (Shape::Random, told * FLOOD_FACTOR)
        };
        let packet_bytes = packet_bytes_at(told);
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
        view.rise_ns >= WORST_RISE_NS
            || (view.is_settled && (view.is_full || view.is_policed || self.backs_up(&view)))
            || view.is_unfilled
    }

    /// TCP drops nothing; where it carries no more, its packets wait.
    fn backs_up(&self, view: &View) -> bool {
        self.plan.stream && view.rise_ns >= BACKED_UP_NS
    }

    fn view(&self, transfer: &Transfer, others: &[(u64, u64)]) -> Option<View> {
        let series = self.series(transfer.arrivals(), others);
        let least = self.least_transit(transfer)?;
        View::of(series, least, self.bits_of(transfer))
    }

    fn series<'a>(&self, arrivals: &'a [Arrival], others: &'a [(u64, u64)]) -> Series<'a> {
        Series {
            arrivals,
            headers: self.plan.headers,
            others,
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
        let cap = self.plan.cap_bps as f64;
        let mut found = self.judge(transfer, others, &view);
        let reached = found.bps.min(found.interval_bps.1);
        if view.is_unfilled && reached < cap * 0.985 && self.floods < FLOODS {
            // The trains told too little; what came through is the new estimate.
            self.rate_bps = Some(reached * FLOOD_FACTOR);
            return;
        }
        found.at_least =
            reached >= cap * 0.985 && !view.is_full && !view.is_policed || view.is_unfilled;
        self.stop
            .get_or_insert(if found.at_least && reached >= cap * 0.985 {
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
            found.interval_bps.0 = found.interval_bps.0.min(cap);
            found.interval_bps.1 = found.bps;
        }
        self.capacity = Some(found);
        if !view.is_unfilled && !self.plan.stream {
            self.saturation = self.saturated(transfer, &view);
        }
    }

    fn judge(&self, transfer: &Transfer, others: &[(u64, u64)], view: &View) -> Capacity {
        let series = without_head(self.series(transfer.arrivals(), others));
        let series = latter_half_if_slower(series);
        let share = series.rate_bps().unwrap_or_else(|| transfer_rate(transfer));
        let window = Window::for_rate(share, self.bits_of(transfer));
        let samples = series.samples(window);
        let varies = spread(&samples) > 0.25 && !view.is_settled;
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
            is_policed: view.is_policed,
        }
    }

    /// Capacity and what is free. In a queue that everybody enters, who sends `r` beside `x` of
    /// others gets the share `c·r/(r+x)`; trains tell `c`, so the share tells `x`.
    fn beside_others(&self, share: f64, offered: f64, view: &View) -> (f64, f64) {
        if self.trains.is_empty() || view.is_policed || view.is_unfilled {
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
        let (_, least) = self.least_transit_ns?;
        let arrivals = transfer.arrivals();
        let (first, last) = (arrivals.first()?, arrivals.last()?);
        let last_sent = arrivals.iter().map(|a| a.sent_ns).max()?;
        let third = (last_sent.saturating_sub(first.sent_ns)) / 3;
        let from_sent = last_sent - third;
        let mut rises: Vec<i64> = arrivals
            .iter()
            .filter(|a| a.sent_ns >= from_sent)
            .map(|a| a.transit_ns() - least)
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
            is_full: view.is_full,
        })
    }
}

/// What the arrivals of a flood show so far.
#[derive(Clone, Copy, Debug)]
struct View {
    /// Delay now.
    rise_ns: i64,
    is_settled: bool,
    /// Packets are dropped while the delay stands still.
    is_full: bool,
    /// Packets are dropped without delay.
    is_policed: bool,
    /// The flood comes through as it was sent.
    is_unfilled: bool,
    /// Time that one packet takes on the link.
    packet_ns: i64,
}

impl View {
    fn of(series: Series<'_>, least_ns: i64, packet_bits: f64) -> Option<Self> {
        let last = series.arrivals.last()?;
        let body = without_head(series);
        let rate = body.rate_bps()?;
        let packet_ns = packet_bits * 1e9 / rate;
        let plateau = whole(packet_ns * 6.0).max(as_nanos(PLATEAU));
        let recent = series.since(last.at_ns.saturating_sub(plateau));
        let earlier = series
            .since(last.at_ns.saturating_sub(2 * plateau))
            .before_time(last.at_ns.saturating_sub(plateau));
        let rise = top_rise(recent, least_ns)?;
        let before = top_rise(earlier, least_ns).unwrap_or(0);
        let lost = missing(recent);
        let slack = whole(packet_ns * 1.5) as i64 + 1_000_000;
        let stands = (rise - before).abs() <= slack.max(rise / 20);
        let shallow = rise <= whole(packet_ns * 1.2) as i64 + 2_000_000;
        let is_low = rise <= whole(packet_ns * 3.0) as i64 + 5_000_000;
        let samples = body.samples(Window::for_rate(rate, packet_bits));
        let long_enough = series.span_ns() >= as_nanos(UNFILLED);
        Some(Self {
            packet_ns: whole(packet_ns) as i64,
            rise_ns: rise,
            is_settled: is_settled(&samples),
            is_full: lost >= 2 && stands && !shallow,
            is_policed: lost >= 2 && shallow && long_enough,
            is_unfilled: long_enough
                && lost == 0
                && is_low
                && rate >= 0.97 * offered_bps(body, packet_bits),
        })
    }
}

impl Series<'_> {
    /// The part that came in before a time.
    fn before_time(self, at_ns: u64) -> Self {
        let to = self.arrivals.partition_point(|a| a.at_ns < at_ns);
        self.before(to)
    }
}

/// The longest delay but for the very longest few, which scheduling may have caused.
fn top_rise(series: Series<'_>, least_ns: i64) -> Option<i64> {
    let mut rises: Vec<i64> = series
        .arrivals
        .iter()
        .map(|a| a.transit_ns() - least_ns)
        .collect();
    rises.sort_unstable();
    let index = (rises.len() * 9 / 10).min(rises.len().checked_sub(1)?);
    rises.get(index).copied()
}

/// Sequence numbers between the least and the greatest that did not come in.
fn missing(series: Series<'_>) -> u64 {
    let seqs = series.arrivals.iter().map(|a| u64::from(a.seq));
    let (low, high) = (seqs.clone().min(), seqs.max());
    let span = high.zip(low).map_or(0, |(high, low)| high - low + 1);
    span.saturating_sub(series.arrivals.len() as u64)
}

fn without_head(series: Series<'_>) -> Series<'_> {
    let Some(first) = series.arrivals.first() else {
        return series;
    };
    let head = as_nanos(HEAD).min(series.span_ns() / 4);
    let body = series.since(first.at_ns + head);
    let skipped = series.arrivals.len() - body.arrivals.len();
    if skipped < 3 { series.from(3) } else { body }
}

/// A shaper's bucket can be deeper than the head that is left out; then the first half is faster.
fn latter_half_if_slower(series: Series<'_>) -> Series<'_> {
    let half = series.arrivals.len() / 2;
    let rates = (
        series.before(half + 1).rate_bps(),
        series.from(half).rate_bps(),
    );
    match rates {
        (Some(first), Some(second)) if first > 1.03 * second && half >= 20 => series.from(half),
        _ => series,
    }
}

/// Rate of a train without its first packets; of its latter half when that is slower, since a
/// shaper's bucket let the first half pass.
fn train_rate(series: Series<'_>) -> Option<f64> {
    let n = series.arrivals.len();
    let series = if n >= 8 {
        series.from(3)
    } else {
        series.from(1)
    };
    let half = series.arrivals.len() / 2;
    let (first, second) = (
        series.before(half + 1).rate_bps(),
        series.from(half).rate_bps(),
    );
    match (first, second) {
        (Some(first), Some(second)) if first > 1.25 * second => Some(second),
        _ => series.rate_bps(),
    }
}

/// What the sender sent between the first and the last of these arrivals, in bits a second of IP
/// packets, whether it came in or not.
fn offered_bps(series: Series<'_>, packet_bits: f64) -> f64 {
    let (Some(first), Some(last)) = (series.arrivals.first(), series.arrivals.last()) else {
        return 0.0;
    };
    let packets = f64::from(last.seq.saturating_sub(first.seq));
    let span = last.sent_ns.saturating_sub(first.sent_ns).max(1) as f64;
    packets * packet_bits * 1e9 / span
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

fn as_nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

fn percentiles(samples: &[f64]) -> [f64; 3] {
    let sorted = sorted(samples);
    let at = |tenths: usize| {
        let index = (sorted.len() * tenths / 10).min(sorted.len().saturating_sub(1));
        sorted.get(index).copied().unwrap_or(0.0)
    };
    [at(1), at(5), at(9)]
}

/// 90th less 10th percentile over the median.
fn spread(samples: &[f64]) -> f64 {
    if samples.len() < 5 {
        return 0.0;
    }
    let [low, middle, high] = percentiles(samples);
    if middle > 0.0 {
        (high - low) / middle
    } else {
        0.0
    }
}

/// Half of the 95 % interval of the mean of these parts, by Student's t for seven degrees.
fn interval_half(parts: &[f64]) -> f64 {
    const T_95_OF_SEVEN: f64 = 2.365;
    let n = parts.len() as f64;
    if parts.len() < 2 {
        return 0.0;
    }
    let mean = parts.iter().sum::<f64>() / n;
    let variance = parts.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    T_95_OF_SEVEN * (variance / n).sqrt()
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
