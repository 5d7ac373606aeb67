//! Statistics of a small luma plane, in units of 0..=255 full range.

use super::frame::Range;
use super::planes::Planar;

/// Width to which pictures are reduced. Larger costs time; smaller hides slight blur.
pub const LUMA_WIDTH: usize = 640;

/// Below this a pixel counts as dark: 10 % of the range, as ffmpeg's blackdetect.
const DARK: usize = 26;

/// A picture's luma, reduced by averaging whole boxes and stretched to full range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LumaPlane {
    width: usize,
    data: Vec<u8>,
}

impl LumaPlane {
    /// Reduces a picture to at most [`LUMA_WIDTH`] columns; a remainder at the edges is left out.
    pub fn of(planes: &Planar) -> Self {
        let resolution = planes.resolution();
        let factor = (resolution.width() as usize).div_ceil(LUMA_WIDTH);
        // A picture lower than its box has one row.
        let down = factor.min(resolution.height() as usize);
        let width = resolution.width() as usize / factor;
        let rows: Vec<&[u8]> = planes.y().rows(resolution.height() as usize).collect();
        let levels = levels(planes.color().range);
        let mut data = Vec::with_capacity(width * (rows.len() / down));
        let mut sums = vec![0_u32; width];
        for band in rows.chunks_exact(down) {
            sums.fill(0);
            for row in band {
                add_boxes(row, factor, &mut sums);
            }
            let level = |&sum: &u32| levels[usize::from(mean_of(sum, factor * down))];
            data.extend(sums.iter().map(level));
        }
        Self { width, data }
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Samples, row by row.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    fn rows(&self) -> Vec<&[u8]> {
        self.data.chunks_exact(self.width.max(1)).collect()
    }
}

fn add_boxes(row: &[u8], factor: usize, sums: &mut [u32]) {
    for (sum, pixels) in sums.iter_mut().zip(row.chunks_exact(factor)) {
        *sum += pixels.iter().map(|&p| u32::from(p)).sum::<u32>();
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a mean of bytes is a byte, and a box has at most 13 x 13"
)]
fn mean_of(sum: u32, n: usize) -> u8 {
    let n = n as u32;
    ((sum + n / 2) / n) as u8
}

/// Full-range values of the codes; BT.601: 16 is black, 235 white.
fn levels(range: Range) -> [u8; 256] {
    std::array::from_fn(|code| {
        let code = u8::try_from(code).unwrap_or(u8::MAX);
        match range {
            Range::Full => code,
            Range::Limited => {
                let above = u32::from(code.clamp(16, 235)) - 16;
                u8::try_from((above * 255 + 109) / 219).unwrap_or(u8::MAX)
            }
        }
    })
}

/// What one picture's luma says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LumaStats {
    /// Mean, 0..=255.
    pub mean: f64,
    /// 95th percentile, 0..=255.
    pub p95: u8,
    /// Variance of the samples.
    pub variance: f64,
    /// Share of samples below 10 % of the range.
    pub dark_ratio: f64,
    /// Levels from the 5th to the 95th percentile: small means a flat histogram.
    pub spread: u8,
    /// Standard deviation of the noise, from a high-pass filter; texture raises it.
    pub noise: f64,
    /// Variance of the Laplacian of the plane.
    pub laplacian: f64,
    /// The same after reducing the plane to a quarter in both directions; 0 when that leaves less
    /// than 3 × 3.
    pub laplacian_quartered: f64,
}

impl LumaStats {
    /// Statistics of a plane; `None` when it is too small for the filters, below 8 × 8.
    pub fn of(plane: &LumaPlane) -> Option<Self> {
        let rows = plane.rows();
        if plane.width < 8 || rows.len() < 8 {
            return None;
        }
        let histogram = histogram(plane);
        let (mean, variance) = moments(&histogram);
        let at = |q| percentile(&histogram, q);
        let filters = Filters::over(&rows);
        let dark: usize = histogram[..DARK].iter().sum();
        Some(Self {
            mean,
            p95: at(0.95),
            variance,
            dark_ratio: dark as f64 / plane.data.len() as f64,
            spread: at(0.95) - at(0.05),
            noise: filters.noise(),
            laplacian: filters.laplacian_variance(),
            laplacian_quartered: Filters::over(&rows_of(&reduced(&rows, 4))).laplacian_variance(),
        })
    }
}

fn histogram(plane: &LumaPlane) -> [usize; 256] {
    let mut histogram = [0; 256];
    for &sample in &plane.data {
        histogram[usize::from(sample)] += 1;
    }
    histogram
}

/// Mean and variance.
fn moments(histogram: &[usize; 256]) -> (f64, f64) {
    let total = histogram.iter().sum::<usize>() as f64;
    let levels = || histogram.iter().enumerate();
    let mean = levels().map(|(l, &n)| l as f64 * n as f64).sum::<f64>() / total;
    let squares = levels().map(|(l, &n)| (l as f64 - mean).powi(2) * n as f64);
    (mean, squares.sum::<f64>() / total)
}

/// The smallest level with at least the share `q` at or below it.
fn percentile(histogram: &[usize; 256], q: f64) -> u8 {
    let needed = q * histogram.iter().sum::<usize>() as f64;
    let mut below = 0;
    let found = histogram.iter().position(|&n| {
        below += n;
        below as f64 >= needed
    });
    found.map_or(u8::MAX, |level| u8::try_from(level).unwrap_or(u8::MAX))
}

/// What the filters over 3 × 3 pixels say; one pass, since they are most of the time.
struct Filters {
    /// By absolute value of the high-pass filter.
    high_pass: Vec<usize>,
    n: u32,
    laplacian_sum: i64,
    laplacian_squares: i64,
}

impl Filters {
    fn over(rows: &[&[u8]]) -> Self {
        let mut all = Self {
            high_pass: vec![0; 8 * 255 + 1],
            n: 0,
            laplacian_sum: 0,
            laplacian_squares: 0,
        };
        for band in rows.windows(3) {
            let (above, middle, below) = (band[0], band[1], band[2]);
            let triples = above
                .windows(3)
                .zip(middle.windows(3))
                .zip(below.windows(3));
            for ((above, middle), below) in triples {
                all.add(above, middle, below);
            }
        }
        all
    }

    #[inline]
    fn add(&mut self, above: &[u8], middle: &[u8], below: &[u8]) {
        let at = |row: &[u8], x: usize| i32::from(row[x]);
        let center = at(middle, 1);
        let sides = at(above, 1) + at(middle, 0) + at(middle, 2) + at(below, 1);
        let corners = at(above, 0) + at(above, 2) + at(below, 0) + at(below, 2);
        let high_pass = corners - 2 * sides + 4 * center;
        self.high_pass[high_pass.unsigned_abs() as usize] += 1;
        let laplacian = i64::from(sides - 4 * center);
        self.n += 1;
        self.laplacian_sum += laplacian;
        self.laplacian_squares += laplacian * laplacian;
    }

    /// Standard deviation of noise: median of a high-pass filter that ignores slopes and curvature.
    ///
    /// The filter's own deviation under white noise is 6, and the median of |x| of a normal
    /// variable is 0.6745 deviations.
    ///
    /// Source: J. Immerkær, "Fast Noise Variance Estimation", CVIU 64 (1996); the median absolute
    /// deviation instead of the mean, since edges are few.
    fn noise(&self) -> f64 {
        median_of_counts(&self.high_pass) / (6.0 * 0.6745)
    }

    fn laplacian_variance(&self) -> f64 {
        let n = f64::from(self.n.max(1));
        let mean = self.laplacian_sum as f64 / n;
        self.laplacian_squares as f64 / n - mean * mean
    }
}

/// Median of counted absolute values, interpolated within its level, so that less than one level
/// is not taken for none.
pub(super) fn median_of_counts(counts: &[usize]) -> f64 {
    let half = counts.iter().sum::<usize>() as f64 / 2.0;
    let mut below = 0.0;
    for (value, &n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
        let here = n as f64;
        if below + here >= half {
            // Level 0 holds what lies below half a level, the others half a level to either side.
            let (from, width) = match value {
                0 => (0.0, 0.5),
                _ => (value as f64 - 0.5, 1.0),
            };
            return from + width * (half - below) / here;
        }
        below += here;
    }
    0.0
}

/// Means of boxes of `factor` × `factor`; a remainder at the edges is left out.
fn reduced(rows: &[&[u8]], factor: usize) -> Vec<Vec<u8>> {
    let width = rows.first().map_or(0, |row| row.len()) / factor;
    let band = |band: &[&[u8]]| {
        let mut sums = vec![0_u32; width];
        for row in band {
            add_boxes(row, factor, &mut sums);
        }
        let means = sums.iter().map(|&sum| mean_of(sum, factor * factor));
        means.collect()
    };
    rows.chunks_exact(factor).map(band).collect()
}

fn rows_of(rows: &[Vec<u8>]) -> Vec<&[u8]> {
    rows.iter().map(Vec::as_slice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(width: usize, data: Vec<u8>) -> LumaPlane {
        LumaPlane { width, data }
    }

    #[test]
    fn a_ramp_has_its_moments_and_neither_noise_nor_laplacian() {
        // Columns 0, 10 … 70, eight rows: mean 35, variance 100·(64 - 1)/12 = 525.
        let data = (0..64).map(|i| (i % 8) * 10).collect();
        let stats = LumaStats::of(&plane(8, data)).unwrap();
        assert!((stats.mean - 35.0).abs() < 1e-9);
        assert!((stats.variance - 525.0).abs() < 1e-9);
        assert_eq!((stats.p95, stats.spread), (70, 70));
        assert!((stats.dark_ratio - 3.0 / 8.0).abs() < 1e-9);
        assert!(stats.laplacian.abs() < 1e-9);
        assert!(stats.noise < 0.2, "{}", stats.noise);
    }

    #[test]
    fn a_checkerboard_is_nothing_but_laplacian() {
        // ±4·20 at each pixel: 80² = 6400. Reduced, it is flat.
        let data = (0..64).map(|i| 100 + 20 * ((i % 8 + i / 8) % 2)).collect();
        let stats = LumaStats::of(&plane(8, data)).unwrap();
        assert!((stats.laplacian - 6400.0).abs() < 1e-9);
        assert!(stats.laplacian_quartered.abs() < 1e-9);
    }

    #[test]
    fn limited_range_is_stretched() {
        let levels = levels(Range::Limited);
        assert_eq!((levels[0], levels[16]), (0, 0));
        assert_eq!((levels[235], levels[255], levels[126]), (255, 255, 128));
    }
}
