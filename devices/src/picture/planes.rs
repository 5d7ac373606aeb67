//! Pictures after conversion: planes of luma and chroma, or RGBA.

use super::frame::{Color, Matrix, Range, Resolution};

/// A picture as one plane of luma and, unless it is gray, two of chroma.
///
/// Buffers are kept when a picture of the same size is written over it.
#[derive(Clone, Debug)]
pub struct Planar {
    pub(super) resolution: Resolution,
    pub(super) chroma: Chroma,
    pub(super) color: Color,
    pub(crate) y: Plane,
    pub(crate) u: Plane,
    pub(crate) v: Plane,
}

impl Default for Planar {
    /// One pixel without samples, to be written over.
    fn default() -> Self {
        Self {
            resolution: Resolution::ONE,
            chroma: Chroma::Gray,
            color: Color {
                matrix: Matrix::Bt601,
                range: Range::Full,
            },
            y: Plane::default(),
            u: Plane::default(),
            v: Plane::default(),
        }
    }
}

impl Planar {
    /// Makes room for a picture whose rows follow each other without padding.
    pub(crate) fn reshape(&mut self, resolution: Resolution, chroma: Chroma, color: Color) {
        let (width, height) = (resolution.width() as usize, resolution.height() as usize);
        let (chroma_width, chroma_height) = chroma.size(resolution);
        self.y.reshape(width, height);
        self.u.reshape(chroma_width, chroma_height);
        self.v.reshape(chroma_width, chroma_height);
        (self.resolution, self.chroma, self.color) = (resolution, chroma, color);
    }

    /// Width and height.
    pub fn resolution(&self) -> Resolution {
        self.resolution
    }

    /// How chroma is sampled.
    pub fn chroma(&self) -> Chroma {
        self.chroma
    }

    /// Matrix and range.
    pub fn color(&self) -> Color {
        self.color
    }

    /// Luma.
    pub fn y(&self) -> &Plane {
        &self.y
    }

    /// Blue difference; empty when gray.
    pub fn u(&self) -> &Plane {
        &self.u
    }

    /// Red difference; empty when gray.
    pub fn v(&self) -> &Plane {
        &self.v
    }
}

/// One plane of 8-bit samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plane {
    pub(crate) data: Vec<u8>,
    pub(super) stride: usize,
    pub(super) width: usize,
}

impl Plane {
    pub(super) fn reshape(&mut self, width: usize, height: usize) {
        self.reshape_padded(width, width, height);
    }

    /// Makes room for rows that are `stride` apart and show `width` samples.
    pub(super) fn reshape_padded(&mut self, width: usize, stride: usize, height: usize) {
        self.data.resize(stride * height, 0);
        (self.stride, self.width) = (stride, width);
    }

    /// Samples from one row to the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// All samples, those of padding included.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The first `height` rows, without padding.
    pub fn rows(&self, height: usize) -> impl Iterator<Item = &[u8]> {
        let rows = self.data.chunks(self.stride.max(1)).take(height);
        rows.map(|row| row.get(..self.width).unwrap_or(row))
    }
}

/// How chroma is sampled against luma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chroma {
    /// None.
    Gray,
    /// 4:2:0, halved in both directions: what video encoders take.
    Halved,
    /// 4:2:2, halved horizontally: most webcams.
    HalvedAcross,
    /// 4:4:0, halved vertically.
    HalvedDown,
    /// 4:4:4.
    Whole,
}

impl Chroma {
    /// Columns and rows of a chroma plane.
    pub(crate) fn size(self, resolution: Resolution) -> (usize, usize) {
        let (width, height) = (resolution.width() as usize, resolution.height() as usize);
        match self {
            Self::Gray => (0, 0),
            Self::Halved => (resolution.chroma_width(), resolution.chroma_height()),
            Self::HalvedAcross => (resolution.chroma_width(), height),
            Self::HalvedDown => (width, resolution.chroma_height()),
            Self::Whole => (width, height),
        }
    }
}

/// A picture for the screen: red, green, blue and an opaque alpha, full range, no padding.
#[derive(Clone, Debug)]
pub struct Rgba {
    pub(super) resolution: Resolution,
    pub(super) data: Vec<u8>,
}

impl Default for Rgba {
    /// One black, transparent pixel, to be written over.
    fn default() -> Self {
        Self {
            resolution: Resolution::ONE,
            data: vec![0; 4],
        }
    }
}

impl Rgba {
    pub(super) fn reshape(&mut self, resolution: Resolution) {
        let pixels = resolution.width() as usize * resolution.height() as usize;
        self.data.resize(pixels * 4, 0);
        self.resolution = resolution;
    }

    /// Width and height.
    pub fn resolution(&self) -> Resolution {
        self.resolution
    }

    /// Four bytes a pixel, row by row.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}
