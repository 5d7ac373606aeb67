//! Active speech level: how loud somebody speaks while they speak.

use std::f64::consts::TAU;

use greenroom_reports::units::Ratio;
use serde::Serialize;

use crate::signal::view::SampleRate;
use greenroom_reports::units::Dbfs;

/// Decibels by which the active level stands above the threshold that tells activity.
const MARGIN_DB: f64 = 15.9;

/// Time constant of both stages of the envelope, in seconds.
const SMOOTHING_SECONDS: f64 = 0.03;

/// Seconds for which activity is held after the envelope fell under a threshold.
const HANGOVER_SECONDS: f64 = 0.2;

/// Number of thresholds, and decibels from each to the next lower, from full scale down to
/// −93 dBFS. Half the spacing of the recommendation, so that a straight line between two of them
/// is true to 0.1 dB.
const N_THRESHOLDS: usize = 32;
const THRESHOLD_STEP_DB: f64 = 3.0;

/// Seconds between two looks at the envelope, which is far slower.
const LOOK_SECONDS: f64 = 0.001;

/// Corner in Hz of the high-pass that keeps a DC offset out of the envelope.
const HIGH_PASS_HZ: f64 = 10.0;

/// Level and share of the time in which there is speech, of one channel.
///
/// Source: ITU-T P.56 (12/2011) §4, method B.
#[derive(Clone, Debug)]
pub struct SpeechMeter {
    high_pass: f64,
    smoothing: f64,
    last_input: f64,
    last_output: f64,
    stages: [f64; 2],
    sum_of_squares: f64,
    n_samples: u64,
    look_every: u64,
    n_looks: u64,
    hangover: u64,
    /// Looks that were active, by threshold from the highest.
    active: [u64; N_THRESHOLDS],
    /// Looks from now for which a threshold stays active.
    held: [u64; N_THRESHOLDS],
}

/// What was spoken.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ActiveSpeech {
    /// RMS while there is activity.
    pub level_dbfs: Dbfs,
    /// Share of the time with activity.
    pub activity_ratio: Ratio,
}

impl SpeechMeter {
    /// For one channel at this rate.
    pub fn new(rate: SampleRate) -> Self {
        Self {
            high_pass: (-TAU * HIGH_PASS_HZ / rate.as_hz()).exp(),
            smoothing: (-1.0 / (rate.as_hz() * SMOOTHING_SECONDS)).exp(),
            last_input: 0.0,
            last_output: 0.0,
            stages: [0.0; 2],
            sum_of_squares: 0.0,
            n_samples: 0,
            look_every: rate.samples_in(LOOK_SECONDS).max(1) as u64,
            n_looks: 0,
            hangover: rate.samples_in(HANGOVER_SECONDS) as u64,
            active: [0; N_THRESHOLDS],
            held: [0; N_THRESHOLDS],
        }
    }

    /// Takes the next sample, which must be finite.
    pub(super) fn push(&mut self, sample: f32) {
        let input = f64::from(sample);
        if self.n_samples == 0 {
            // An offset was there before the stream began; it is no step.
            self.last_input = input;
        }
        let output = input - self.last_input + self.high_pass * self.last_output;
        (self.last_input, self.last_output) = (input, output);
        self.sum_of_squares += output * output;
        let mut level = output.abs();
        for stage in &mut self.stages {
            *stage += (1.0 - self.smoothing) * (level - *stage);
            level = *stage;
        }
        self.n_samples += 1;
        if self.n_samples.is_multiple_of(self.look_every) {
            self.look(level);
        }
    }

    /// The active level; `None` when nothing was active, as in silence.
    pub fn summary(&self) -> Option<ActiveSpeech> {
        let points: Vec<(f64, f64)> = (0..N_THRESHOLDS)
            .filter_map(|n| Some((n, self.active_db(n)?)))
            .map(|(n, level)| (level, level - threshold_db(n)))
            .collect();
        let level = at_margin(&points)?;
        let whole = 10.0 * (self.sum_of_squares / self.n_samples as f64).log10();
        let activity = 10_f64.powf((whole - level) / 10.0);
        Some(ActiveSpeech {
            level_dbfs: Dbfs::new(level)?,
            activity_ratio: Ratio::new(activity.min(1.0))?,
        })
    }

    fn look(&mut self, envelope: f64) {
        self.n_looks += 1;
        let hangover = self.hangover / self.look_every;
        for (n, (active, held)) in self.active.iter_mut().zip(&mut self.held).enumerate() {
            if envelope >= threshold(n) {
                *held = hangover + 1;
            }
            *active += u64::from(*held > 0);
            *held = held.saturating_sub(1);
        }
    }

    /// RMS over the time in which a threshold was active.
    fn active_db(&self, threshold: usize) -> Option<f64> {
        let active = self.active[threshold];
        let share = active as f64 / self.n_looks as f64;
        let power = self.sum_of_squares / self.n_samples as f64 / share;
        (active > 0 && power > 0.0).then(|| 10.0 * power.log10())
    }
}

/// The level where it stands the margin above its threshold, from levels and their distances to
/// ever lower thresholds.
fn at_margin(points: &[(f64, f64)]) -> Option<f64> {
    let above = points.iter().position(|(_, over)| *over >= MARGIN_DB)?;
    let (level, over) = points[above];
    let Some((before, under)) = above.checked_sub(1).map(|n| points[n]) else {
        return Some(level);
    };
    let share = (MARGIN_DB - under) / (over - under);
    Some(before + (level - before) * share)
}

fn threshold_db(n: usize) -> f64 {
    -THRESHOLD_STEP_DB * n as f64
}

fn threshold(n: usize) -> f64 {
    10_f64.powf(threshold_db(n) / 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::testing::sounds::tone;

    fn measure(samples: &[f32]) -> Option<ActiveSpeech> {
        let mut meter = SpeechMeter::new(SampleRate::new(16_000).unwrap());
        for sample in samples {
            meter.push(*sample);
        }
        meter.summary()
    }

    #[test]
    fn a_tone_in_half_of_the_time_has_the_level_of_the_tone() {
        let mut samples = tone(16_000.0, 160_000, 1000.0, 0.1);
        samples.extend(vec![0.0; 160_000]);
        let speech = measure(&samples).unwrap();
        // A sine of amplitude 0.1 has −23.01 dBFS; the hangover of 0.2 s takes 0.1 dB.
        let level = speech.level_dbfs.as_f64();
        assert!((level + 23.1).abs() < 0.15, "{level}");
        let activity = speech.activity_ratio.as_f64();
        assert!((activity - 0.51).abs() < 0.02, "{activity}");
    }

    #[test]
    fn silence_has_no_speech_level() {
        assert_eq!(measure(&[]), None);
        assert_eq!(measure(&vec![0.0; 16_000]), None);
        assert_eq!(measure(&[0.2; 160]), None);
    }

    #[test]
    fn an_offset_is_no_speech() {
        let with_offset: Vec<f32> = tone(16_000.0, 160_000, 1000.0, 0.01)
            .iter()
            .map(|s| s + 0.3)
            .collect();
        let level = measure(&with_offset).unwrap().level_dbfs.as_f64();
        assert!((level + 43.01).abs() < 0.2, "{level}");
    }
}
