//! What a camera sees in a call, synthetic: a room, a person who moves, a sensor's noise.
//!
//! What encoding costs depends on the picture: noise keeps blocks from being skipped, and motion is
//! searched for. Everything comes from a seed, so that two machines encode the same.

use crate::picture::frame::{Color, Matrix, Range, Resolution};
use crate::picture::planes::{Chroma, Planar, Plane};

/// Samples of noise; rows begin at random places of it.
const NOISE_LENGTH: usize = 1 << 16;
/// Shapes in each plane of the room and of the person: with fewer, flat areas make encoding cheaper
/// than a camera's pictures do; with more, the bitrate of a call no longer holds the detail.
const SHAPES: usize = 4000;
/// Radius of the smallest shapes, as a share of the width: four pixels in 720p.
const SMALLEST: f64 = 1.0 / 320.0;

/// Gives one picture after the other.
#[derive(Debug)]
pub(super) struct Scene {
    room: Planar,
    person: Planar,
    noise: Vec<i8>,
    random: Random,
    n_pictures: u32,
    picture: Planar,
}

impl Scene {
    pub(super) fn new(resolution: Resolution) -> Self {
        let mut random = Random(0x6772_6565_6e72_6f6f);
        let noise = (0..NOISE_LENGTH).map(|_| random.noise()).collect();
        let room = textured(resolution, [120, 132], &mut random);
        let person = textured(resolution, [112, 150], &mut random);
        Self {
            picture: room.clone(),
            room,
            person,
            noise,
            random,
            n_pictures: 0,
        }
    }

    /// The next picture: the person has moved by some pixels, and the noise is new.
    pub(super) fn next(&mut self) -> &Planar {
        let resolution = self.room.resolution();
        let phase = f64::from(self.n_pictures) / 30.0 * std::f64::consts::TAU;
        self.n_pictures = self.n_pictures.wrapping_add(1);
        // Swaying by 3 % of the width once a second and nodding twice as fast.
        let sway = 0.03 * f64::from(resolution.width()) * phase.sin();
        let nod = 0.01 * f64::from(resolution.height()) * (2.0 * phase).sin();
        let shift = (even(sway), even(nod));
        let half = (shift.0 / 2, shift.1 / 2);
        let planes = [
            (&self.room.y, &self.person.y, &mut self.picture.y, shift),
            (&self.room.u, &self.person.u, &mut self.picture.u, half),
            (&self.room.v, &self.person.v, &mut self.picture.v, half),
        ];
        for (room, person, picture, shift) in planes {
            picture.data.copy_from_slice(&room.data);
            put_person(person, shift, picture);
        }
        add_noise(&self.noise, &mut self.random, &mut self.picture.y);
        &self.picture
    }
}

/// To an even number, so that chroma moves by whole samples.
#[expect(clippy::cast_possible_truncation, reason = "a few pixels")]
fn even(pixels: f64) -> isize {
    (pixels / 2.0).round() as isize * 2
}

/// An ellipse of half the height, in the middle of the lower part, whose texture moves with it.
fn put_person(person: &Plane, (right, down): (isize, isize), picture: &mut Plane) {
    let stride = picture.stride().max(1);
    let rows = picture.data.len() / stride;
    let (radius_x, radius_y) = (stride as f64 / 5.0, rows as f64 / 2.0);
    let middle = rows as f64 * 0.6 + down as f64;
    for (y, to) in picture.data.chunks_exact_mut(stride).enumerate() {
        let distance = (y as f64 - middle) / radius_y;
        let half = radius_x * (1.0 - distance * distance).max(0.0).sqrt();
        let span = span(stride, half, right);
        let source_row = y.saturating_add_signed(-down).min(rows - 1);
        let from = &person.data[source_row * stride..][..stride];
        let start = span.start.saturating_add_signed(-right);
        let length = span.len().min(stride - start.min(stride));
        to[span.start..][..length].copy_from_slice(&from[start..][..length]);
    }
}

/// Columns within `half` of the middle, moved to the right.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, below the stride"
)]
fn span(stride: usize, half: f64, right: isize) -> std::ops::Range<usize> {
    let half = half as usize;
    let middle = (stride / 2).saturating_add_signed(right);
    middle.saturating_sub(half)..(middle + half).min(stride)
}

fn add_noise(noise: &[i8], random: &mut Random, plane: &mut Plane) {
    let stride = plane.stride().max(1);
    for row in plane.data.chunks_exact_mut(stride) {
        let start = random.below(noise.len() - stride.min(noise.len() - 1));
        for (sample, noise) in row.iter_mut().zip(&noise[start..]) {
            *sample = sample.saturating_add_signed(*noise);
        }
    }
}

/// Shapes of many sizes with edges over a slope, as occlusion makes pictures of the world, around
/// this blue and red difference.
fn textured(resolution: Resolution, [u, v]: [u8; 2], random: &mut Random) -> Planar {
    let color = Color {
        matrix: Matrix::Bt601,
        range: Range::Limited,
    };
    let mut picture = Planar::default();
    picture.reshape(resolution, Chroma::Halved, color);
    for (plane, base, contrast) in [
        (&mut picture.y, 110, 60),
        (&mut picture.u, u, 10),
        (&mut picture.v, v, 10),
    ] {
        plane.data.fill(base);
        for _ in 0..SHAPES {
            let level = base - contrast + random.byte(2 * contrast);
            put_disc(plane, level, random);
        }
        soften(plane);
    }
    picture
}

/// A disc anywhere, most of them small.
///
/// The density of radii falls with their third power, so that detail is alike at every scale.
///
/// Source: Lee, Mumford and Huang, "Occlusion Models for Natural Images" (2001).
fn put_disc(plane: &mut Plane, level: u8, random: &mut Random) {
    let stride = plane.stride().max(1);
    let rows = plane.data.len() / stride;
    let radius = radius(stride, random.unit());
    let (x, y) = (random.below(stride), random.below(rows));
    let first = y.saturating_sub(radius);
    let lines = plane.data.chunks_exact_mut(stride).enumerate();
    for (row, line) in lines.skip(first).take(y + radius + 1 - first) {
        let distance = row.abs_diff(y).min(radius);
        let half = (radius * radius - distance * distance).isqrt();
        line[x.saturating_sub(half)..(x + half).min(stride)].fill(level);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, below the stride"
)]
fn radius(stride: usize, unit: f64) -> usize {
    let radius = stride as f64 * SMALLEST / unit.max(1e-6).sqrt();
    radius.min(stride as f64 / 6.0).ceil() as usize
}

/// A lens and a Bayer pattern never resolve a single pixel.
fn soften(plane: &mut Plane) {
    let stride = plane.stride().max(1);
    for at in 1..plane.data.len() {
        plane.data[at] = plane.data[at].midpoint(plane.data[at - 1]);
    }
    for at in stride..plane.data.len() {
        plane.data[at] = plane.data[at].midpoint(plane.data[at - stride]);
    }
}

/// Small and reproducible; splitmix64.
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

    /// Below `limit`, which is small beside 2^64; 0 for 0.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % limit).unwrap_or(0)
    }

    /// Uniform in 0..1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn byte(&mut self, limit: u8) -> u8 {
        u8::try_from(self.below(usize::from(limit))).unwrap_or(0)
    }

    /// Near enough to normal, as the sum of four bytes, and of 2.3 steps of luma: a webcam's in a
    /// lit room.
    fn noise(&mut self) -> i8 {
        let sum: i16 = (0..4).map(|_| i16::from(self.byte(u8::MAX))).sum();
        i8::try_from((sum - 508) / 64).unwrap_or(0)
    }
}
