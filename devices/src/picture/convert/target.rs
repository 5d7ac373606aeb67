//! Planes into what encoders and the screen take.

use super::borrow::{gray, matrix, planar, range};
use super::formats::copy_rows;
use super::unpacker::ConvertError;
use crate::picture::planes::{Chroma, Planar, Plane, Rgba};

/// Makes I420 of planes: chroma is averaged where it is not halved, neutral where there is none.
pub fn to_i420(planes: &Planar, i420: &mut Planar) {
    i420.reshape(planes.resolution, Chroma::Halved, planes.color);
    let rows = planes.resolution.height() as usize;
    copy_rows(planes.y.rows(rows), &mut i420.y);
    for (from, to) in [(&planes.u, &mut i420.u), (&planes.v, &mut i420.v)] {
        match planes.chroma {
            Chroma::Gray => to.data.fill(128),
            chroma => halve(from, chroma.size(planes.resolution).1, chroma, to),
        }
    }
}

/// Makes a picture for the screen of planes.
///
/// # Errors
///
/// None that a caller can cause.
pub fn to_rgba(planes: &Planar, rgba: &mut Rgba) -> Result<(), ConvertError> {
    let resolution = planes.resolution;
    let (range, matrix) = (range(planes.color), matrix(planes.color));
    rgba.reshape(resolution);
    let (data, stride) = (&mut rgba.data[..], resolution.width() * 4);
    match planes.chroma {
        Chroma::Gray => yuv::yuv400_to_rgba(&gray(planes), data, stride, range, matrix)?,
        Chroma::Halved => yuv::yuv420_to_rgba(&planar(planes), data, stride, range, matrix)?,
        Chroma::HalvedAcross => yuv::yuv422_to_rgba(&planar(planes), data, stride, range, matrix)?,
        Chroma::Whole => yuv::yuv444_to_rgba(&planar(planes), data, stride, range, matrix)?,
        Chroma::HalvedDown => {
            let mut i420 = Planar::default();
            to_i420(planes, &mut i420);
            yuv::yuv420_to_rgba(&planar(&i420), data, stride, range, matrix)?;
        }
    }
    Ok(())
}

/// Halves what is not halved yet; an odd last row or column stands for itself.
fn halve(from: &Plane, height: usize, chroma: Chroma, to: &mut Plane) {
    let down = matches!(chroma, Chroma::HalvedAcross | Chroma::Whole);
    let across = matches!(chroma, Chroma::HalvedDown | Chroma::Whole);
    let mut rows = from.rows(height);
    for to in to.data.chunks_mut(to.stride.max(1)) {
        let Some(first) = rows.next() else { return };
        let second = if down { rows.next() } else { None }.unwrap_or(first);
        if across {
            halve_both(first, second, to);
        } else {
            mean_rows(first, second, to);
        }
    }
}

#[multiversion::multiversion(targets("x86_64+avx2"))]
#[expect(clippy::cast_possible_truncation, reason = "a mean of bytes is a byte")]
fn mean_rows(first: &[u8], second: &[u8], to: &mut [u8]) {
    for (to, (a, b)) in to.iter_mut().zip(first.iter().zip(second)) {
        *to = (u16::from(*a) + u16::from(*b)).div_ceil(2) as u8;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a mean of bytes is a byte")]
fn halve_both(first: &[u8], second: &[u8], to: &mut [u8]) {
    let sum = |pair: &[u8]| u16::from(pair[0]) + u16::from(*pair.last().unwrap_or(&pair[0]));
    let pairs = first.chunks(2).zip(second.chunks(2));
    for (to, (a, b)) in to.iter_mut().zip(pairs) {
        *to = ((sum(a) + sum(b) + 2) / 4) as u8;
    }
}
