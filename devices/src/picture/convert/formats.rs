//! Each driver's format into planes.

use yuv::{
    BufferStoreMut, YuvConversionMode, YuvPackedImage, YuvPlanarImageMut, YuvRange,
    YuvStandardMatrix,
};

use super::borrow::{planar_mut, small};
use super::unpacker::ConvertError;
use crate::picture::frame::{Color, Frame, FrameLayout, Matrix, PixelFormat, Range, Resolution};
use crate::picture::planes::{Chroma, Planar, Plane, Rgba};

/// Splits packed rows without padding into planes without padding.
pub(super) fn split_422(
    layout: FrameLayout,
    packed: &[u8],
    n_rows: usize,
    [y, u, v]: [&mut [u8]; 3],
) -> Result<(), ConvertError> {
    let resolution = layout.resolution();
    let (width, height) = (resolution.width(), small(n_rows));
    let chroma_stride = small(resolution.chroma_width());
    let packed = YuvPackedImage {
        yuy: packed,
        yuy_stride: chroma_stride * 4,
        width,
        height,
    };
    let mut planes = YuvPlanarImageMut {
        y_plane: BufferStoreMut::Borrowed(y),
        y_stride: width,
        u_plane: BufferStoreMut::Borrowed(u),
        u_stride: chroma_stride,
        v_plane: BufferStoreMut::Borrowed(v),
        v_stride: chroma_stride,
        width,
        height,
    };
    match layout.format() {
        PixelFormat::Uyvy => yuv::uyvy422_to_yuv422(&mut planes, &packed)?,
        _ => yuv::yuyv422_to_yuv422(&mut planes, &packed)?,
    }
    Ok(())
}

/// Packed 4:2:2 to I420 in one pass.
pub(super) fn halve_422(frame: &Frame<'_>, i420: &mut Planar) {
    let layout = frame.layout();
    let resolution = start(layout, Chroma::Halved, i420);
    let (width, chroma_width) = (resolution.width() as usize, resolution.chroma_width());
    let (luma, chroma) = match layout.format() {
        PixelFormat::Uyvy => (1, 0),
        _ => (0, 1),
    };
    for (row, y) in rows_of(frame, 0, layout.stride()).zip(i420.y.data.chunks_mut(width)) {
        every_second(row, luma, y);
    }
    let us = i420.u.data.chunks_mut(chroma_width);
    let targets = us.zip(i420.v.data.chunks_mut(chroma_width));
    let mut rows = rows_of(frame, 0, layout.stride());
    for (u, v) in targets {
        let Some(first) = rows.next() else { return };
        let second = rows.next().unwrap_or(first);
        mean_chroma([first, second], chroma, u, v);
    }
}

#[multiversion::multiversion(targets("x86_64+avx2"))]
fn every_second(from: &[u8], offset: usize, to: &mut [u8]) {
    let offset = offset & 1;
    for (pair, to) in from.chunks_exact(2).zip(to.iter_mut()) {
        *to = pair[offset];
    }
}

#[multiversion::multiversion(targets("x86_64+avx2"))]
#[expect(clippy::cast_possible_truncation, reason = "a mean of bytes is a byte")]
fn mean_chroma(rows: [&[u8]; 2], offset: usize, u: &mut [u8], v: &mut [u8]) {
    let offset = offset & 1;
    let mean = |a: u8, b: u8| (u16::from(a) + u16::from(b)).div_ceil(2) as u8;
    let pairs = rows[0].chunks_exact(4).zip(rows[1].chunks_exact(4));
    for ((a, b), (u, v)) in pairs.zip(u.iter_mut().zip(v.iter_mut())) {
        *u = mean(a[offset], b[offset]);
        *v = mean(a[offset + 2], b[offset + 2]);
    }
}

pub(super) fn unpack_rgb(
    frame: &Frame<'_>,
    planes: &mut Planar,
    buffer: &mut Vec<u8>,
) -> Result<(), ConvertError> {
    let resolution = frame.layout().resolution();
    let row = resolution.width() as usize * 3;
    let color = Color {
        matrix: Matrix::Bt601,
        range: Range::Limited,
    };
    planes.reshape(resolution, Chroma::Halved, color);
    let convert = match frame.layout().format() {
        PixelFormat::Bgr24 => yuv::bgr_to_yuv420,
        _ => yuv::rgb_to_yuv420,
    };
    convert(
        &mut planar_mut(planes),
        tight_rows(frame, row, buffer),
        small(row),
        YuvRange::Limited,
        YuvStandardMatrix::Bt601,
        YuvConversionMode::Balanced,
    )?;
    Ok(())
}

pub(super) fn unpack_nv12(frame: &Frame<'_>, planes: &mut Planar) {
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

pub(super) fn unpack_i420(frame: &Frame<'_>, planes: &mut Planar) {
    let layout = frame.layout();
    let resolution = start(layout, Chroma::Halved, planes);
    copy_rows(rows_of(frame, 0, layout.stride()), &mut planes.y);
    let stride = layout.stride().div_ceil(2);
    let u = layout.stride() * resolution.height() as usize;
    let v = u + stride * resolution.chroma_height();
    copy_rows(rows_of(frame, u, stride), &mut planes.u);
    copy_rows(rows_of(frame, v, stride), &mut planes.v);
}

pub(super) fn unpack_gray(frame: &Frame<'_>, planes: &mut Planar) {
    start(frame.layout(), Chroma::Gray, planes);
    copy_rows(rows_of(frame, 0, frame.layout().stride()), &mut planes.y);
}

pub(super) fn start(layout: FrameLayout, chroma: Chroma, planes: &mut Planar) -> Resolution {
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
pub(super) fn copy_rows<'a>(rows: impl Iterator<Item = &'a [u8]>, plane: &mut Plane) {
    let width = plane.width;
    for (from, to) in rows.zip(plane.data.chunks_mut(plane.stride.max(1))) {
        if let Some(from) = from.get(..width) {
            to[..width].copy_from_slice(from);
        }
    }
}

/// The frame's bytes with rows of `row` bytes, copied only where its stride is longer.
pub(super) fn tight_rows<'a>(frame: &Frame<'a>, row: usize, buffer: &'a mut Vec<u8>) -> &'a [u8] {
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

pub(super) fn expand(
    frame: &Frame<'_>,
    rgba: &mut Rgba,
    buffer: &mut Vec<u8>,
) -> Result<(), ConvertError> {
    let resolution = frame.layout().resolution();
    rgba.reshape(resolution);
    let (width, height) = (resolution.width(), resolution.height());
    let expand = match frame.layout().format() {
        PixelFormat::Bgr24 => yuv::bgr_to_rgba,
        _ => yuv::rgb_to_rgba,
    };
    let pixels = tight_rows(frame, width as usize * 3, buffer);
    expand(pixels, width * 3, &mut rgba.data, width * 4, width, height)?;
    Ok(())
}
