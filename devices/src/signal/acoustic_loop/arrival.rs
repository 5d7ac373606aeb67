//! The direct sound among its reflections.

use crate::signal::acoustic_loop::correlation::Envelope;

/// Longest delay that is looked for, in seconds: no system that a call could bear is slower.
pub(super) const MAX_DELAY_SECONDS: f64 = 1.0;

/// Least ratio of the highest peak's power to the mean power of noise, for the chirp to be there.
///
/// The power of an envelope of noise is exponentially distributed, so one of the 7700 independent
/// values of a second exceeds 18 times the mean in one recording of 8000.
const LEAST_PEAK: f64 = 18.0;

/// The same for the first peak. Lower, since fewer values precede it.
const LEAST_FIRST_PEAK: f64 = 14.0;

/// Least power of the first peak as a share of the highest: half of its amplitude. More takes a
/// reflection for the direct sound, less the distortion of a saturated speaker.
const FIRST_PEAK_SHARE: f64 = 0.25;

/// Quantile that tells the noise's mean power, and its value when that mean is one. The lowest
/// quarter of a second is noise even where a long reverberation fills the rest.
const NOISE_QUANTILE: (usize, usize, f64) = (1, 4, 0.287_682);

/// The direct sound in one envelope.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Arrival {
    /// Seconds from the chirp's begin to that of the direct sound.
    pub(super) delay_seconds: f64,
    /// Seconds to the highest peak, which may be a reflection.
    pub(super) peak_seconds: f64,
    /// 0..=1: how far the first peak's amplitude stands above the highest that noise may reach;
    /// zero at that height, one without noise.
    pub(super) confidence: f64,
}

impl Arrival {
    /// Finds the first peak of at least half the highest; `None` when nothing rises above the
    /// noise.
    pub(super) fn find(envelope: &Envelope, n_lags: usize) -> Option<Self> {
        let power = envelope.power.get(..n_lags)?;
        let noise = noise_power(power)?;
        let (peak_at, peak) = highest(power)?;
        if peak <= noise * LEAST_PEAK {
            return None;
        }
        let noise_limit = noise * LEAST_FIRST_PEAK;
        let first_at = first_peak(power, noise_limit.max(peak * FIRST_PEAK_SHARE))?;
        let first = f64::from(power[first_at]);
        Some(Self {
            delay_seconds: first_at as f64 * envelope.step_seconds,
            peak_seconds: peak_at as f64 * envelope.step_seconds,
            confidence: 1.0 - (noise_limit / first).sqrt().min(1.0),
        })
    }
}

/// Mean power of the noise in an envelope; `None` without a value and for digital silence.
pub(super) fn noise_power(power: &[f32]) -> Option<f64> {
    let (part, whole, of_mean) = NOISE_QUANTILE;
    let mut sorted = power.to_vec();
    let rank = sorted.len().checked_sub(1)? * part / whole;
    let (_, quantile, _) = sorted.select_nth_unstable_by(rank, f32::total_cmp);
    let highest = power.iter().copied().fold(0.0, f32::max);
    // A perfect cable has no noise at all; its rounding errors are then the noise.
    let least = f64::from(highest) * 1e-12;
    (highest > 0.0).then(|| (f64::from(*quantile) / of_mean).max(least))
}

fn highest(power: &[f32]) -> Option<(usize, f64)> {
    let peak = power.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    peak.map(|(at, power)| (at, f64::from(*power)))
}

/// The first local maximum of at least this power.
fn first_peak(power: &[f32], least: f64) -> Option<usize> {
    let rise = power.iter().position(|p| f64::from(*p) >= least)?;
    let falls = power[rise..].windows(2).position(|pair| pair[1] < pair[0]);
    Some(rise + falls.unwrap_or(power.len() - 1 - rise))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::testing::sounds::single;

    /// Exponentially distributed values with a mean of one, in a fixed order, and peaks.
    fn envelope(peaks: &[(usize, f32)]) -> Envelope {
        let mut power: Vec<f32> = (0..1000_u32)
            .map(|n| -(1.0 - (f64::from(n * 617 % 1000) + 0.5) / 1000.0).ln())
            .map(single)
            .collect();
        for (at, peak) in peaks {
            power[*at] = *peak;
        }
        Envelope {
            power,
            step_seconds: 0.001,
        }
    }

    #[test]
    fn the_noise_power_is_its_mean() {
        let noise = noise_power(&envelope(&[]).power).unwrap();
        assert!((noise - 1.0).abs() < 0.02, "{noise}");
    }

    #[test]
    fn noise_alone_has_no_arrival() {
        assert_eq!(Arrival::find(&envelope(&[]), 1000), None);
        assert_eq!(Arrival::find(&envelope(&[(300, 17.0)]), 1000), None);
    }

    #[test]
    fn the_first_peak_of_half_the_amplitude_is_the_direct_sound() {
        let found = Arrival::find(&envelope(&[(200, 90.0), (300, 110.0), (400, 400.0)]), 1000);
        let found = found.unwrap();
        assert!((found.delay_seconds - 0.3).abs() < 1e-9);
        assert!((found.peak_seconds - 0.4).abs() < 1e-9);
    }

    #[test]
    fn silence_has_no_arrival() {
        let silence = Envelope {
            power: vec![0.0; 100],
            step_seconds: 0.001,
        };
        assert_eq!(Arrival::find(&silence, 100), None);
        assert_eq!(Arrival::find(&silence, 0), None);
        assert_eq!(Arrival::find(&silence, 101), None);
    }
}
