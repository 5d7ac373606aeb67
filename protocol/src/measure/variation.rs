//! Delay variation from transit times: three different numbers that all get called jitter.
//!
//! A transit time is "arrival minus departure" on two clocks that do not agree: a delay plus a
//! constant. Only its differences have a meaning.

use greenroom_reports::model::path::{Distribution, Ipdv, MillisInterval};
use greenroom_reports::stats::jitter::jitter_interval;
use greenroom_reports::units::Millis;

/// Packets that RFC 3550's jitter needs to converge: three time constants of its filter.
pub const MIN_JITTER_PACKETS: usize = 48;

/// Smoothed difference of consecutive transit times, in order of arrival.
///
/// `None` below [`MIN_JITTER_PACKETS`]. Reordering counts, since the order is that of arrival.
///
/// Source: RFC 3550 §6.4.1, gain 1/16.
pub fn interarrival_jitter(transits_ns: &[i64]) -> Option<Millis> {
    let jitter =
        differences(transits_ns).fold(0.0_f64, |jitter, d| jitter + (d.abs() - jitter) / 16.0);
    (transits_ns.len() >= MIN_JITTER_PACKETS).then(|| Millis::new(jitter / 1e6))?
}

/// 95 % interval of [`interarrival_jitter`] over the same transits.
pub fn interarrival_jitter_interval(transits_ns: &[i64]) -> Option<MillisInterval> {
    let jitter = interarrival_jitter(transits_ns)?;
    let differences_ms: Vec<f64> = differences(transits_ns).map(|d| d / 1e6).collect();
    jitter_interval(jitter, &differences_ms)
}

/// Packet delay variation: each transit less the smallest. `None` without a transit.
///
/// Source: RFC 5481 §4.2.
pub fn packet_delay_variation(transits_ns: &[i64]) -> Option<Distribution> {
    Distribution::from_samples(&above_least_ms(transits_ns))
}

/// Each transit less the smallest, in milliseconds.
pub fn above_least_ms(transits_ns: &[i64]) -> Vec<f64> {
    let least = transits_ns.iter().min().copied().unwrap_or_default();
    let above = |transit: &i64| transit.saturating_sub(least) as f64 / 1e6;
    transits_ns.iter().map(above).collect()
}

/// Inter-packet delay variation of consecutive packets that both arrived.
///
/// Takes transits in sending order, `None` for a packet that did not arrive.
///
/// Source: RFC 3393 §4, RFC 5481 §4.1.
pub fn inter_packet_delay_variation(transits_ns: &[Option<i64>]) -> Option<Ipdv> {
    let differences_ms: Vec<f64> = transits_ns
        .windows(2)
        .filter_map(|pair| Some(pair[1]?.saturating_sub(pair[0]?) as f64 / 1e6))
        .collect();
    Ipdv::from_differences(&differences_ms)
}

fn differences(transits_ns: &[i64]) -> impl Iterator<Item = f64> + '_ {
    transits_ns
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]) as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn jitter_follows_the_formula_of_the_rfc() {
        // One step of 16 ms among even transits: J = 16/16 = 1 ms, then it decays by 15/16.
        let mut transits = vec![0_i64; 24];
        transits.extend(vec![16_000_000; 25]);
        let expected = (15.0_f64 / 16.0).powi(24);
        let jitter = interarrival_jitter(&transits).unwrap().as_f64();
        assert!(
            (jitter - expected).abs() < 0.001,
            "{jitter} is not {expected}"
        );
    }

    #[test]
    fn jitter_is_absent_before_it_converged() {
        assert_eq!(interarrival_jitter(&[0; 47]), None);
        assert_eq!(interarrival_jitter(&[0; 48]), Millis::new(0.0));
    }

    #[test]
    fn a_lost_packet_gives_no_difference() {
        let ms = 1_000_000;
        let transits = [Some(0), Some(2 * ms), None, Some(9 * ms), Some(5 * ms)];
        let ipdv = inter_packet_delay_variation(&transits).unwrap();
        assert_eq!(ipdv.samples, 2);
        assert_eq!(ipdv.mean_ms, Millis::new(3.0).unwrap());
    }

    proptest! {
        #[test]
        fn a_constant_clock_offset_changes_nothing(
            transits in proptest::collection::vec(-1_000_000_000_i64..1_000_000_000, 48..200),
            offset in -1_000_000_000_000_i64..1_000_000_000_000,
        ) {
            let moved: Vec<i64> = transits.iter().map(|t| t + offset).collect();
            prop_assert_eq!(interarrival_jitter(&transits), interarrival_jitter(&moved));
            prop_assert_eq!(packet_delay_variation(&transits), packet_delay_variation(&moved));
        }
    }
}
