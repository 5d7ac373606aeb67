//! What the arrivals of a load show: how a link behaves while it is filled.

use std::time::Duration;

use super::super::transfer::Arrival;
use super::rate::{Series, is_settled, whole};

/// Arrivals left out at the head of a flood: a shaper's bucket may have let them pass faster.
const HEAD: Duration = Duration::from_millis(100);
/// Share of a flood that is missing when the link drops what it cannot carry, at least: half of a
/// flood of twice its rate would be, the rest is room for rates that were told too high or low.
const DROPPED_SHARE: f64 = 0.1;
/// And of the whole flood when something polices it: losses in bursts reach the other share for a
/// short time.
const POLICED_SHARE: f64 = 0.3;
/// How long delay has to stand still before the queue counts as full.
const PLATEAU: Duration = Duration::from_millis(60);
/// How long a link that is not filled by its flood is watched before the flood is made larger.
const UNFILLED: Duration = Duration::from_millis(250);
/// A train that came in within this time was not slowed down by anything, or was stamped as one.
const INSTANT_NS: u64 = 50_000;
/// The rate that is taken for it: more than any cap.
const INSTANT_BPS: f64 = 1e10;

/// So far apart may the rates of a train's halves be.
const EVEN: f64 = 0.1;

/// What the arrivals of a flood show so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// Delay now.
    pub(crate) rise_ns: i64,
    /// The rate stands still.
    pub(crate) is_settled: bool,
    pub(crate) behavior: Behavior,
    /// Time that one packet takes on the link.
    pub(crate) packet_ns: i64,
}

/// What a link does with a flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behavior {
    /// Packets wait longer and longer, or nothing can be told yet.
    Filling,
    /// Packets are dropped while the delay stands still.
    Full,
    /// Packets are dropped without delay.
    Policed,
    /// The flood comes through as it was sent.
    Unfilled,
}

impl View {
    /// `idle_loss` is what the idle path loses, at most.
    pub(crate) fn of(
        series: Series<'_>,
        least_ns: i64,
        packet_bits: f64,
        idle_loss: f64,
    ) -> Option<Self> {
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
        let dropped = is_missing(series, earlier, DROPPED_SHARE + 1.3 * idle_loss);
        let is_refused = || is_missing(series, body, POLICED_SHARE + idle_loss);
        let packets = |n: f64| i64::try_from(whole(packet_ns * n)).unwrap_or(i64::MAX);
        let stands = (rise - before).abs() <= (packets(1.5) + 1_000_000).max(rise / 20);
        // A policer makes nobody wait but for the packet before.
        let is_shallow = rise <= packets(1.2) + 2_000_000;
        let is_low = rise <= packets(3.0) + 5_000_000;
        let long_enough = series.span_ns() >= as_nanos(UNFILLED);
        let comes_through = || rate >= (0.97 - idle_loss) * offered_bps(body, packet_bits);
        let behavior = if dropped && is_shallow && long_enough && is_refused() {
            Behavior::Policed
        } else if dropped && stands && !is_shallow {
            Behavior::Full
        } else if !dropped && is_low && long_enough && comes_through() {
            Behavior::Unfilled
        } else {
            Behavior::Filling
        };
        Some(Self {
            rise_ns: rise,
            is_settled: is_settled(&body.samples(body.window(rate, packet_bits))),
            behavior,
            packet_ns: packets(1.0),
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

/// At least this share of the packets that were sent about the time of `part` is missing. The whole
/// series tells what is missing: packets out of order come later.
fn is_missing(series: Series<'_>, part: Series<'_>, share: f64) -> bool {
    let seqs = part.arrivals.iter().map(|a| a.seq);
    let (Some(low), Some(high)) = (seqs.clone().min(), seqs.max()) else {
        return false;
    };
    let is_within = |a: &&Arrival| (low..=high).contains(&a.seq);
    let came = series.arrivals.iter().filter(is_within).count();
    let expected = (high - low) as usize + 1;
    let missing = expected.saturating_sub(came);
    missing >= 2 && missing as f64 >= share * expected as f64
}

pub(crate) fn without_head(series: Series<'_>) -> Series<'_> {
    let Some(first) = series.arrivals.first() else {
        return series;
    };
    let head = as_nanos(HEAD).min(series.span_ns() / 4);
    let body = series.since(first.at_ns + head);
    let skipped = series.arrivals.len() - body.arrivals.len();
    if skipped < 3 { series.from(3) } else { body }
}

/// A shaper's bucket can be deeper than the head that is left out; then the first half is faster.
pub(crate) fn latter_half_if_slower(series: Series<'_>) -> Series<'_> {
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
pub(crate) fn train_rate(series: Series<'_>) -> Option<f64> {
    let n = series.arrivals.len();
    let series = match n {
        8.. => series.from(3),
        5.. => series.from(1),
        _ => series,
    };
    if n >= 5 && series.span_ns() < INSTANT_NS {
        return Some(INSTANT_BPS);
    }
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

/// Both halves of a train tell the same rate.
pub(crate) fn comes_evenly(series: Series<'_>) -> bool {
    let series = series.from(3);
    let half = series.arrivals.len() / 2;
    let rates = (
        series.before(half + 1).rate_bps(),
        series.from(half).rate_bps(),
    );
    matches!(rates, (Some(a), Some(b)) if (a - b).abs() <= EVEN * a.min(b))
}

/// What the sender sent between the first and the last of these arrivals, in bits a second of IP
/// packets, whether it came in or not.
pub(crate) fn offered_bps(series: Series<'_>, packet_bits: f64) -> f64 {
    let (Some(first), Some(last)) = (series.arrivals.first(), series.arrivals.last()) else {
        return 0.0;
    };
    let packets = f64::from(last.seq.saturating_sub(first.seq));
    let span = last.sent_ns.saturating_sub(first.sent_ns).max(1) as f64;
    packets * packet_bits * 1e9 / span
}

fn as_nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
