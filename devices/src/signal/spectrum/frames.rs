//! Power spectra of frames cut from a stream.

use std::f64::consts::TAU;
use std::fmt;
use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

/// Cuts a stream into overlapping frames and transforms each.
pub(super) struct Frames {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    hop: usize,
    pending: Vec<f32>,
    scale: f64,
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames")
            .field("length", &self.window.len())
            .field("hop", &self.hop)
            .finish_non_exhaustive()
    }
}

impl Frames {
    /// Frames of so many samples, each so many after the one before, under a Hann window.
    pub(super) fn new(length: usize, hop: usize) -> Self {
        let window = hann(length);
        let energy: f64 = window.iter().map(|w| f64::from(*w).powi(2)).sum();
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(length),
            scale: 2.0 / (energy * length as f64),
            window,
            hop: hop.max(1),
            pending: Vec::new(),
        }
    }

    /// Takes the next samples and hands on the power of each complete frame by bin, scaled so
    /// that its sum is the mean square.
    pub(super) fn push(
        &mut self,
        samples: impl Iterator<Item = f32>,
        mut take: impl FnMut(&[f64]),
    ) {
        for sample in samples {
            self.pending.push(sample);
            if self.pending.len() == self.window.len() {
                if let Some(power) = self.power() {
                    take(&power);
                }
                self.pending.drain(..self.hop.min(self.window.len()));
            }
        }
    }

    fn power(&self) -> Option<Vec<f64>> {
        let mean = self.pending.iter().sum::<f32>() / self.window.len() as f32;
        // The offset would leak over the lowest bins, where the hum is.
        let windowed = self.pending.iter().zip(&self.window);
        let mut input: Vec<f32> = windowed.map(|(s, w)| (s - mean) * w).collect();
        let mut output = self.fft.make_output_vec();
        self.fft.process(&mut input, &mut output).ok()?;
        let power = output
            .iter()
            .map(|c| f64::from(c.re).powi(2) + f64::from(c.im).powi(2));
        Some(power.map(|p| p * self.scale).collect())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a weight within 0..=1")]
fn hann(length: usize) -> Vec<f32> {
    (0..length)
        .map(|n| (0.5 - 0.5 * (TAU * n as f64 / length as f64).cos()) as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::testing::sounds::tone;

    #[test]
    fn the_power_of_a_sine_is_half_its_squared_amplitude() {
        let mut frames = Frames::new(1000, 500);
        let mut sums = Vec::new();
        let samples = tone(1000.0, 2500, 50.0, 0.2);
        frames.push(samples.into_iter(), |power| {
            sums.push(power.iter().sum::<f64>());
        });
        assert_eq!(sums.len(), 4);
        assert!(sums.iter().all(|sum| (sum - 0.02).abs() < 1e-5), "{sums:?}");
    }
}
