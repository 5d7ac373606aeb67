//! How far to trust an interarrival jitter.

use super::proportion::normal_quantile;
use crate::model::path::{Ipdv, MillisInterval};
use crate::units::Millis;

/// 95 % interval of interarrival jitter.
///
/// RFC 3550's jitter is a running mean of `|D|` that remembers about 31 packets and scatters by
/// about 15 %. What it estimates, the mean of `|D|`, is known better from all packets together.
/// So the interval is that of the mean over `differences_ms` (every `D`, sign dropped), widened
/// where needed to contain `jitter`. Neighboring differences share a packet and are not
/// independent; their correlation up to lag `n^(1/3)` widens the interval.
///
/// `None` with fewer than 16 differences, one time constant of the filter.
///
/// Source: standard error of a mean of correlated samples after Newey and West, Econometrica 55
/// (1987).
pub fn jitter_interval(jitter: Millis, differences_ms: &[f64]) -> Option<MillisInterval> {
    let values: Vec<f64> = differences_ms.iter().map(|d| d.abs()).collect();
    if values.len() < 16 {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    widened(jitter, mean, (long_run_variance(&values, mean) / n).sqrt())
}

/// The interval where only a summary of the differences is left: their standard deviation is taken
/// to be their mean, as for an exponential distribution.
pub fn jitter_interval_from_ipdv(jitter: Millis, ipdv: &Ipdv) -> Option<MillisInterval> {
    let mean = ipdv.mean_ms.as_f64();
    (ipdv.samples >= 16)
        .then(|| widened(jitter, mean, mean / (ipdv.samples as f64).sqrt()))
        .flatten()
}

fn widened(jitter: Millis, mean: f64, standard_error: f64) -> Option<MillisInterval> {
    let half = normal_quantile(0.975) * standard_error;
    Some(MillisInterval {
        low: Millis::new((mean - half).clamp(0.0, jitter.as_f64().max(0.0)))?,
        high: Millis::new((mean + half).max(jitter.as_f64()))?,
    })
}

/// Variance of the mean times n: autocovariances with Bartlett's weights, at least the plain one.
fn long_run_variance(values: &[f64], mean: f64) -> f64 {
    let covariance = |lag: usize| {
        let pairs = values.iter().zip(values.iter().skip(lag));
        pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / values.len() as f64
    };
    let lags = (1..values.len())
        .take_while(|lag| lag.saturating_pow(3) <= values.len())
        .count();
    let weight = |lag: usize| 1.0 - lag as f64 / (lags as f64 + 1.0);
    let correlated: f64 = (1..=lags)
        .map(|lag| 2.0 * weight(lag) * covariance(lag))
        .sum();
    covariance(0) + correlated.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(value: f64) -> Millis {
        Millis::new(value).unwrap()
    }

    #[test]
    fn equal_differences_leave_no_doubt() {
        let interval = jitter_interval(ms(10.0), &[10.0; 100]).unwrap();
        assert_eq!((interval.low, interval.high), (ms(10.0), ms(10.0)));
    }

    #[test]
    fn the_interval_is_that_of_the_mean() {
        // 50 times 0 and 50 times 20, well mixed: deviation 10, standard error 1. Alternation is a
        // negative correlation, which does not narrow it.
        let differences: Vec<f64> = (0..100).map(|i| f64::from(i % 2) * 20.0).collect();
        let interval = jitter_interval(ms(10.0), &differences).unwrap();
        assert_eq!((interval.low, interval.high), (ms(8.04), ms(11.96)));
    }

    #[test]
    fn it_contains_a_jitter_that_strayed() {
        let interval = jitter_interval(ms(25.0), &[10.0; 100]).unwrap();
        assert_eq!((interval.low, interval.high), (ms(10.0), ms(25.0)));
    }

    #[test]
    fn a_handful_of_packets_gives_none() {
        assert_eq!(jitter_interval(ms(1.0), &[1.0; 15]), None);
    }
}
