//! Synthetic scenes: a textured picture, a lens and a sensor, all from a seed.

use crate::picture::frame::{Color, Matrix, Range, Resolution};
use crate::picture::planes::{Chroma, Planar};

pub(super) const WIDTH: usize = 72;
pub(super) const HEIGHT: usize = 48;

/// Small and reproducible; splitmix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in 0..1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Deviation 1 and near enough to normal: the sum of the eight bytes of a number, whose
    /// variance is 8·(256² - 1)/12.
    pub(super) fn normal(&mut self) -> f64 {
        let sum: u16 = self.next().to_le_bytes().map(u16::from).iter().sum();
        (f64::from(sum) - 1020.0) / 209.02
    }
}

/// Shapes of many sizes with hard edges over a slope, as occlusion makes pictures of the world.
pub(super) fn scene(random: &mut Random) -> Vec<f64> {
    let (low, high) = (60.0 + 30.0 * random.unit(), 130.0 + 40.0 * random.unit());
    let mut picture: Vec<f64> = (0..WIDTH * HEIGHT)
        .map(|i| low + (high - low) * (i % WIDTH) as f64 / WIDTH as f64)
        .collect();
    for _ in 0..50 {
        let radius = 1.5 / (random.unit() + 0.05);
        let (x, y) = (random.unit() * WIDTH as f64, random.unit() * HEIGHT as f64);
        let level = 25.0 + 215.0 * random.unit();
        for (i, pixel) in picture.iter_mut().enumerate() {
            let (dx, dy) = ((i % WIDTH) as f64 - x, (i / WIDTH) as f64 - y);
            if dx * dx + dy * dy < radius * radius {
                *pixel = level;
            }
        }
    }
    // A lens and a Bayer pattern never resolve a single pixel.
    blur(&picture, 0.5)
}

/// A Gaussian of deviation `sigma` pixels.
pub(super) fn blur(picture: &[f64], sigma: f64) -> Vec<f64> {
    let reach = (1..40).find(|&r| f64::from(r) > 3.0 * sigma).unwrap_or(40);
    let weights: Vec<f64> = (-reach..=reach)
        .map(|d| (-0.5 * (f64::from(d) / sigma).powi(2)).exp())
        .collect();
    let rows = along(picture, WIDTH, &weights);
    transposed(&along(&transposed(&rows, WIDTH), HEIGHT, &weights), HEIGHT)
}

/// Filters each row of `width`, its ends repeated.
fn along(picture: &[f64], width: usize, weights: &[f64]) -> Vec<f64> {
    let reach = weights.len() / 2;
    let total: f64 = weights.iter().sum();
    let mut filtered = Vec::with_capacity(picture.len());
    for row in picture.chunks_exact(width) {
        for x in 0..width {
            let at = |i: usize| row[(x + i).saturating_sub(reach).min(width - 1)];
            let sum: f64 = weights.iter().enumerate().map(|(i, w)| w * at(i)).sum();
            filtered.push(sum / total);
        }
    }
    filtered
}

fn transposed(picture: &[f64], width: usize) -> Vec<f64> {
    let columns = (0..width).flat_map(|x| picture.iter().skip(x).step_by(width));
    columns.copied().collect()
}

/// What the sensor makes of light: shot noise that grows with it, read noise, rounding.
pub(super) fn expose(light: &[f64], noise: f64, random: &mut Random) -> Planar {
    let mut planes = Planar::default();
    let resolution = Resolution::new(WIDTH as u32, HEIGHT as u32).unwrap();
    let color = Color {
        matrix: Matrix::Bt601,
        range: Range::Full,
    };
    planes.reshape(resolution, Chroma::Gray, color);
    for (pixel, light) in planes.y.data.iter_mut().zip(light) {
        let deviation = noise * (0.5 + light / 255.0);
        let value = (light + deviation * random.normal()).round();
        *pixel = value.clamp(0.0, 255.0) as u8;
    }
    planes
}
