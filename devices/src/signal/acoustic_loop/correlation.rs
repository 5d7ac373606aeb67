//! Where in a recording the chirp is, by FFT.
//!
//! Only the chirp's own band is transformed back, shifted down to zero. That leaves a complex
//! signal whose magnitude is the envelope of the impulse response, at a step that follows from the
//! bandwidth and not from the sample rate.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use crate::signal::acoustic_loop::chirp::{Chirp, LOWEST_HZ};
use crate::signal::view::{SampleRate, finite};

/// Width of the average that tells the spectrum's shape from its ripple, as a ratio of
/// frequencies. A sixth of an octave to either side; a narrower one would follow the room.
const SMOOTHING: f64 = 1.122;

/// Share of the band over which the weight rises at its lower and falls at its upper end. Less
/// would ring: the first side lobe has to stay well under half of the peak.
const TAPER: f64 = 0.1;

/// Spectra of one chirp and of recordings of one length.
pub(super) struct Correlator {
    rate: SampleRate,
    /// Samples of a transform.
    size: usize,
    /// Samples of the transform back.
    short_size: usize,
    /// Bins of the chirp's band.
    band: Range<usize>,
    reference: Vec<Complex<f32>>,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

impl fmt::Debug for Correlator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Correlator")
            .field("rate", &self.rate)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Squared envelope by lag, from lag zero.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    /// Squared envelope.
    pub(super) power: Vec<f32>,
    /// Seconds from one value to the next.
    pub(super) step_seconds: f64,
}

impl Envelope {
    /// Values in a span.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "float casts saturate"
    )]
    pub(super) fn steps_in(&self, seconds: f64) -> usize {
        (seconds / self.step_seconds).round() as usize
    }
}

impl Correlator {
    /// For recordings of up to so many samples.
    pub(super) fn new(chirp: &Chirp, n_samples: usize) -> Option<Self> {
        let rate = chirp.rate();
        let size = transform_size(n_samples);
        let band = bins(LOWEST_HZ..chirp.highest_hz(), size, rate);
        let short_size = short_size(size, band.len());
        let mut planner = RealFftPlanner::new();
        let forward = planner.plan_fft_forward(size);
        let inverse = planner.plan_fft_inverse(short_size);
        let reference = spectrum(&*forward, &chirp.samples())?;
        Some(Self {
            rate,
            size,
            short_size,
            band,
            reference,
            forward,
            inverse,
        })
    }

    /// The half spectrum of a recording; what is not finite counts as zero.
    pub(super) fn spectrum(&self, recording: &[f32]) -> Option<Vec<Complex<f32>>> {
        spectrum(&*self.forward, recording)
    }

    /// Bins between two frequencies in Hz, of those in which the chirp is.
    pub(super) fn bins_within(&self, band_hz: Range<f64>) -> Range<usize> {
        let asked = bins(band_hz, self.size, self.rate);
        asked.start.max(self.band.start)..asked.end.min(self.band.end)
    }

    /// Bins of the chirp's band.
    pub(super) fn band(&self) -> Range<usize> {
        self.band.clone()
    }

    /// Energy (sum of squares) in some bins of a half spectrum.
    pub(super) fn energy(&self, spectrum: &[Complex<f32>], bins: Range<usize>) -> f64 {
        let sum: f64 = spectrum[bins].iter().map(|c| f64::from(c.norm_sqr())).sum();
        sum * 2.0 / self.size as f64
    }

    /// Energy of the chirp in some bins.
    pub(super) fn reference_energy(&self, bins: Range<usize>) -> f64 {
        self.energy(&self.reference, bins)
    }

    /// Envelope of the impulse response, sharp rather than true to scale.
    ///
    /// The phase of the cross spectrum is kept and its magnitude replaced by the chirp's over the
    /// recording's own smoothed spectrum. That is the matched filter for a recording whose
    /// disturbance is noise and reverberation of any color, both of which are in that spectrum.
    ///
    /// Source: Knapp and Carter, "The generalized correlation method for estimation of time
    /// delay" (1976).
    pub(super) fn sharp_envelope(&self, spectrum: &[Complex<f32>]) -> Option<Envelope> {
        let shape = smoothed_power(spectrum, &self.band);
        let width = self.band.len();
        let weighted = self.band.clone().zip(shape).enumerate().map(|(n, (k, p))| {
            let cross = spectrum[k] * self.reference[k].conj();
            cross * (taper(n, width) / p.max(f32::MIN_POSITIVE))
        });
        self.envelope(weighted)
    }

    /// Envelope of the chirp's echoes within some bins, in the recording's own scale.
    ///
    /// Only the chirp's phase is taken out, so every echo is compressed in time and its energy
    /// remains.
    pub(super) fn true_envelope(
        &self,
        spectrum: &[Complex<f32>],
        bins: Range<usize>,
    ) -> Option<Envelope> {
        self.envelope(bins.map(|k| {
            let reference = self.reference[k];
            let cross = spectrum[k] * reference.conj();
            cross / reference.norm().max(f32::MIN_POSITIVE)
        }))
    }

    /// Samples of the recording that one value of an envelope stands for.
    pub(super) fn samples_a_step(&self) -> f64 {
        self.size as f64 / self.short_size as f64
    }

    /// Transforms a band back, shifted down to zero.
    fn envelope(&self, band: impl Iterator<Item = Complex<f32>>) -> Option<Envelope> {
        let mut real_part = self.inverse.make_input_vec();
        // Bin zero stays empty, since a real signal has no phase there.
        for (bin, value) in real_part.iter_mut().skip(1).zip(band) {
            *bin = value;
        }
        let mut imaginary_part: Vec<_> = real_part
            .iter()
            .map(|c| Complex::new(c.im, -c.re))
            .collect();
        let re = self.transform_back(&mut real_part)?;
        let im = self.transform_back(&mut imaginary_part)?;
        let scale = 1.0 / (self.size as f32);
        let power = re.iter().zip(&im);
        Some(Envelope {
            power: power
                .map(|(re, im)| (re * scale).powi(2) + (im * scale).powi(2))
                .collect(),
            step_seconds: self.samples_a_step() / self.rate.as_hz(),
        })
    }

    fn transform_back(&self, half_spectrum: &mut [Complex<f32>]) -> Option<Vec<f32>> {
        let mut output = self.inverse.make_output_vec();
        self.inverse.process(half_spectrum, &mut output).ok()?;
        Some(output)
    }
}

/// The half spectrum of samples, with zeros to the transform's length; what is longer is left out.
fn spectrum(fft: &dyn RealToComplex<f32>, samples: &[f32]) -> Option<Vec<Complex<f32>>> {
    let mut input = fft.make_input_vec();
    for (slot, sample) in input.iter_mut().zip(samples) {
        *slot = finite(*sample);
    }
    let mut output = fft.make_output_vec();
    fft.process(&mut input, &mut output).ok()?;
    Some(output)
}

/// The smallest size that is fast: a power of two, or one and a half of it.
fn transform_size(n_samples: usize) -> usize {
    let power = n_samples.max(64).next_power_of_two();
    let between = power / 4 * 3;
    if between >= n_samples { between } else { power }
}

/// The shortest transform that holds a band above its empty bin zero.
fn short_size(size: usize, n_bins: usize) -> usize {
    let mut short = size;
    while short.is_multiple_of(4) && short / 4 > n_bins + 1 {
        short /= 2;
    }
    short
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate"
)]
fn bins(band_hz: Range<f64>, size: usize, rate: SampleRate) -> Range<usize> {
    let bin = |hz: f64| (hz * size as f64 / rate.as_hz()).round() as usize;
    bin(band_hz.start).max(1)..bin(band_hz.end).min(size / 2)
}

/// Mean power around each bin of a band.
fn smoothed_power(spectrum: &[Complex<f32>], band: &Range<usize>) -> Vec<f32> {
    let mut sums = Vec::with_capacity(spectrum.len() + 1);
    let mut sum = 0.0_f64;
    sums.push(sum);
    for bin in spectrum {
        sum += f64::from(bin.norm_sqr());
        sums.push(sum);
    }
    let mean = |k: usize| {
        let (from, to) = neighborhood(k, spectrum.len());
        (sums[to] - sums[from]) / (to - from) as f64
    };
    band.clone().map(|k| narrow(mean(k))).collect()
}

/// The bins around one, from and to.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number of bins"
)]
fn neighborhood(bin: usize, n_bins: usize) -> (usize, usize) {
    let from = (bin as f64 / SMOOTHING) as usize;
    let to = ((bin as f64 * SMOOTHING).ceil() as usize + 1).min(n_bins);
    (from.min(bin), to.max(bin + 1).min(n_bins))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a power of single precision"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// Weight of the `n`th bin of a band: raised cosine at both ends.
fn taper(n: usize, width: usize) -> f32 {
    let from_edge = n.min(width.saturating_sub(n + 1)) as f64 + 1.0;
    let share = (from_edge / (TAPER * width as f64 + 1.0)).min(1.0);
    narrow(0.5 - 0.5 * (std::f64::consts::PI * share).cos())
}
