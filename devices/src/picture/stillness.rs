//! How much one picture differs from the one before.

use super::luma::{LumaPlane, median_of_counts};

/// Least share of pixels that are neither black nor white, for a comparison. Clipped pixels have
/// no noise, so that a picture of nothing else looks still though it is not.
const MIN_UNCLIPPED: f64 = 0.05;

/// Highest variance of the change that counts as no noise: one pixel of a thousand by one level.
/// Even a sensor whose noise is a hundredth of a level changes ten times as many.
const NO_NOISE: f64 = 0.001;

/// Mean absolute change, in levels, below which pictures are alike.
const ALIKE_MEAN: f64 = 0.5;

/// Structural similarity above which pictures are alike. Source: testrtc.
const ALIKE_SSIM: f64 = 0.985;

/// The change from one picture to the next, over pixels that are clipped in neither.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Mean of the absolute difference, in levels.
    pub mean_absolute: f64,
    /// Variance of the difference: twice that of the noise, and motion.
    pub variance: f64,
    /// Standard deviation of the noise from the median difference; motion in less than half of
    /// the picture does not count.
    pub noise: f64,
    /// Whether both are one picture: alike, and without the noise that every sensor has.
    pub is_still: bool,
}

impl Change {
    /// Compares two pictures; `None` when their sizes differ or nearly all is clipped.
    pub fn between(before: &LumaPlane, now: &LumaPlane) -> Option<Self> {
        if before.width() != now.width() || before.data().len() != now.data().len() {
            return None;
        }
        let differences = Differences::of(before.data(), now.data());
        let n = differences.counts.iter().sum::<usize>() as f64;
        if n < 1.0 || n < MIN_UNCLIPPED * now.data().len() as f64 {
            return None;
        }
        let counted = differences.counts.iter().enumerate();
        let absolute: usize = counted.map(|(difference, n)| difference * n).sum();
        let mean_absolute = absolute as f64 / n;
        let mean = differences.sum as f64 / n;
        let variance = differences.squares as f64 / n - mean * mean;
        let alike = || mean_absolute < ALIKE_MEAN || ssim(before, now) > ALIKE_SSIM;
        Some(Self {
            mean_absolute,
            variance,
            noise: median_of_counts(&differences.counts) / (0.6745 * std::f64::consts::SQRT_2),
            is_still: variance < NO_NOISE && alike(),
        })
    }
}

struct Differences {
    /// By absolute difference.
    counts: [usize; 256],
    sum: i64,
    squares: i64,
}

impl Differences {
    fn of(before: &[u8], now: &[u8]) -> Self {
        let mut all = Self {
            counts: [0; 256],
            sum: 0,
            squares: 0,
        };
        for (&a, &b) in before.iter().zip(now) {
            if is_unclipped(a) && is_unclipped(b) {
                let difference = i64::from(b) - i64::from(a);
                all.counts[usize::from(a.abs_diff(b))] += 1;
                all.sum += difference;
                all.squares += difference * difference;
            }
        }
        all
    }
}

fn is_unclipped(sample: u8) -> bool {
    (1..=254).contains(&sample)
}

/// Mean structural similarity over blocks of 8 × 8; 1 when equal.
///
/// Source: Z. Wang et al., "Image Quality Assessment" (2004), with uniform windows:
/// C1 = (0.01·255)², C2 = (0.03·255)².
pub fn ssim(a: &LumaPlane, b: &LumaPlane) -> f64 {
    let width = a.width();
    let height = a.data().len().min(b.data().len()) / width.max(1);
    let (mut sum, mut n) = (0.0, 0.0);
    for y in (0..height.saturating_sub(7)).step_by(8) {
        for x in (0..width.saturating_sub(7)).step_by(8) {
            sum += block_ssim(a.data(), b.data(), y * width + x, width);
            n += 1.0;
        }
    }
    if n > 0.0 { sum / n } else { 1.0 }
}

fn block_ssim(a: &[u8], b: &[u8], at: usize, stride: usize) -> f64 {
    const C1: f64 = 6.5025;
    const C2: f64 = 58.5225;
    let mut sums = [0.0; 5];
    for row in 0..8 {
        let from = at + row * stride;
        for (&a, &b) in a[from..from + 8].iter().zip(&b[from..from + 8]) {
            let (a, b) = (f64::from(a), f64::from(b));
            for (sum, term) in sums.iter_mut().zip([a, b, a * a, b * b, a * b]) {
                *sum += term;
            }
        }
    }
    let [mean_a, mean_b, square_a, square_b, product] = sums.map(|sum| sum / 64.0);
    let variances = square_a - mean_a * mean_a + square_b - mean_b * mean_b;
    let covariance = product - mean_a * mean_b;
    (2.0 * mean_a * mean_b + C1) * (2.0 * covariance + C2)
        / ((mean_a * mean_a + mean_b * mean_b + C1) * (variances + C2))
}
