//! How loud the chirp came back.

use std::ops::Range;

use realfft::num_complex::Complex;

use crate::signal::acoustic_loop::arrival::noise_power;
use crate::signal::acoustic_loop::correlation::{Correlator, Envelope};

/// Band of the echo return loss in Hz: that of a telephone.
///
/// Source: ITU-T G.122, P.340.
const TELEPHONE_HZ: Range<f64> = 300.0..3400.0;

/// Seconds to either side of the highest peak that count as the echo.
const AROUND_PEAK: f64 = 0.02;

/// Seconds before and after the highest peak that hold the chirp with its reverberation.
const BEFORE_PEAK: f64 = 0.05;
const AFTER_PEAK: f64 = 0.4;

/// What came back of a chirp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Echo {
    /// Energy recorded over energy played, chirp's band, with all reverberation.
    pub(super) gain: f64,
    /// Energy recorded over energy played, 300–3400 Hz, within 20 ms of the highest peak.
    pub(super) coupling: f64,
    /// Power of the chirp over that of everything else while it sounds, in its band; none when
    /// there is nothing else.
    pub(super) snr: Option<f64>,
}

impl Echo {
    /// Measures the echo around the highest peak; zero where noise hides it.
    pub(super) fn measure(
        correlator: &Correlator,
        spectrum: &[Complex<f32>],
        n_lags: usize,
        peak_seconds: f64,
        recording_seconds: f64,
    ) -> Option<Self> {
        let whole = Part::new(correlator, spectrum, correlator.band(), n_lags)?;
        let telephone = correlator.bins_within(TELEPHONE_HZ);
        let narrow = Part::new(correlator, spectrum, telephone, n_lags)?;
        let echo = whole.energy(peak_seconds - BEFORE_PEAK, peak_seconds + AFTER_PEAK);
        let coupled = narrow.energy(peak_seconds - AROUND_PEAK, peak_seconds + AROUND_PEAK);
        let rest = (correlator.energy(spectrum, correlator.band()) - echo) / recording_seconds;
        let played = super::chirp::CHIRP_SECONDS;
        Some(Self {
            gain: echo / whole.played,
            coupling: coupled / narrow.played,
            snr: (rest > 0.0).then(|| echo / played / rest),
        })
    }
}

/// The echoes in one band.
struct Part {
    envelope: Envelope,
    noise: f64,
    played: f64,
    samples_a_step: f64,
    n_lags: usize,
}

impl Part {
    fn new(
        correlator: &Correlator,
        spectrum: &[Complex<f32>],
        bins: Range<usize>,
        n_lags: usize,
    ) -> Option<Self> {
        let played = correlator.reference_energy(bins.clone());
        let envelope = correlator.true_envelope(spectrum, bins)?;
        let noise = noise_power(envelope.power.get(..n_lags)?)?;
        Some(Self {
            envelope,
            noise,
            played,
            samples_a_step: correlator.samples_a_step(),
            n_lags,
        })
    }

    /// Energy of the echoes between two lags, less that of the noise.
    fn energy(&self, from: f64, to: f64) -> f64 {
        let from = self.envelope.steps_in(from).min(self.n_lags);
        let to = self.envelope.steps_in(to).min(self.envelope.power.len());
        let part = self.envelope.power.get(from..to).unwrap_or_default();
        let power: f64 = part.iter().map(|p| f64::from(*p)).sum();
        let echo = power - self.noise * part.len() as f64;
        // Half of a squared envelope is the mean square of what it envelops.
        (echo * self.samples_a_step / 2.0).max(0.0)
    }
}
