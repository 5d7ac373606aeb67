//! How wide the band of a microphone is: a headset in its telephone profile ends at 4 or 8 kHz.

use serde::Serialize;

use crate::signal::spectrum::frames::Frames;
use crate::signal::view::{Format, Interleaved};

/// Length of a frame in seconds; its bins are 50 Hz wide.
const FRAME_SECONDS: f64 = 0.02;
const BIN_HZ: f64 = 50.0;

/// Highest frequency in Hz that is looked at.
const HIGHEST_HZ: f64 = 24_000.0;

/// Where telephone profiles end, in Hz: half of their sample rates of 8 and 16 kHz.
const EDGES_HZ: [f64; 2] = [4_000.0, 8_000.0];

/// Frequencies compared at an edge, as shares of it. What lies between is the filter's slope.
const BELOW_EDGE: [f64; 2] = [0.7, 0.85];
const ABOVE_EDGE: [f64; 2] = [1.15, 1.4];

/// Decibels by which the spectrum falls at an edge. Speech at a good microphone falls by less than
/// 12 dB over these frequencies, a resampler's filter by 40 dB or more.
const LEAST_CLIFF_DB: f64 = 25.0;

/// Decibels of fall up to which the band certainly goes on.
const MOST_SLOPE_DB: f64 = 15.0;

/// Decibels above the noise floor, and dBFS, from which a frame counts as content.
const CONTENT_DB: f64 = 10.0;
const CONTENT_DBFS: f64 = -60.0;

/// Fewest frames of content, half a second.
const LEAST_CONTENT: u64 = 25;

/// Share of the frames that is taken for noise.
const NOISE_SHARE: f64 = 0.10;

/// Share of the energy that lies below the roll-off.
const ROLL_OFF_SHARE: f64 = 0.95;

/// Levels by which frames are sorted: steps of 2 dB from −120 dBFS.
const LOWEST_DBFS: f64 = -120.0;
const STEP_DB: f64 = 2.0;
const N_STEPS: usize = 65;

/// Sums of spectra by the level of their frames, of the mean of all channels.
#[derive(Debug)]
pub struct BandwidthMeter {
    frames: Frames,
    half_rate_hz: f64,
    levels: Vec<Spectra>,
}

/// How wide the band is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BandwidthSummary {
    /// Whether the band is narrow.
    pub band: Band,
    /// Frequency in Hz below which 95 % of the energy of speech lies. Mostly a property of the
    /// voice; absent without speech.
    pub roll_off_hz: Option<f64>,
}

/// Whether the band is narrow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// Nothing that resembles speech was recorded, or it does not reach high enough to tell.
    Unknown,
    /// It ends at this frequency in Hz: 4000 as with a telephone, 8000 as with a headset.
    EndsAt(f64),
    /// It goes on above 8 kHz.
    Wide,
}

#[derive(Clone, Debug)]
struct Spectra {
    n_frames: u64,
    power: Vec<f64>,
}

impl BandwidthMeter {
    /// For streams of this format.
    pub fn new(format: Format) -> Self {
        let length = format.rate().samples_in(FRAME_SECONDS);
        let half_rate_hz = format.rate().as_hz() / 2.0;
        let none = Spectra {
            n_frames: 0,
            power: vec![0.0; bin(half_rate_hz.min(HIGHEST_HZ)) + 1],
        };
        Self {
            frames: Frames::new(length, length),
            half_rate_hz,
            levels: vec![none; N_STEPS],
        }
    }

    /// Takes the next samples.
    pub fn push(&mut self, view: &Interleaved<'_>) {
        let levels = &mut self.levels;
        self.frames.push(view.mono(), |power| {
            let level = 10.0 * power.iter().sum::<f64>().log10();
            levels[step(level)].add(power);
        });
    }

    /// The bandwidth so far.
    pub fn summary(&self) -> BandwidthSummary {
        let content = self.content();
        let enough = content.n_frames >= LEAST_CONTENT;
        BandwidthSummary {
            band: if self.half_rate_hz <= EDGES_HZ[1] {
                // The stream itself ends there, whatever is said.
                Band::EndsAt(self.half_rate_hz)
            } else if enough {
                content.band()
            } else {
                Band::Unknown
            },
            roll_off_hz: enough.then(|| content.roll_off_hz()).flatten(),
        }
    }

    /// The frames that stand out of the noise.
    fn content(&self) -> Spectra {
        let least = (self.noise_dbfs() + CONTENT_DB).max(CONTENT_DBFS);
        let mut content = Spectra {
            n_frames: 0,
            power: vec![0.0; self.levels[0].power.len()],
        };
        for level in &self.levels[step(least) + 1..] {
            content.n_frames += level.n_frames;
            content.add_power(&level.power);
        }
        content
    }

    /// Level of the quietest tenth of the frames.
    fn noise_dbfs(&self) -> f64 {
        let n_frames: u64 = self.levels.iter().map(|l| l.n_frames).sum();
        let mut below = 0;
        let noise = self.levels.iter().position(|level| {
            below += level.n_frames;
            below as f64 >= NOISE_SHARE * n_frames as f64
        });
        LOWEST_DBFS + noise.unwrap_or(0) as f64 * STEP_DB
    }
}

impl Spectra {
    fn add(&mut self, power: &[f64]) {
        self.n_frames += 1;
        self.add_power(power);
    }

    fn add_power(&mut self, power: &[f64]) {
        for (sum, power) in self.power.iter_mut().zip(power) {
            *sum += power;
        }
    }

    fn band(&self) -> Band {
        let cliffs = EDGES_HZ.map(|edge| self.cliff_db(edge));
        let steep = EDGES_HZ
            .iter()
            .zip(cliffs)
            .find(|(_, cliff)| *cliff >= LEAST_CLIFF_DB);
        match steep {
            Some((edge, _)) => Band::EndsAt(*edge),
            None if cliffs.iter().all(|cliff| *cliff <= MOST_SLOPE_DB) => Band::Wide,
            None => Band::Unknown,
        }
    }

    /// Decibels by which the spectrum falls at an edge.
    fn cliff_db(&self, edge_hz: f64) -> f64 {
        let density = |[from, to]: [f64; 2]| {
            let last = self.power.len() - 1;
            let to = bin(edge_hz * to).min(last);
            let from = bin(edge_hz * from).min(to);
            let part = &self.power[from..=to];
            part.iter().sum::<f64>() / part.len() as f64
        };
        let above = density(ABOVE_EDGE).max(f64::MIN_POSITIVE);
        10.0 * (density(BELOW_EDGE) / above).max(f64::MIN_POSITIVE).log10()
    }

    fn roll_off_hz(&self) -> Option<f64> {
        let whole: f64 = self.power.iter().sum();
        let mut below = 0.0;
        let last = self.power.iter().position(|power| {
            below += power;
            below >= whole * ROLL_OFF_SHARE
        });
        last.map(|bin| bin as f64 * BIN_HZ)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive frequency"
)]
fn bin(hz: f64) -> usize {
    (hz / BIN_HZ).round() as usize
}

/// The step of a level; the first for everything that is too low.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate, and minus infinity becomes zero"
)]
fn step(dbfs: f64) -> usize {
    let above = ((dbfs - LOWEST_DBFS) / STEP_DB).round().max(0.0);
    (above as usize).min(N_STEPS - 1)
}
