//! A sound to be played.

use std::f64::consts::PI;

use greenroom_reports::units::Dbfs;

use crate::signal::view::{SampleRate, finite};

/// Length of the ramp at either end in seconds: an abrupt edge is a click.
const RAMP_SECONDS: f64 = 0.01;

/// Longest sound in seconds. A longer one is cut.
const MAX_SECONDS: f64 = 60.0;

/// Samples of one channel, played on every channel of a speaker.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    rate: SampleRate,
    samples: Vec<f32>,
}

impl Sound {
    /// A sound that is never louder than `peak`: if it would be, all of it is made quieter. Both
    /// ends are ramped over 10 ms; what is not finite is silent; what is longer than a minute is
    /// cut.
    pub fn new(rate: SampleRate, mut samples: Vec<f32>, peak: Dbfs) -> Self {
        samples.truncate(rate.samples_in(MAX_SECONDS));
        for sample in &mut samples {
            *sample = finite(*sample);
        }
        ramp(&mut samples, rate);
        limit(&mut samples, peak);
        Self { rate, samples }
    }

    /// Samples a second for which it was made.
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// The samples.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// How long it lasts, in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / self.rate.as_hz()
    }
}

fn ramp(samples: &mut [f32], rate: SampleRate) {
    let n = rate.samples_in(RAMP_SECONDS).min(samples.len() / 2);
    let len = samples.len();
    for k in 0..n {
        let share = single(0.5 - 0.5 * (PI * k as f64 / n as f64).cos());
        samples[k] *= share;
        samples[len - 1 - k] *= share;
    }
}

fn limit(samples: &mut [f32], peak: Dbfs) {
    let most = single(peak.amplitude().min(1.0));
    let highest = samples.iter().fold(0.0_f32, |high, s| high.max(s.abs()));
    if highest > most {
        let scale = most / highest;
        for sample in samples {
            // Rounding must not exceed it either.
            *sample = (*sample * scale).clamp(-most, most);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a value within 0..=1")]
fn single(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate() -> SampleRate {
        SampleRate::new(8_000).unwrap()
    }

    proptest! {
        #[test]
        fn it_is_never_louder_than_stated(
            samples in proptest::collection::vec(proptest::num::f32::ANY, 0..2_000),
            db in -80.0..20.0,
        ) {
            let peak = Dbfs::new(db).unwrap();
            let most = peak.amplitude().min(1.0) + 1e-6;
            let sound = Sound::new(rate(), samples, peak);
            prop_assert!(sound.samples().iter().all(|s| f64::from(s.abs()) <= most));
        }
    }

    #[test]
    fn it_begins_and_ends_in_silence_and_is_untouched_between() {
        let sound = Sound::new(rate(), vec![0.5; 800], Dbfs::FULL_SCALE);
        let samples = sound.samples();
        assert!(samples[0].abs() < 1e-6 && samples[799].abs() < 1e-6);
        assert!((samples[80] - 0.5).abs() < 1e-6 && (samples[719] - 0.5).abs() < 1e-6);
        assert!((sound.seconds() - 0.1).abs() < 1e-9);
    }

    #[test]
    fn what_is_quieter_than_stated_stays_as_it_is() {
        let sound = Sound::new(rate(), vec![0.1; 800], Dbfs::new(-6.0).unwrap());
        assert!((sound.samples()[400] - 0.1).abs() < 1e-6);
    }
}
