//! What is wrong with a camera's picture, from its frames over time.

use std::collections::VecDeque;
use std::time::Duration;

use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_reports::model::camera::SHARP_FROM;

use super::luma::{LumaPlane, LumaStats};
use super::planes::Planar;
use super::stillness::Change;

/// Fewest pictures for any judgement.
pub const MIN_PICTURES: usize = 10;

/// How long a picture must be black, covered or frozen. Shorter would catch the exposure of a
/// camera that has just been opened; the probe has no more than a few seconds.
pub const HELD_FOR: Duration = Duration::from_secs(1);

/// Latest pictures that low light and blur are judged by: two seconds at 30 frames a second.
const WINDOW: usize = 60;

/// Mean luma below which a picture is black. Source: testrtc.
const BLACK_MEAN: f64 = 20.0;

/// Share of pixels below 10 % of the range that makes a picture black. Source: ffmpeg blackdetect.
const BLACK_RATIO: f64 = 0.98;

/// Mean luma below which a flat picture is a covered lens rather than a plain wall.
const COVERED_MEAN: f64 = 60.0;

/// Levels between the 5th and 95th percentile, beyond what noise explains, that count as flat.
const COVERED_SPREAD: f64 = 12.0;

/// Mean luma below which light is low.
const LOW_LIGHT_MEAN: f64 = 50.0;

/// 95th percentile of luma below which light is low: nothing in the picture is bright.
const LOW_LIGHT_P95: f64 = 120.0;

/// Variance of the Laplacian of the reduced picture, beyond noise, below which there is no texture to judge by.
const MIN_TEXTURE: f64 = 12.0;

/// Takes the frames of one stream in the order of delivery.
#[derive(Clone, Debug, Default)]
pub struct PictureQuality {
    last: Option<LumaPlane>,
    window: VecDeque<Judged>,
    pictures: u64,
    corrupt: u64,
    comparisons: u64,
    repeats: u64,
    black: Held,
    covered: Held,
    frozen: Held,
}

#[derive(Clone, Copy, Debug)]
struct Judged {
    stats: LumaStats,
    sharpness: Option<f64>,
}

impl PictureQuality {
    /// Takes a picture. One too small to judge (below 8 × 8) only counts.
    pub fn push(&mut self, captured_at: MonotonicTime, picture: &Planar) {
        self.pictures += 1;
        let plane = LumaPlane::of(picture);
        if let Some(stats) = LumaStats::of(&plane) {
            let last = self.last.as_ref();
            let change = last.and_then(|last| Change::between(last, &plane));
            self.judge(captured_at, stats, change);
        }
        self.last = Some(plane);
    }

    /// Takes a frame that gave no picture.
    pub fn push_corrupt(&mut self) {
        self.corrupt += 1;
    }

    fn judge(&mut self, at: MonotonicTime, stats: LumaStats, change: Option<Change>) {
        let still = change.is_some_and(|change| change.is_still);
        self.comparisons += u64::from(change.is_some());
        self.repeats += u64::from(still);
        let black = is_black(&stats);
        self.black.update(at, black);
        self.covered.update(at, !black && is_covered(&stats));
        self.frozen.update(at, still);
        if self.window.len() == WINDOW {
            self.window.pop_front();
        }
        let sharpness = sharpness(&stats, change.as_ref());
        self.window.push_back(Judged { stats, sharpness });
    }

    /// What was seen so far.
    pub fn summary(&self) -> QualitySummary {
        let enough = self.window.len() >= MIN_PICTURES;
        let black = enough.then(|| self.black.current() >= HELD_FOR);
        let covered = enough.then(|| self.covered.current() >= HELD_FOR);
        let hidden = black == Some(true) || covered == Some(true);
        let mean_luma = self.median(|judged| Some(judged.stats.mean));
        let p95_luma = self.median(|judged| Some(judged.stats.p95.into()));
        let sharpness = self.median(|judged| judged.sharpness);
        let visible = |judgement: Option<bool>| judgement.filter(|_| !hidden);
        QualitySummary {
            pictures: self.pictures,
            corrupt: self.corrupt,
            unique: (self.comparisons > 0).then(|| self.pictures - self.repeats),
            black,
            covered,
            frozen: (self.comparisons >= MIN_PICTURES as u64)
                .then(|| self.frozen.longest >= HELD_FOR),
            low_light: visible(mean_luma.zip(p95_luma).map(is_low_light)),
            blurred: visible(sharpness.map(|sharpness| sharpness < SHARP_FROM)),
            mean_luma,
            p95_luma,
            noise: self.median(|judged| Some(judged.stats.noise)),
            sharpness,
        }
    }

    /// Median over the window; `None` with fewer than [`MIN_PICTURES`] values.
    fn median(&self, figure: impl Fn(&Judged) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<f64> = self.window.iter().filter_map(figure).collect();
        values.sort_by(f64::total_cmp);
        (values.len() >= MIN_PICTURES).then(|| values[values.len() / 2])
    }
}

/// What is wrong with a stream's picture. `None`: too few frames, or a stronger fault hides it.
#[derive(Clone, Debug, PartialEq)]
pub struct QualitySummary {
    /// Frames that gave a picture.
    pub pictures: u64,
    /// Frames that gave none.
    pub corrupt: u64,
    /// Pictures that differ from the one before.
    pub unique: Option<u64>,
    /// Black for the last second: mean luma below 20, or 98 % of pixels below 10 % of the range.
    pub black: Option<bool>,
    /// Dark and flat, but not black, for the last second.
    pub covered: Option<bool>,
    /// The same picture for a second, without the noise that every sensor has; at any time.
    ///
    /// `None` also where nearly all pixels are clipped to black or white.
    pub frozen: Option<bool>,
    /// Mean luma below 50, or 95th percentile below 120. Median over the last pictures.
    pub low_light: Option<bool>,
    /// Too little fine detail, see [`sharpness`]. Median over the last pictures.
    pub blurred: Option<bool>,
    /// Mean luma, 0..=255.
    pub mean_luma: Option<f64>,
    /// 95th percentile of luma, 0..=255.
    pub p95_luma: Option<f64>,
    /// Standard deviation of noise in levels, an upper bound in textured pictures.
    pub noise: Option<f64>,
    /// See [`sharpness`].
    pub sharpness: Option<f64>,
}

fn is_black(stats: &LumaStats) -> bool {
    stats.mean < BLACK_MEAN || stats.dark_ratio >= BLACK_RATIO
}

/// Noise alone spreads the 5th and 95th percentile by 3.3 deviations.
fn is_covered(stats: &LumaStats) -> bool {
    let flat = f64::from(stats.spread) < COVERED_SPREAD + 3.3 * stats.noise;
    stats.mean < COVERED_MEAN && flat
}

fn is_low_light((mean, p95): (f64, f64)) -> bool {
    mean < LOW_LIGHT_MEAN || p95 < LOW_LIGHT_P95
}

/// How much fine detail there is against detail at a quarter of the size, without noise: relative
/// to the scene.
///
/// The variance of the Laplacian over that of the picture reduced by four. Pictures of the world
/// have about as much detail at every scale; blur takes the finest first. White noise of deviation
/// σ adds 20σ² to the one and 20σ²/16 to the other, which is subtracted.
///
/// Below [`SHARP_FROM`] a picture is blurred: of 300 synthetic scenes the sharp ones gave 0.19 to
/// 0.35, a Gaussian of 1 pixel of 640 columns 0.02 to 0.04, of 2 pixels at most 0.014.
///
/// Limits: `None` without texture beyond noise. A scene that is itself soft (a curtain, bokeh
/// behind a small face) looks blurred; sharpening in the camera and blocks of a strong JPEG look
/// sharp. A blur whose deviation is below one pixel of 640 columns is not seen.
pub fn sharpness(stats: &LumaStats, change: Option<&Change>) -> Option<f64> {
    let noise = noise_variance(stats, change);
    let coarse = stats.laplacian_quartered - 1.25 * noise;
    let fine = (stats.laplacian - 20.0 * noise).max(0.0);
    (coarse > MIN_TEXTURE + 1.25 * noise).then(|| fine / coarse)
}

/// Variance of the noise: half of the change's where only noise changed, else the smaller of the
/// medians in space and time, as texture raises the one and motion the other.
fn noise_variance(stats: &LumaStats, change: Option<&Change>) -> f64 {
    let space = stats.noise * stats.noise;
    let Some(change) = change else { return space };
    let least = space.min(change.noise * change.noise);
    // Noise that grows with light has a variance above its median's; motion exceeds it by far.
    let total = change.variance / 2.0;
    if total < 2.0 * least { total } else { least }
}

/// For how long something has been so without a break.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    since: Option<MonotonicTime>,
    until: MonotonicTime,
    longest: Duration,
}

impl Held {
    /// A timestamp that runs backwards neither lengthens nor ends it.
    fn update(&mut self, at: MonotonicTime, holds: bool) {
        if !holds {
            self.since = None;
            return;
        }
        let since = *self.since.get_or_insert(at);
        self.until = at;
        self.longest = self.longest.max(at.since(since));
    }

    fn current(&self) -> Duration {
        let span = |since| self.until.since(since);
        self.since.map_or(Duration::ZERO, span)
    }
}
