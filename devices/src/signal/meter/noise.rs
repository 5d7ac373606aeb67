//! Noise floor, and how far the voice stands above it.

use serde::Serialize;

use crate::signal::view::{Format, Interleaved};
use greenroom_reports::units::Dbfs;

/// Length of a frame in seconds: a sound of speech, and whole periods of 50 Hz hum.
const FRAME_SECONDS: f64 = 0.02;

/// Share of the frames that is taken for noise: speech pauses at least so often.
const NOISE_SHARE: f64 = 0.10;

/// Share of the frames that lies under the level of loud speech.
const SPEECH_SHARE: f64 = 0.95;

/// Fewest frames, one second: a tenth of fewer is a chance.
const LEAST_FRAMES: u64 = 50;

/// Lowest level in dBFS, finer than 24 bit; a frame below it is digital silence.
const LOWEST_DBFS: f64 = -150.0;

/// Steps a decibel, and their number, up to +30 dBFS.
const STEPS_A_DB: f64 = 10.0;
const N_STEPS: usize = 1_800;

/// Levels of 20 ms frames of each channel, in a histogram: bounded memory however long it runs.
///
/// Each frame is measured about its own mean, so what is below 50 Hz counts for little.
#[derive(Clone, Debug)]
pub struct NoiseMeter {
    channels: Vec<FrameLevels>,
    frame_samples: u64,
}

/// Noise of the channel whose loud frames are the loudest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct NoiseSummary {
    /// Complete frames.
    pub n_frames: u64,
    /// Frames of digital silence, which a noise gate makes.
    pub n_silent_frames: u64,
    /// 10th percentile of the frames' RMS. Absent before one second, and when that is digital
    /// silence.
    pub noise_floor_dbfs: Option<Dbfs>,
    /// 95th percentile of the frames' RMS: speech, if anybody spoke.
    pub loud_dbfs: Option<Dbfs>,
    /// The difference of the two in dB. About 1 dB in steady noise: that says nobody spoke, not
    /// that the noise is strong.
    pub snr_db: Option<f64>,
}

impl NoiseMeter {
    /// For streams of this format.
    pub fn new(format: Format) -> Self {
        Self {
            channels: vec![FrameLevels::new(); format.channels()],
            frame_samples: format.rate().samples_in(FRAME_SECONDS) as u64,
        }
    }

    /// Takes the next samples.
    pub fn push(&mut self, view: &Interleaved<'_>) {
        for frame in view.frames() {
            for (levels, sample) in self.channels.iter_mut().zip(frame) {
                levels.push(f64::from(sample), self.frame_samples);
            }
        }
    }

    /// The noise so far.
    pub fn summary(&self) -> NoiseSummary {
        let summaries = self.channels.iter().map(FrameLevels::summary);
        let loudest = summaries.max_by(|a, b| order(a.loud_dbfs).total_cmp(&order(b.loud_dbfs)));
        loudest.unwrap_or_default()
    }
}

fn order(level: Option<Dbfs>) -> f64 {
    level.map_or(f64::NEG_INFINITY, Dbfs::as_f64)
}

/// Levels of one channel's frames.
#[derive(Clone, Debug)]
struct FrameLevels {
    sum: f64,
    sum_of_squares: f64,
    n_samples: u64,
    /// Frames by level; the first step is digital silence.
    steps: Vec<u64>,
    n_frames: u64,
}

impl FrameLevels {
    fn new() -> Self {
        Self {
            sum: 0.0,
            sum_of_squares: 0.0,
            n_samples: 0,
            steps: vec![0; N_STEPS],
            n_frames: 0,
        }
    }

    fn push(&mut self, sample: f64, frame_samples: u64) {
        self.sum += sample;
        self.sum_of_squares += sample * sample;
        self.n_samples += 1;
        if self.n_samples >= frame_samples {
            self.end_frame();
        }
    }

    fn end_frame(&mut self) {
        let n = self.n_samples as f64;
        let power = self.sum_of_squares / n - (self.sum / n).powi(2);
        self.steps[step(10.0 * power.max(0.0).log10())] += 1;
        self.n_frames += 1;
        (self.sum, self.sum_of_squares, self.n_samples) = (0.0, 0.0, 0);
    }

    fn summary(&self) -> NoiseSummary {
        let noise = self.quantile(NOISE_SHARE);
        let loud = self.quantile(SPEECH_SHARE);
        NoiseSummary {
            n_frames: self.n_frames,
            n_silent_frames: self.steps[0],
            noise_floor_dbfs: noise,
            loud_dbfs: loud,
            snr_db: loud.zip(noise).map(|(l, n)| l.as_f64() - n.as_f64()),
        }
    }

    /// Nearest-rank quantile of the frames' levels.
    fn quantile(&self, share: f64) -> Option<Dbfs> {
        let wanted = share * self.n_frames as f64;
        let mut below = 0;
        let found = self.steps.iter().position(|count| {
            below += count;
            below as f64 >= wanted
        })?;
        let level = LOWEST_DBFS + (found as f64 - 0.5) / STEPS_A_DB;
        (self.n_frames >= LEAST_FRAMES && found > 0).then(|| Dbfs::new(level))?
    }
}

/// The histogram's step for a level; the first for everything that is too low.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate, and minus infinity becomes zero"
)]
fn step(db: f64) -> usize {
    let above = ((db - LOWEST_DBFS) * STEPS_A_DB).floor();
    ((above + 1.0).max(0.0) as usize).min(N_STEPS - 1)
}
