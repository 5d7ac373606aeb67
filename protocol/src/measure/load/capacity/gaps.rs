//! How closely packets leave a full queue: apart from packets of others between them, by the time
//! that the link needs for one.

use std::time::Duration;

use super::rate::{Series, whole};

/// Gaps tell the rate of a link when most of them are alike: so far apart may two of their
/// quantiles be. Jitter behind the queue, or a receiver that takes packets in batches, spreads them
/// further.
const ALIKE: f64 = 0.05;
/// And when the longer gaps are few: others take no more than half of what a flood has, batches do.
const BATCHED: f64 = 2.0;
/// Fewer gaps tell nothing.
const FEWEST: usize = 16;
/// A link changes its rate no faster than this can show.
const PART: Duration = Duration::from_millis(80);
/// Fewer gaps than this in a part tell nothing of it.
const FEWEST_OF_PART: usize = 4;
/// A part lasts for so many times what packets are delayed without any load.
const JITTERS: u64 = 8;
/// Rates of parts differ by more than this share when the link changed: by gaps, and by what came
/// in, which others on the link change too.
const BY_GAPS: f64 = 0.25;
const BY_RATES: f64 = 0.5;
const BY_RATES_BESIDE_GAPS: f64 = 0.65;
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
    let mean = gaps.iter().sum::<u64>() as f64 / gaps.len().max(1) as f64;
    let are_alike = middle - low <= ALIKE * middle && mean <= BATCHED * middle;
    (gaps.len() >= fewest && are_alike).then_some(middle)
}

/// The link changed its rate on the way: by the gaps of short parts of the load; where jitter
/// spreads those, by the rates of parts, of which others on the link change less than half.
/// `pdv_ns` is how much packets are delayed without any load.
pub(super) fn changes(series: Series<'_>, packet_bits: f64, pdv_ns: i64) -> bool {
    let parts = parts(series, packet_bits, pdv_ns);
    let by_gaps: Vec<f64> = parts.iter().filter_map(|part| part.by_gaps).collect();
    let rates = parts.iter().map(|part| part.rate).collect();
    if by_gaps.len() >= FEWEST_PARTS && 2 * by_gaps.len() >= parts.len() {
        // Where the link is slow a part may hold too few gaps to tell.
        differ(by_gaps, BY_GAPS) || differ(rates, BY_RATES_BESIDE_GAPS)
    } else {
        differ(rates, BY_RATES)
    }
}

/// The extremes, but for a twentieth of the parts, differ by this share of the highest.
fn differ(mut rates: Vec<f64>, share: f64) -> bool {
    rates.sort_by(f64::total_cmp);
    let beyond = rates.len() / 20;
    let last = rates.len().saturating_sub(1 + beyond);
    let extremes = rates.get(beyond).zip(rates.get(last));
    rates.len() >= FEWEST_PARTS && extremes.is_some_and(|(low, high)| high - low > share * high)
}

/// A short time of a load.
struct Part {
    /// What came in.
    rate: f64,
    /// At which rate the queue was served.
    by_gaps: Option<f64>,
}

fn parts(series: Series<'_>, packet_bits: f64, pdv_ns: i64) -> Vec<Part> {
    let Some(first) = series.arrivals.first() else {
        return Vec::new();
    };
    let mean_gap = series.span_ns() / series.arrivals.len().max(1) as u64;
    let width = whole(PART.as_nanos() as f64)
        .max(3 * FEWEST_OF_PART as u64 * mean_gap)
        .max(JITTERS * pdv_ns.max(0).unsigned_abs());
    let mut parts = Vec::new();
    let mut from = first.at_ns;
    while from + width <= first.at_ns + series.span_ns() {
        let to = series.arrivals.partition_point(|a| a.at_ns < from + width);
        let part = series.before(to).since(from);
        let rate = packet_bits * part.arrivals.len() as f64 * 1e9 / width as f64;
        let middle = middle_of(&gaps(part), FEWEST_OF_PART);
        parts.push(Part {
            rate,
            by_gaps: middle.map(|gap| packet_bits * 1e9 / gap),
        });
        from += width;
    }
    parts
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
            stream: false,
        }
    }

    #[test]
    fn packets_of_others_between_do_not_change_the_rate() {
        let with_others = (0..100).map(|i| if i % 5 == 0 { 2_000_000 } else { 1_000_000 });
        let arrivals = arrivals(with_others);
        let rate = service_bps(series(&arrivals), 10_000.0).unwrap();
        assert!((rate - 10e6).abs() < 1.0, "{rate}");
        assert!(!changes(series(&arrivals), 10_000.0, 0));
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
        assert!(changes(series(&arrivals), 10_000.0, 0));
    }

    #[test]
    fn batches_tell_nothing() {
        for within_ns in [0, 1000] {
            let batches = (0..100).map(|i| if i % 4 == 0 { 4_000_000 } else { within_ns });
            let batches = arrivals(batches);
            assert_eq!(service_bps(series(&batches), 10_000.0), None);
            assert!(!changes(series(&batches), 10_000.0, 0));
        }
        let jittered = (0..100).map(|i| 100_000 * (1 + i % 20));
        assert_eq!(service_bps(series(&arrivals(jittered)), 10_000.0), None);
        assert_eq!(service_bps(series(&[]), 10_000.0), None);
    }
}
