//! From what drivers give to planes, I420 and RGBA.
//!
//! Chroma is taken as the mean of the pixels that it covers, and shown on all of them; nothing is
//! interpolated. Matrix and range are kept between formats of luma and chroma, and said in
//! [`Planar::color`]; RGB becomes BT.601 limited, since that is what video encoders expect.

use yuv::{YuvConversionMode, YuvError, YuvPackedImage, YuvRange, YuvStandardMatrix};

use super::borrow::{gray, matrix, planar, planar_mut, range, small};
use super::frame::{Color, Frame, FrameLayout, Matrix, PixelFormat, Range, Resolution};
use super::jpeg::{JpegDecoder, JpegError};
use super::planes::{Chroma, Planar, Plane, Rgba};

/// Brings frames of any format into planes; buffers are kept from frame to frame.
#[derive(Debug, Default)]
pub struct Unpacker {
    jpeg: JpegDecoder,
    planes: Planar,
    /// Rows of a frame whose stride is longer than its rows.
    tight: Vec<u8>,
}

impl Unpacker {
    /// The frame's planes, with chroma sampled as the camera did.
    ///
    /// The size is that of the data: a JPEG may differ from what the driver promised.
    ///
    /// # Errors
    ///
    /// A JPEG that is damaged or of an unsupported kind.
    pub fn unpack(&mut self, frame: &Frame<'_>) -> Result<&Planar, ConvertError> {
        match frame.layout().format() {
            PixelFormat::Mjpeg => return Ok(self.jpeg.decode(frame.data())?),
            PixelFormat::Yuyv | PixelFormat::Uyvy => self.unpack_422(frame)?,
            PixelFormat::Rgb24 | PixelFormat::Bgr24 => self.unpack_rgb(frame)?,
            PixelFormat::Nv12 => unpack_nv12(frame, &mut self.planes),
            PixelFormat::I420 => unpack_i420(frame, &mut self.planes),
            PixelFormat::Grey => unpack_gray(frame, &mut self.planes),
        }
        Ok(&self.planes)
    }

    fn unpack_422(&mut self, frame: &Frame<'_>) -> Result<(), ConvertError> {
        let layout = frame.layout();
        let resolution = layout.resolution();
        let row = resolution.chroma_width() * 4;
        let packed = YuvPackedImage {
            yuy: tight_rows(frame, row, &mut self.tight),
            yuy_stride: small(row),
            width: resolution.width(),
            height: resolution.height(),
        };
        self.planes
            .reshape(resolution, Chroma::HalvedAcross, layout.color());
        let mut target = planar_mut(&mut self.planes);
        match layout.format() {
            PixelFormat::Uyvy => yuv::uyvy422_to_yuv422(&mut target, &packed)?,
            _ => yuv::yuyv422_to_yuv422(&mut target, &packed)?,
        }
        Ok(())
    }

    fn unpack_rgb(&mut self, frame: &Frame<'_>) -> Result<(), ConvertError> {
        let resolution = frame.layout().resolution();
        let row = resolution.width() as usize * 3;
        let color = Color {
            matrix: Matrix::Bt601,
            range: Range::Limited,
        };
        let pixels = tight_rows(frame, row, &mut self.tight);
        self.planes.reshape(resolution, Chroma::Halved, color);
        let convert = match frame.layout().format() {
            PixelFormat::Bgr24 => yuv::bgr_to_yuv420,
            _ => yuv::rgb_to_yuv420,
        };
        convert(
            &mut planar_mut(&mut self.planes),
            pixels,
            small(row),
            YuvRange::Limited,
            YuvStandardMatrix::Bt601,
            YuvConversionMode::Balanced,
        )?;
        Ok(())
    }

    /// The frame for the screen; RGB without a detour.
    ///
    /// # Errors
    ///
    /// As [`Self::unpack`].
    pub fn rgba(&mut self, frame: &Frame<'_>, rgba: &mut Rgba) -> Result<(), ConvertError> {
        match frame.layout().format() {
            PixelFormat::Rgb24 => expand(frame, [0, 1, 2], rgba),
            PixelFormat::Bgr24 => expand(frame, [2, 1, 0], rgba),
            _ => to_rgba(self.unpack(frame)?, rgba)?,
        }
        Ok(())
    }
}

/// Why a frame gave no picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// A JPEG that is damaged or of an unsupported kind.
    #[error("cannot decode the frame")]
    Jpeg(#[from] JpegError),
    /// A bug of ours: sizes are checked before.
    #[error("cannot convert the frame")]
    Kernel(#[from] YuvError),
}

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

fn unpack_nv12(frame: &Frame<'_>, planes: &mut Planar) {
    let layout = frame.layout();
    let resolution = start(layout, Chroma::Halved, planes);
    copy_rows(rows_of(frame, 0, layout.stride()), &mut planes.y);
    let chroma = layout.stride() * resolution.height() as usize;
    let width = planes.u.stride;
    let us = planes.u.data.chunks_mut(width);
    let targets = us.zip(planes.v.data.chunks_mut(width));
    // An odd width has a pair more than the luma row has samples.
    let stride = layout.stride().max(resolution.chroma_width() * 2);
    for (row, (u, v)) in rows_of(frame, chroma, stride).zip(targets) {
        split_pairs(row, u, v);
    }
}

#[multiversion::multiversion(targets("x86_64+avx2"))]
fn split_pairs(pairs: &[u8], u: &mut [u8], v: &mut [u8]) {
    let targets = u.iter_mut().zip(v.iter_mut());
    for (pair, (u, v)) in pairs.chunks_exact(2).zip(targets) {
        (*u, *v) = (pair[0], pair[1]);
    }
}

fn unpack_i420(frame: &Frame<'_>, planes: &mut Planar) {
    let layout = frame.layout();
    let resolution = start(layout, Chroma::Halved, planes);
    copy_rows(rows_of(frame, 0, layout.stride()), &mut planes.y);
    let stride = layout.stride().div_ceil(2);
    let u = layout.stride() * resolution.height() as usize;
    let v = u + stride * resolution.chroma_height();
    copy_rows(rows_of(frame, u, stride), &mut planes.u);
    copy_rows(rows_of(frame, v, stride), &mut planes.v);
}

fn unpack_gray(frame: &Frame<'_>, planes: &mut Planar) {
    start(frame.layout(), Chroma::Gray, planes);
    copy_rows(rows_of(frame, 0, frame.layout().stride()), &mut planes.y);
}

fn start(layout: FrameLayout, chroma: Chroma, planes: &mut Planar) -> Resolution {
    planes.reshape(layout.resolution(), chroma, layout.color());
    layout.resolution()
}

/// Rows that start at `offset` and are `stride` apart; at most as many as the picture has.
fn rows_of<'a>(
    frame: &Frame<'a>,
    offset: usize,
    stride: usize,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let data = frame.data().get(offset..).unwrap_or(&[]);
    let rows = frame.layout().resolution().height() as usize;
    data.chunks(stride.max(1)).take(rows)
}

/// Copies the visible part of rows into a plane without padding.
fn copy_rows<'a>(rows: impl Iterator<Item = &'a [u8]>, plane: &mut Plane) {
    let width = plane.width;
    for (from, to) in rows.zip(plane.data.chunks_mut(plane.stride.max(1))) {
        if let Some(from) = from.get(..width) {
            to[..width].copy_from_slice(from);
        }
    }
}

/// The frame's bytes with rows of `row` bytes, copied only where its stride is longer.
fn tight_rows<'a>(frame: &Frame<'a>, row: usize, buffer: &'a mut Vec<u8>) -> &'a [u8] {
    let layout = frame.layout();
    let rows = layout.resolution().height() as usize;
    if layout.stride() == row {
        return &frame.data()[..row * rows];
    }
    buffer.clear();
    for line in rows_of(frame, 0, layout.stride()) {
        buffer.extend_from_slice(&line[..row]);
    }
    buffer
}

fn expand(frame: &Frame<'_>, order: [usize; 3], rgba: &mut Rgba) {
    let layout = frame.layout();
    rgba.reshape(layout.resolution());
    let width = layout.resolution().width() as usize * 4;
    let rows = rows_of(frame, 0, layout.stride());
    for (from, to) in rows.zip(rgba.data.chunks_exact_mut(width)) {
        expand_row(from, order, to);
    }
}

#[multiversion::multiversion(targets("x86_64+avx2"))]
fn expand_row(from: &[u8], order: [usize; 3], to: &mut [u8]) {
    let [red, green, blue] = order;
    for (from, to) in from.chunks_exact(3).zip(to.chunks_exact_mut(4)) {
        to.copy_from_slice(&[from[red], from[green], from[blue], 255]);
    }
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
