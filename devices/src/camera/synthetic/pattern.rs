//! The moving test picture, with the noise of a sensor.

use crate::picture::frame::{
    Color, FrameError, FrameLayout, Matrix, PixelFormat, Range, Resolution,
};

/// Patches of many sizes, as occlusion makes pictures of the world: neither flat nor blurred.
const PATCHES: usize = 400;

/// Deviation of the noise in steps of luma: that of a webcam in a lit room.
const NOISE: f64 = 2.0;

/// Numbers of noise, which every row begins at another place.
const NOISE_LEN: usize = 1 << 16;

/// Pixels by which the box moves from frame to frame.
const STEP: usize = 8;

/// Draws frame after frame, in I420.
#[derive(Debug)]
pub(super) struct Pattern {
    layout: FrameLayout,
    width: usize,
    height: usize,
    still: Vec<u8>,
    noise: Vec<i8>,
    random: Random,
}

impl Pattern {
    /// # Errors
    ///
    /// An absurd size.
    pub(super) fn new(width: u32, height: u32) -> Result<Self, FrameError> {
        let resolution = Resolution::new(width, height)?;
        let color = Color {
            matrix: Matrix::Bt601,
            range: Range::Limited,
        };
        let layout = FrameLayout::new(PixelFormat::I420, resolution, None)?.with_color(color);
        let (width, height) = (width as usize, height as usize);
        let mut random = Random(1);
        Ok(Self {
            layout,
            width,
            height,
            still: still_picture(width, height, &mut random),
            noise: (0..NOISE_LEN).map(|_| random.noise()).collect(),
            random,
        })
    }

    pub(super) fn layout(&self) -> FrameLayout {
        self.layout
    }

    /// Bytes of a frame.
    pub(super) fn len(&self) -> usize {
        self.still.len()
    }

    /// Draws the frame of a number.
    pub(super) fn draw(&mut self, number: u64, into: &mut [u8]) {
        let luma = self.width * self.height;
        let (still, chroma) = self.still.split_at(luma.min(self.still.len()));
        let (y, uv) = into.split_at_mut(luma.min(into.len()));
        uv.copy_from_slice(chroma);
        let rows = y.chunks_mut(self.width).zip(still.chunks(self.width));
        for (row, still) in rows {
            let room = NOISE_LEN.saturating_sub(self.width).max(1);
            let from = self.random.below(room);
            let noise = self.noise.get(from..).unwrap_or_default();
            add_noise(row, still, noise);
        }
        self.draw_box(number, y);
    }

    /// A bright box that goes from left to right, as tall as an eighth of the picture.
    fn draw_box(&self, number: u64, y: &mut [u8]) {
        let side = (self.height / 8).clamp(1, self.width);
        let way = self.width - side + 1;
        let step = usize::try_from(number % way as u64).unwrap_or(0) * STEP % way;
        let top = (self.height - side) / 2;
        for row in y.chunks_mut(self.width).skip(top).take(side) {
            for pixel in row.iter_mut().skip(step).take(side) {
                *pixel = pixel.saturating_add(60).min(230);
            }
        }
    }
}

#[multiversion::multiversion(targets("x86_64+avx2"))]
fn add_noise(row: &mut [u8], still: &[u8], noise: &[i8]) {
    for ((to, still), noise) in row.iter_mut().zip(still).zip(noise) {
        *to = still.saturating_add_signed(*noise);
    }
}

/// Planes of luma and chroma: patches over a slope.
fn still_picture(width: usize, height: usize, random: &mut Random) -> Vec<u8> {
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let mut planes = vec![0; width * height + 2 * half_width * half_height];
    let (y, uv) = planes.split_at_mut(width * height);
    let (u, v) = uv.split_at_mut(half_width * half_height);
    for row in y.chunks_mut(width) {
        for (x, pixel) in row.iter_mut().enumerate() {
            *pixel = 70 + u8::try_from(x * 110 / width).unwrap_or(110);
        }
    }
    u.fill(128);
    v.fill(128);
    for _ in 0..PATCHES {
        let patch = Patch::random(width, height, random);
        patch.fill(y, width, 1, random.between(30, 225));
        patch.fill(u, half_width, 2, random.between(90, 166));
        patch.fill(v, half_width, 2, random.between(90, 166));
    }
    planes
}

/// A rectangle, by its left upper corner.
struct Patch {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

impl Patch {
    /// Small ones are more frequent: the side goes with the inverse of an even number.
    fn random(width: usize, height: usize, random: &mut Random) -> Self {
        let side = |random: &mut Random| (height / 4 / (1 + random.below(32))).max(4);
        Self {
            x: random.below(width),
            y: random.below(height),
            width: side(random),
            height: side(random),
        }
    }

    fn fill(&self, plane: &mut [u8], stride: usize, scale: usize, value: u8) {
        let rows = plane.chunks_mut(stride.max(1)).skip(self.y / scale);
        for row in rows.take(self.height / scale) {
            let pixels = row.iter_mut().skip(self.x / scale);
            pixels
                .take(self.width / scale)
                .for_each(|pixel| *pixel = value);
        }
    }
}

/// Numbers that are the same in every run: `splitmix64`, by S. Vigna, in the public domain.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Even in `0..n`.
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap_or(0)
    }

    fn between(&mut self, low: u8, high: u8) -> u8 {
        let span = usize::from(high.saturating_sub(low)) + 1;
        low.saturating_add(u8::try_from(self.below(span)).unwrap_or(0))
    }

    /// Near enough to normal: the sum of eight even bytes, whose deviation is 209.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most five deviations of two steps"
    )]
    fn noise(&mut self) -> i8 {
        let sum: u16 = self.next().to_le_bytes().into_iter().map(u16::from).sum();
        (NOISE * (f64::from(sum) - 1020.0) / 209.0).round() as i8
    }
}
