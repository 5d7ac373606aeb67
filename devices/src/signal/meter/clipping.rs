//! Clipping at full scale, and at a ceiling under it.

use greenroom_reports::units::Ratio;
use serde::Serialize;

use crate::signal::view::{Format, Interleaved};
use greenroom_reports::units::Dbfs;

/// Share of full scale from which a sample may be clipped.
const FULL: f32 = 0.99;

/// Fewest samples of one sign in a row: a single one at full scale is a peak that just fits.
const LEAST_RUN: u64 = 3;

/// Lowest ceiling that is looked for, in dBFS: below, 16 bits are too coarse for the histogram.
const LOWEST_DBFS: f64 = -40.0;

/// Steps of the histogram a decibel, and their number.
const STEPS_A_DB: f64 = 10.0;
const N_STEPS: usize = 400;

/// Steps that make up the ceiling and the zone below it.
const ZONE: usize = 2;

/// How many times more samples lie at the ceiling than below it. A sine has 2.5 times as many.
const LEAST_PILE: u64 = 4;

/// Fewest samples at the ceiling, and their least share of all.
const LEAST_SAMPLES: u64 = 50;
const LEAST_SHARE: f64 = 0.001;

/// Most samples above the ceiling, as a share of those at it: what a filter behind the clipping
/// lets ring over.
const MOST_ABOVE: f64 = 0.05;

/// Least share of the samples at a ceiling that hardly differ from the one before.
const LEAST_FLAT: f64 = 0.3;

/// Least share of the samples under half the ceiling: a sound that is cut off crosses zero, a
/// constant offset does not.
const LEAST_LOW: f64 = 0.01;
const STEPS_TO_HALF: usize = 60;

/// Relative difference under which two samples in a row are flat.
const FLAT: f32 = 0.005;

/// Looks for clipping in each channel.
#[derive(Clone, Debug)]
pub struct ClippingMeter {
    channels: Vec<ChannelClipping>,
}

/// Clipping of all channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ClippingSummary {
    /// Runs of at least three samples in a row at 0.99 of full scale or more.
    pub n_runs: u64,
    /// Samples in those runs.
    pub n_clipped: u64,
    /// Samples in the longest run.
    pub longest_run: u64,
    /// Samples in runs, of all samples; absent without samples.
    pub clipped_ratio: Option<Ratio>,
    /// A level below full scale at which the signal is cut off: an analog stage or an earlier
    /// program clips. The lowest of all channels.
    pub ceiling_dbfs: Option<Dbfs>,
}

impl ClippingMeter {
    /// For streams of this format.
    pub fn new(format: Format) -> Self {
        Self {
            channels: vec![ChannelClipping::new(); format.channels()],
        }
    }

    /// Takes the next samples.
    pub fn push(&mut self, view: &Interleaved<'_>) {
        for frame in view.frames() {
            for (channel, sample) in self.channels.iter_mut().zip(frame) {
                channel.push(sample);
            }
        }
    }

    /// Clipping so far; a run that has not ended counts.
    pub fn summary(&self) -> ClippingSummary {
        let runs = self.channels.iter().map(ChannelClipping::runs);
        let runs = runs.fold(Runs::default(), Runs::and);
        let n_samples = self.channels.iter().map(|c| c.n_samples).sum();
        let ceilings = self.channels.iter().filter_map(ChannelClipping::ceiling);
        ClippingSummary {
            n_runs: runs.count,
            n_clipped: runs.n_samples,
            longest_run: runs.longest,
            clipped_ratio: Ratio::of(runs.n_samples, n_samples),
            ceiling_dbfs: ceilings.min_by(|a, b| a.as_f64().total_cmp(&b.as_f64())),
        }
    }
}

/// Finished runs.
#[derive(Clone, Copy, Debug, Default)]
struct Runs {
    count: u64,
    n_samples: u64,
    longest: u64,
}

impl Runs {
    fn of_length(length: u64) -> Self {
        let counts = length >= LEAST_RUN;
        Self {
            count: u64::from(counts),
            n_samples: if counts { length } else { 0 },
            longest: if counts { length } else { 0 },
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            n_samples: self.n_samples + other.n_samples,
            longest: self.longest.max(other.longest),
        }
    }
}

#[derive(Clone, Debug)]
struct ChannelClipping {
    finished: Runs,
    run: u64,
    last: f32,
    n_samples: u64,
    /// Samples by amplitude, and those of them that are flat.
    steps: Vec<u64>,
    flat: Vec<u64>,
}

impl ChannelClipping {
    fn new() -> Self {
        Self {
            finished: Runs::default(),
            run: 0,
            last: 0.0,
            n_samples: 0,
            steps: vec![0; N_STEPS],
            flat: vec![0; N_STEPS],
        }
    }

    fn push(&mut self, sample: f32) {
        self.count_run(sample);
        if let Some(step) = step(sample) {
            self.steps[step] += 1;
            let is_flat = (sample - self.last).abs() <= FLAT * sample.abs();
            self.flat[step] += u64::from(is_flat);
        }
        self.last = sample;
        self.n_samples += 1;
    }

    fn count_run(&mut self, sample: f32) {
        let is_full = sample.abs() >= FULL;
        let continues = is_full && self.run > 0 && sample.signum() * self.last.signum() > 0.0;
        if !continues {
            self.finished = self.runs();
            self.run = 0;
        }
        self.run += u64::from(is_full);
    }

    fn runs(&self) -> Runs {
        self.finished.and(Runs::of_length(self.run))
    }

    /// The level at which samples pile up.
    fn ceiling(&self) -> Option<Dbfs> {
        let first = (ZONE..=N_STEPS - ZONE).find(|from| self.is_ceiling(*from))?;
        Dbfs::new(LOWEST_DBFS + (first + ZONE) as f64 / STEPS_A_DB)
            .filter(|ceiling| ceiling.amplitude() < f64::from(FULL))
    }

    fn is_ceiling(&self, from: usize) -> bool {
        let count = |steps: &[u64]| steps.iter().sum::<u64>();
        let pile = count(&self.steps[from..from + ZONE]);
        let below = count(&self.steps[from - ZONE..from]);
        let least = (self.n_samples as f64 * LEAST_SHARE).max(LEAST_SAMPLES as f64);
        if (pile as f64) < least || pile < below * LEAST_PILE {
            return false;
        }
        let low = self.n_samples - count(&self.steps[from.saturating_sub(STEPS_TO_HALF)..]);
        if (low as f64) < self.n_samples as f64 * LEAST_LOW {
            return false;
        }
        let above = count(&self.steps[from + ZONE..]);
        let flat = count(&self.flat[from..from + ZONE]);
        above as f64 <= pile as f64 * MOST_ABOVE && flat as f64 >= pile as f64 * LEAST_FLAT
    }
}

/// The histogram's step for an amplitude; the last holds everything above full scale.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and float casts saturate"
)]
fn step(sample: f32) -> Option<usize> {
    let db = 20.0 * f64::from(sample.abs()).log10();
    let above = (db - LOWEST_DBFS) * STEPS_A_DB;
    (above >= 0.0).then(|| (above as usize).min(N_STEPS - 1))
}
