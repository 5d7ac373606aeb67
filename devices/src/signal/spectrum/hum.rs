//! Mains hum.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use serde::Serialize;

use crate::signal::spectrum::frames::Frames;
use crate::signal::view::{Format, Interleaved};
use greenroom_reports::units::Dbfs;

/// Frequencies of the mains in Hz.
const MAINS_HZ: [u32; 2] = [50, 60];

/// Harmonics that are looked at. The higher ones drown in speech and wander with the mains.
const N_HARMONICS: u32 = 6;

/// One of the first so many harmonics has to be there: higher ones are shared by 50 and 60 Hz.
const N_DECISIVE: u32 = 3;

/// Decibels by which a harmonic stands above its neighborhood, at the least.
const LEAST_PROMINENCE_DB: f64 = 10.0;

/// Share of the segments in which it may stand lower, since somebody speaks.
const MOST_WITHOUT: f64 = 0.2;

/// Fewest segments of one second, each half a second after the one before: two seconds of sound.
const LEAST_SEGMENTS: usize = 3;

/// Most segments that are kept: the latest half minute.
const MOST_SEGMENTS: usize = 60;

/// Largest distance in Hz of what counts as neighborhood.
const NEIGHBORHOOD_HZ: usize = 20;

/// Power under which nothing counts, −120 dBFS: rounding of 16 bit has lines there too.
const LEAST_POWER: f64 = 1e-12;

/// Looks for steady lines at harmonics of the mains, in the mean of all channels.
#[derive(Debug)]
pub struct HumMeter {
    frames: Frames,
    segments: VecDeque<Vec<Line>>,
}

/// Whether there is mains hum.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "hum", rename_all = "snake_case")]
pub enum Hum {
    /// Less than two seconds of sound.
    Unknown,
    /// None that stands out.
    Absent,
    /// Steady lines at the mains' harmonics.
    Present(MainsHum),
}

/// Steady lines at the mains' harmonics.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MainsHum {
    /// 50 or 60.
    pub mains_hz: u32,
    /// Which harmonics stand out; 1 is the mains' own frequency.
    pub harmonics: Vec<u32>,
    /// By how much the strongest stands above its neighborhood in four of five segments, in dB.
    pub prominence_db: f64,
    /// RMS of these harmonics together.
    pub level_dbfs: Option<Dbfs>,
}

/// One harmonic in one segment.
#[derive(Clone, Copy, Debug)]
struct Line {
    prominence_db: f64,
    power: f64,
}

impl HumMeter {
    /// For streams of this format.
    pub fn new(format: Format) -> Self {
        // A segment of one second has a bin a hertz.
        let second = format.rate().samples_in(1.0);
        Self {
            frames: Frames::new(second, second / 2),
            segments: VecDeque::new(),
        }
    }

    /// Takes the next samples.
    pub fn push(&mut self, view: &Interleaved<'_>) {
        let segments = &mut self.segments;
        self.frames.push(view.mono(), |power| {
            if segments.len() == MOST_SEGMENTS {
                segments.pop_front();
            }
            segments.push_back(lines().map(|(m, h)| Line::find(power, m, h)).collect());
        });
    }

    /// The hum in the latest half minute.
    pub fn summary(&self) -> Hum {
        if self.segments.len() < LEAST_SEGMENTS {
            return Hum::Unknown;
        }
        let found = MAINS_HZ.iter().filter_map(|mains| self.at(*mains));
        found
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map_or(Hum::Absent, |(_, hum)| Hum::Present(hum))
    }

    /// Hum of one mains frequency, with the sum of its lines' prominence.
    fn at(&self, mains_hz: u32) -> Option<(f64, MainsHum)> {
        let mut steady = Vec::new();
        for (n, (mains, harmonic)) in lines().enumerate() {
            let line = self.steady(n);
            if mains == mains_hz && line.prominence_db > LEAST_PROMINENCE_DB {
                steady.push((harmonic, line));
            }
        }
        let decisive = steady.iter().any(|(harmonic, _)| *harmonic <= N_DECISIVE);
        let prominences = steady.iter().map(|(_, line)| line.prominence_db);
        let hum = MainsHum {
            mains_hz,
            harmonics: steady.iter().map(|(harmonic, _)| *harmonic).collect(),
            prominence_db: prominences.clone().fold(0.0, f64::max),
            level_dbfs: Dbfs::from_power(steady.iter().map(|(_, line)| line.power).sum()),
        };
        decisive.then(|| (prominences.sum(), hum))
    }

    /// What a line reaches in all but the segments that may lack it.
    fn steady(&self, n: usize) -> Line {
        Line {
            prominence_db: quantile(self.segments.iter().map(|s| s[n].prominence_db)),
            power: quantile(self.segments.iter().map(|s| s[n].power)),
        }
    }
}

/// Every line that is looked at: mains frequency and harmonic.
fn lines() -> impl Iterator<Item = (u32, u32)> {
    MAINS_HZ
        .into_iter()
        .flat_map(|mains| (1..=N_HARMONICS).map(move |harmonic| (mains, harmonic)))
}

impl Line {
    /// The line in a spectrum with a bin a hertz.
    fn find(power: &[f64], mains_hz: u32, harmonic: u32) -> Self {
        let center = (mains_hz * harmonic) as usize;
        // The mains are true to 0.2 Hz, and the window spreads a line over two bins.
        let reach = 1 + harmonic as usize / 4;
        let part = power.get(around(center, reach)).unwrap_or_default();
        let peak = part.iter().copied().fold(0.0, f64::max);
        let floor = neighborhood(power, center).max(LEAST_POWER);
        let line = power.get(around(center, reach + 1)).unwrap_or_default();
        Self {
            prominence_db: 10.0 * (peak / floor).max(f64::MIN_POSITIVE).log10(),
            power: line.iter().sum(),
        }
    }
}

fn around(center: usize, reach: usize) -> RangeInclusive<usize> {
    center - reach..=center + reach
}

/// Median power of the bins around a line that are no harmonics themselves.
fn neighborhood(power: &[f64], center: usize) -> f64 {
    let bins = around(center, NEIGHBORHOOD_HZ).filter(|bin| {
        MAINS_HZ.iter().all(|mains| {
            let above = bin % *mains as usize;
            above.min(*mains as usize - above) > 3
        })
    });
    let mut powers: Vec<f64> = bins.filter_map(|bin| power.get(bin).copied()).collect();
    powers.sort_by(f64::total_cmp);
    powers.get(powers.len() / 2).copied().unwrap_or(0.0)
}

/// The value that all but [`MOST_WITHOUT`] reach.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a length"
)]
fn quantile(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() as f64 * MOST_WITHOUT) as usize;
    sorted.get(rank).copied().unwrap_or(0.0)
}
