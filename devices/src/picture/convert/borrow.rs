//! Our planes as the conversion crate wants to see them.

use yuv::{
    BufferStoreMut, YuvGrayImage, YuvPlanarImage, YuvPlanarImageMut, YuvRange, YuvStandardMatrix,
};

use crate::picture::frame::{Color, Matrix, Range};
use crate::picture::planes::Planar;

pub(super) fn planar(planes: &Planar) -> YuvPlanarImage<'_, u8> {
    YuvPlanarImage {
        y_plane: &planes.y.data,
        y_stride: small(planes.y.stride),
        u_plane: &planes.u.data,
        u_stride: small(planes.u.stride),
        v_plane: &planes.v.data,
        v_stride: small(planes.v.stride),
        width: planes.resolution.width(),
        height: planes.resolution.height(),
    }
}

pub(super) fn planar_mut(planes: &mut Planar) -> YuvPlanarImageMut<'_, u8> {
    YuvPlanarImageMut {
        y_stride: small(planes.y.stride),
        u_stride: small(planes.u.stride),
        v_stride: small(planes.v.stride),
        y_plane: BufferStoreMut::Borrowed(&mut planes.y.data),
        u_plane: BufferStoreMut::Borrowed(&mut planes.u.data),
        v_plane: BufferStoreMut::Borrowed(&mut planes.v.data),
        width: planes.resolution.width(),
        height: planes.resolution.height(),
    }
}

pub(super) fn gray(planes: &Planar) -> YuvGrayImage<'_, u8> {
    YuvGrayImage {
        y_plane: &planes.y.data,
        y_stride: small(planes.y.stride),
        width: planes.resolution.width(),
        height: planes.resolution.height(),
    }
}

pub(super) fn range(color: Color) -> YuvRange {
    match color.range {
        Range::Limited => YuvRange::Limited,
        Range::Full => YuvRange::Full,
    }
}

pub(super) fn matrix(color: Color) -> YuvStandardMatrix {
    match color.matrix {
        Matrix::Bt601 => YuvStandardMatrix::Bt601,
        Matrix::Bt709 => YuvStandardMatrix::Bt709,
    }
}

/// Strides stay far below 2^32: sides are at most 8192.
pub(super) fn small(stride: usize) -> u32 {
    u32::try_from(stride).unwrap_or(u32::MAX)
}
