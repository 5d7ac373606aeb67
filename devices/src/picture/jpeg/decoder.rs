//! From the bytes of a JPEG to its planes.

use turbojpeg::{Colorspace, DecompressHeader, Decompressor, Subsamp, YuvImage, yuv_pixels_len};

use super::error::JpegError;
use super::leftover;
use crate::picture::frame::{Color, Matrix, Range, Resolution};
use crate::picture::planes::{Chroma, Planar, Plane};

/// Decodes one JPEG after the other; buffers are kept.
#[derive(Debug, Default)]
pub struct JpegDecoder {
    /// The planes behind each other, as the library writes them.
    decoded: Vec<u8>,
    picture: Planar,
}

impl JpegDecoder {
    /// Decodes a JPEG into its own planes: BT.601, full range, chroma as it was sent.
    ///
    /// # Errors
    ///
    /// Any damage, since half a picture is none; a kind that cameras do not send; an absurd size.
    /// Memory is taken only when the data are long enough to hold that many blocks.
    pub fn decode(&mut self, data: &[u8]) -> Result<&Planar, JpegError> {
        if data.get(..2) != Some(&[0xff, 0xd8]) {
            return Err(JpegError::NotJpeg);
        }
        // A new one for each picture: it costs microseconds, and one that is kept would go on with
        // the tables, and the state, in which a damaged picture left it.
        let mut library = Decompressor::new()?;
        let header = library.read_header(data)?;
        let (resolution, chroma) = check(&header, data)?;
        let length = yuv_pixels_len(header.width, 1, header.height, header.subsamp)?;
        self.decoded.resize(length, 0);
        let mut planes = YuvImage {
            pixels: &mut self.decoded[..],
            width: header.width,
            align: 1,
            height: header.height,
            subsamp: header.subsamp,
        };
        library.set_scan_limit(1)?;
        // After a complaint the library has gone on to the end.
        match library
            .decompress_to_yuv(data, planes.as_deref_mut())
            .map_err(JpegError::from)
        {
            Err(JpegError::Corrupt(what)) if leftover::is_harmless(&what, data) => {}
            decoded => decoded?,
        }
        split(&planes.as_deref(), resolution, chroma, &mut self.picture);
        Ok(&self.picture)
    }
}

/// Refuses what no camera sends, before any memory is taken for it.
fn check(header: &DecompressHeader, data: &[u8]) -> Result<(Resolution, Chroma), JpegError> {
    if header.is_progressive {
        return Err(JpegError::unsupported("progressive"));
    }
    if header.is_arithmetic || header.is_lossless {
        return Err(JpegError::unsupported("not sequential Huffman"));
    }
    let chroma = chroma(header)?;
    // The library's own limit is below 2^16.
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let resolution = Resolution::new(side(header.width), side(header.height));
    let resolution = resolution.map_err(JpegError::Size)?;
    // A block takes two codes of at least a bit.
    let blocks = header.width.div_ceil(8) * header.height.div_ceil(8);
    if data.len() * 8 < blocks * 2 {
        return Err(JpegError::Truncated);
    }
    Ok((resolution, chroma))
}

fn chroma(header: &DecompressHeader) -> Result<Chroma, JpegError> {
    match header.colorspace {
        Colorspace::Gray | Colorspace::YCbCr => {}
        _ => return Err(JpegError::unsupported("neither gray nor YCbCr")),
    }
    match header.subsamp {
        Subsamp::Gray => Ok(Chroma::Gray),
        Subsamp::Sub2x2 => Ok(Chroma::Halved),
        Subsamp::Sub2x1 => Ok(Chroma::HalvedAcross),
        Subsamp::Sub1x2 => Ok(Chroma::HalvedDown),
        Subsamp::None => Ok(Chroma::Whole),
        _ => Err(JpegError::unsupported("its sampling of chroma")),
    }
}

/// Copies the planes, which lie behind each other, into planes of their own.
fn split(decoded: &YuvImage<&[u8]>, resolution: Resolution, chroma: Chroma, picture: &mut Planar) {
    let color = Color {
        matrix: Matrix::Bt601,
        range: Range::Full,
    };
    picture.reshape(resolution, chroma, color);
    let (y_stride, y_rows) = decoded.y_size();
    let (y, rest) = decoded.pixels.split_at(y_stride * y_rows);
    copy(y, y_stride, &mut picture.y);
    if chroma != Chroma::Gray {
        let (stride, rows) = decoded.uv_size();
        let (u, v) = rest.split_at(stride * rows);
        copy(u, stride, &mut picture.u);
        copy(v, stride, &mut picture.v);
    }
}

/// Rows of an odd width are a sample longer in what the library writes.
fn copy(from: &[u8], stride: usize, to: &mut Plane) {
    if stride == to.stride {
        let length = to.data.len();
        to.data.copy_from_slice(&from[..length]);
        return;
    }
    for (from, to) in from.chunks(stride).zip(to.data.chunks_mut(to.stride)) {
        to.copy_from_slice(&from[..to.len()]);
    }
}
