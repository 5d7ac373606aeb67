//! Late loss: what a jitter buffer turns into loss.

use super::proportion::wilson_interval;
use crate::model::path::LateLoss;
use crate::units::{Millis, Ratio};

/// Depths of jitter buffers for which late loss is given.
///
/// Engineering choice: a wired call, the usual start, a busy Wi-Fi, and what talking still bears.
pub const BUFFER_DEPTHS_MS: [f64; 4] = [40.0, 60.0, 100.0, 200.0];

/// Share of packets whose delay variation `d_i - d_min`, in milliseconds, exceeds each of
/// [`BUFFER_DEPTHS_MS`].
///
/// Packets that were lost have no delay and do not count; values that are not finite are left out.
/// Empty without a sample.
///
/// Source: RFC 5481 §3.2 for the variation, which sizes the buffer.
pub fn late_loss(pdv_ms: &[f64]) -> Vec<LateLoss> {
    let known = || pdv_ms.iter().filter(|v| v.is_finite());
    let samples = known().count() as u64;
    let at_depth = |depth: f64| {
        let late = known().filter(|&&v| v > depth).count() as u64;
        Some(LateLoss {
            buffer_ms: Millis::new(depth)?,
            samples,
            late_ratio: Ratio::of(late, samples)?,
            late_ratio_interval: wilson_interval(late, samples)?,
        })
    };
    BUFFER_DEPTHS_MS.into_iter().filter_map(at_depth).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_packet_at_the_depth_is_still_in_time() {
        let late = late_loss(&[0.0, 40.0, 40.1, 61.0, 250.0]);
        let share: Vec<f64> = late.iter().map(|l| l.late_ratio.as_f64()).collect();
        assert_eq!(share, [0.6, 0.4, 0.2, 0.2]);
        assert_eq!(late[0].samples, 5);
    }

    #[test]
    fn without_packets_late_loss_is_unknown() {
        assert_eq!(late_loss(&[]), []);
        assert_eq!(late_loss(&[f64::NAN]), []);
    }

    proptest! {
        #[test]
        fn a_deeper_buffer_never_drops_more(
            pdv in proptest::collection::vec(0.0_f64..400.0, 1..300)
        ) {
            let late = late_loss(&pdv);
            prop_assert!(late.windows(2).all(|w| w[0].late_ratio >= w[1].late_ratio));
        }
    }
}
