//! Quantiles and their distribution-free intervals.

use statrs::distribution::{Binomial, DiscreteCDF};

use crate::model::path::{Distribution, Ipdv, MillisInterval};
use crate::units::Millis;

/// The nearest-rank quantile: the smallest sample with at least the share `q` at or below it.
///
/// Always one of the samples, so that it agrees with the order-statistic interval; the median of
/// an even number of samples is the lower of the two in the middle. `sorted` must ascend. `None`
/// without samples or with `q` outside 0..=1.
///
/// Source: Hyndman and Fan, "Sample Quantiles in Statistical Packages" (1996), type 1.
pub fn nearest_rank(sorted: &[f64], q: f64) -> Option<f64> {
    sorted
        .get(rank(sorted.len(), q)?.saturating_sub(1))
        .copied()
}

/// 95 % interval of the `q` quantile from two order statistics.
///
/// Makes no assumption about the distribution except that samples are independent. `None` when so
/// few samples cannot give 95 %: the median needs 6, the 95th percentile 72.
///
/// Source: Hahn and Meeker, "Statistical Intervals", §5.2: the ranks are those of the binomial
/// distribution of the number of samples below the true quantile, 2.5 % cut off at either side.
pub fn interval(sorted: &[f64], q: f64) -> Option<(f64, f64)> {
    let n = u64::try_from(sorted.len()).ok()?;
    let below = Binomial::new(q, n).ok()?;
    // Largest rank with P(below < rank) <= 2.5 %, and smallest with P(below >= rank) <= 2.5 %.
    let low = partition_point(n, |rank| below.cdf(rank.saturating_sub(1)) <= 0.025);
    let high = partition_point(n, |rank| below.cdf(rank.saturating_sub(1)) < 0.975) + 1;
    let at = |rank: u64| {
        sorted
            .get(usize::try_from(rank.checked_sub(1)?).ok()?)
            .copied()
    };
    let point = nearest_rank(sorted, q)?;
    Some((at(low)?.min(point), at(high)?.max(point)))
}

/// Number of ranks in `1..=n` for which `holds` is true, given that it turns false once.
fn partition_point(n: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the product lies within 0..=n"
)]
fn rank(n: usize, q: f64) -> Option<usize> {
    if n == 0 || !(0.0..=1.0).contains(&q) {
        return None;
    }
    // The tiny allowance keeps 0.95 * 100 from becoming rank 96 by rounding.
    Some(((q * n as f64 - 1e-9).ceil() as usize).clamp(1, n))
}

/// Ascending copy of the finite samples.
fn sorted(samples_ms: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = samples_ms
        .iter()
        .copied()
        .filter(|v| v.is_finite())
        .collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn millis_interval((low, high): (f64, f64)) -> Option<MillisInterval> {
    Some(MillisInterval {
        low: Millis::new(low)?,
        high: Millis::new(high)?,
    })
}

impl Distribution {
    /// Summarizes samples in milliseconds, in any order; `None` without a finite one.
    pub fn from_samples(samples_ms: &[f64]) -> Option<Self> {
        let sorted = sorted(samples_ms);
        let at = |q| nearest_rank(&sorted, q).and_then(Millis::new);
        Some(Self {
            samples: u64::try_from(sorted.len()).ok()?,
            min_ms: at(0.0)?,
            p50_ms: at(0.5)?,
            p95_ms: at(0.95)?,
            p99_ms: at(0.99)?,
            max_ms: at(1.0)?,
            p50_interval_ms: interval(&sorted, 0.5).and_then(millis_interval),
            p95_interval_ms: interval(&sorted, 0.95).and_then(millis_interval),
        })
    }
}

impl Ipdv {
    /// Summarizes differences in delay of consecutive packets in milliseconds; the sign is
    /// dropped. `None` without a finite one.
    pub fn from_differences(differences_ms: &[f64]) -> Option<Self> {
        let absolute: Vec<f64> = differences_ms.iter().map(|d| d.abs()).collect();
        let sorted = sorted(&absolute);
        let at = |q| nearest_rank(&sorted, q).and_then(Millis::new);
        Some(Self {
            samples: u64::try_from(sorted.len()).ok()?,
            p50_ms: at(0.5)?,
            p95_ms: at(0.95)?,
            mean_ms: Millis::new(sorted.iter().sum::<f64>() / sorted.len() as f64)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one_to(n: u32) -> Vec<f64> {
        (1..=n).map(f64::from).collect()
    }

    #[test]
    fn quantiles_of_one_to_a_hundred_are_themselves() {
        let samples = one_to(100);
        assert_eq!(nearest_rank(&samples, 0.5), Some(50.0));
        assert_eq!(nearest_rank(&samples, 0.95), Some(95.0));
        assert_eq!(nearest_rank(&samples, 0.99), Some(99.0));
        assert_eq!(nearest_rank(&samples, 0.0), Some(1.0));
    }

    #[test]
    fn numbers_are_not_sorted_as_strings() {
        let summary = Distribution::from_samples(&[9.0, 10.0, 100.0]).unwrap();
        assert_eq!(summary.p50_ms.as_f64(), 10.0);
        assert_eq!(summary.max_ms.as_f64(), 100.0);
    }

    #[test]
    fn the_median_interval_of_a_hundred_has_ranks_40_and_61() {
        // Tables of the sign test: 95 % of B(100, 1/2) lies within 40..=60.
        assert_eq!(interval(&one_to(100), 0.5), Some((40.0, 61.0)));
        assert_eq!(interval(&one_to(6), 0.5), Some((1.0, 6.0)));
        assert_eq!(interval(&one_to(5), 0.5), None);
    }

    #[test]
    fn the_95th_percentile_needs_72_samples_for_an_interval() {
        assert_eq!(interval(&one_to(71), 0.95), None);
        assert!(interval(&one_to(72), 0.95).is_some());
    }

    #[test]
    fn nothing_gives_nothing() {
        assert_eq!(Distribution::from_samples(&[]), None);
        assert_eq!(Distribution::from_samples(&[f64::NAN]), None);
        assert_eq!(Ipdv::from_differences(&[]), None);
    }

    #[test]
    fn delay_variation_drops_the_sign() {
        let ipdv = Ipdv::from_differences(&[-3.0, 1.0, 2.0]).unwrap();
        assert_eq!(ipdv.mean_ms.as_f64(), 2.0);
        assert_eq!(ipdv.p50_ms.as_f64(), 2.0);
    }

    proptest! {
        #[test]
        fn order_of_samples_does_not_matter(
            mut samples in proptest::collection::vec(0.0_f64..1000.0, 1..300)
        ) {
            let one = Distribution::from_samples(&samples);
            samples.reverse();
            prop_assert_eq!(one, Distribution::from_samples(&samples));
        }

        #[test]
        fn quantiles_ascend_and_intervals_contain_them(
            samples in proptest::collection::vec(0.0_f64..1000.0, 1..300)
        ) {
            let d = Distribution::from_samples(&samples).unwrap();
            prop_assert!(d.min_ms <= d.p50_ms && d.p50_ms <= d.p95_ms);
            prop_assert!(d.p95_ms <= d.p99_ms && d.p99_ms <= d.max_ms);
            for (point, interval) in [(d.p50_ms, d.p50_interval_ms), (d.p95_ms, d.p95_interval_ms)] {
                if let Some(i) = interval {
                    prop_assert!(i.low <= point && point <= i.high);
                }
            }
        }
    }
}
