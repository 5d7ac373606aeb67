//! What the arrivals of a load show: how a link behaves while it is filled.

use std::time::Duration;

use super::rate::{Series, Window, is_settled, whole};

/// Arrivals left out at the head of a flood: a shaper's bucket may have let them pass faster.
const HEAD: Duration = Duration::from_millis(100);
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
    pub(crate) fn of(series: Series<'_>, least_ns: i64, packet_bits: f64) -> Option<Self> {
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
        let dropped = missing(recent) >= 2;
        let packets = |n: f64| i64::try_from(whole(packet_ns * n)).unwrap_or(i64::MAX);
        let stands = (rise - before).abs() <= (packets(1.5) + 1_000_000).max(rise / 20);
        // A policer makes nobody wait but for the packet before.
        let is_shallow = rise <= packets(1.2) + 2_000_000;
        let is_low = rise <= packets(3.0) + 5_000_000;
        let long_enough = series.span_ns() >= as_nanos(UNFILLED);
        let comes_through = || rate >= 0.97 * offered_bps(body, packet_bits);
        let behavior = if dropped && is_shallow && long_enough {
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
            is_settled: is_settled(&body.samples(Window::for_rate(rate, packet_bits))),
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

/// Sequence numbers between the least and the greatest that did not come in.
fn missing(series: Series<'_>) -> u64 {
    let seqs = series.arrivals.iter().map(|a| u64::from(a.seq));
    let (low, high) = (seqs.clone().min(), seqs.max());
    let span = high.zip(low).map_or(0, |(high, low)| high - low + 1);
    span.saturating_sub(series.arrivals.len() as u64)
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
