//! How closely packets leave a full queue: apart from packets of others between them, by the time
//! that the link needs for one.

use std::time::Duration;

use super::rate::{Series, whole};

/// Gaps tell the rate of a link when most of them are alike: so far apart may two of their
/// quantiles be. Jitter behind the queue, or a receiver that takes packets in batches, spreads them
/// further.
const ALIKE: f64 = 0.05;
/// Fewer gaps tell nothing.
const FEWEST: usize = 16;
/// A link changes its rate no faster than this can show.
const PART: Duration = Duration::from_millis(80);
/// Fewer gaps than this in a part tell nothing of it.
const FEWEST_OF_PART: usize = 4;
/// And fewer parts.
const FEWEST_PARTS: usize = 3;

/// The rate at which the queue is served, others included: from the gap that most packets have.
/// `None` when gaps are too unlike, or too few.
pub(super) fn service_bps(series: Series<'_>, packet_bits: f64) -> Option<f64> {
    middle_of(&gaps(series), FEWEST).map(|gap| packet_bits * 1e9 / gap)
}

/// The gap that most have; `None` when they are too unlike or too few.
fn middle_of(gaps: &[u64], fewest: usize) -> Option<f64> {
    let at = |share: usize| gaps.get(gaps.len() * share / 100).map(|gap| *gap as f64);
    let (low, middle) = (at(20)?, at(50)?);
    let are_alike = low > 0.0 && middle - low <= ALIKE * middle;
    (gaps.len() >= fewest && are_alike).then_some(middle)
}

/// Lowest and highest rate at which the queue is served in short parts of the load, but for a
/// twentieth of them. `None` below three parts.
pub(super) fn service_range(series: Series<'_>, packet_bits: f64) -> Option<(f64, f64)> {
    let mut parts = parts(series, packet_bits);
    parts.sort_by(f64::total_cmp);
    let beyond = parts.len() / 20;
    let (low, high) = (parts.get(beyond)?, parts.get(parts.len() - 1 - beyond)?);
    (parts.len() >= FEWEST_PARTS).then_some((*low, *high))
}

fn parts(series: Series<'_>, packet_bits: f64) -> Vec<f64> {
    let Some(first) = series.arrivals.first() else {
        return Vec::new();
    };
    let mean_gap = series.span_ns() / series.arrivals.len().max(1) as u64;
    let width = whole(PART.as_nanos() as f64).max(3 * FEWEST_OF_PART as u64 * mean_gap);
    let mut rates = Vec::new();
    let mut from = first.at_ns;
    while from + width <= first.at_ns + series.span_ns() {
        let to = series.arrivals.partition_point(|a| a.at_ns < from + width);
        let gaps = gaps(series.before(to).since(from));
        rates.extend(if gaps.len() < FEWEST_OF_PART {
            // So few that the link itself must be slower, whatever others send.
            Some(packet_bits * gaps.len() as f64 * 1e9 / width as f64)
        } else {
            middle_of(&gaps, FEWEST_OF_PART).map(|gap| packet_bits * 1e9 / gap)
        });
        from += width;
    }
    rates
}

/// Sorted.
fn gaps(series: Series<'_>) -> Vec<u64> {
    let pairs = series.arrivals.windows(2);
    let mut gaps: Vec<u64> = pairs
        .map(|p| p[1].at_ns.saturating_sub(p[0].at_ns))
        .collect();
    gaps.sort_unstable();
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::load::transfer::Arrival;

    fn arrivals(gaps_ns: impl IntoIterator<Item = u64>) -> Vec<Arrival> {
        let mut at_ns = 0;
        let arrival = |(seq, gap): (u32, u64)| {
            at_ns += gap;
            Arrival {
                seq,
                sent_ns: 0,
                at_ns,
                bytes: 1222,
            }
        };
        (0..).zip(gaps_ns).map(arrival).collect()
    }

    fn series(arrivals: &[Arrival]) -> Series<'_> {
        Series {
            arrivals,
            headers: 28,
            others: &[],
        }
    }

    #[test]
    fn packets_of_others_between_do_not_change_the_rate() {
        let with_others = (0..100).map(|i| if i % 5 == 0 { 2_000_000 } else { 1_000_000 });
        let arrivals = arrivals(with_others);
        let rate = service_bps(series(&arrivals), 10_000.0).unwrap();
        assert!((rate - 10e6).abs() < 1.0, "{rate}");
        let (low, high) = service_range(series(&arrivals), 10_000.0).unwrap();
        assert!(high / low < 1.01, "{low} {high}");
    }

    #[test]
    fn a_link_that_changes_shows_in_its_parts() {
        let changing = (0..1000).map(|i| {
            if i / 250 % 2 == 0 {
                1_000_000
            } else {
                4_000_000
            }
        });
        let arrivals = arrivals(changing);
        let (low, high) = service_range(series(&arrivals), 10_000.0).unwrap();
        assert!(
            (low - 2.5e6).abs() < 1.0 && (high - 10e6).abs() < 1.0,
            "{low} {high}"
        );
    }

    #[test]
    fn batches_tell_nothing() {
        let batches = (0..100).map(|i| if i % 4 == 0 { 4_000_000 } else { 1000 });
        assert_eq!(service_bps(series(&arrivals(batches)), 10_000.0), None);
        let jittered = (0..100).map(|i| 100_000 * (1 + i % 20));
        assert_eq!(service_bps(series(&arrivals(jittered)), 10_000.0), None);
        assert_eq!(service_bps(series(&[]), 10_000.0), None);
    }
}
