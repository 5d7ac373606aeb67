//! Frames of any format, with buffers that are kept.

use yuv::YuvError;

use super::formats::{
    expand, split_422, start, tight_rows, unpack_gray, unpack_i420, unpack_nv12, unpack_rgb,
};
use super::target::{mean_rows, to_i420, to_rgba};
use crate::picture::frame::{Frame, PixelFormat};
use crate::picture::jpeg::{JpegDecoder, JpegError};
use crate::picture::planes::{Chroma, Planar, Rgba};

/// Brings frames of any format into planes; buffers are kept from frame to frame.
#[derive(Debug, Default)]
pub struct Unpacker {
    jpeg: JpegDecoder,
    planes: Planar,
    /// Rows of a frame whose stride is longer than its rows.
    tight: Vec<u8>,
    /// Chroma of two rows.
    pair: Vec<u8>,
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
            PixelFormat::Rgb24 | PixelFormat::Bgr24 => {
                unpack_rgb(frame, &mut self.planes, &mut self.tight)?;
            }
            PixelFormat::Nv12 => unpack_nv12(frame, &mut self.planes),
            PixelFormat::I420 => unpack_i420(frame, &mut self.planes),
            PixelFormat::Grey => unpack_gray(frame, &mut self.planes),
        }
        Ok(&self.planes)
    }

    /// The frame as I420, without a detour through planes of another sampling.
    ///
    /// # Errors
    ///
    /// As [`Self::unpack`].
    pub fn i420(&mut self, frame: &Frame<'_>, i420: &mut Planar) -> Result<(), ConvertError> {
        match frame.layout().format() {
            PixelFormat::Yuyv | PixelFormat::Uyvy => self.halve_422(frame, i420)?,
            PixelFormat::Rgb24 | PixelFormat::Bgr24 => unpack_rgb(frame, i420, &mut self.tight)?,
            PixelFormat::Nv12 => unpack_nv12(frame, i420),
            PixelFormat::I420 => unpack_i420(frame, i420),
            PixelFormat::Mjpeg | PixelFormat::Grey => to_i420(self.unpack(frame)?, i420),
        }
        Ok(())
    }

    /// Two rows at a time, whose chroma stays in the cache until it is averaged.
    fn halve_422(&mut self, frame: &Frame<'_>, i420: &mut Planar) -> Result<(), ConvertError> {
        let layout = frame.layout();
        let resolution = start(layout, Chroma::Halved, i420);
        let (width, chroma_width) = (resolution.width() as usize, resolution.chroma_width());
        let pairs = tight_rows(frame, chroma_width * 4, &mut self.tight);
        self.pair.resize(4 * chroma_width, 0);
        let (us, vs) = self.pair.split_at_mut(2 * chroma_width);
        let luma = i420.y.data.chunks_mut(2 * width);
        let us_out = i420.u.data.chunks_mut(chroma_width);
        let chroma = us_out.zip(i420.v.data.chunks_mut(chroma_width));
        let rows = pairs.chunks(8 * chroma_width);
        for ((packed, y), (u, v)) in rows.zip(luma).zip(chroma) {
            let n_rows = packed.len() / (4 * chroma_width);
            split_422(layout, packed, n_rows, [y, us, vs])?;
            let second = (n_rows - 1) * chroma_width;
            mean_rows(&us[..chroma_width], &us[second..], u);
            mean_rows(&vs[..chroma_width], &vs[second..], v);
        }
        Ok(())
    }

    fn unpack_422(&mut self, frame: &Frame<'_>) -> Result<(), ConvertError> {
        let layout = frame.layout();
        let resolution = start(layout, Chroma::HalvedAcross, &mut self.planes);
        let packed = tight_rows(frame, resolution.chroma_width() * 4, &mut self.tight);
        let Planar { y, u, v, .. } = &mut self.planes;
        let planes = [&mut y.data[..], &mut u.data[..], &mut v.data[..]];
        split_422(layout, packed, resolution.height() as usize, planes)
    }

    /// The frame for the screen; RGB without a detour.
    ///
    /// # Errors
    ///
    /// As [`Self::unpack`].
    pub fn rgba(&mut self, frame: &Frame<'_>, rgba: &mut Rgba) -> Result<(), ConvertError> {
        match frame.layout().format() {
            PixelFormat::Rgb24 | PixelFormat::Bgr24 => expand(frame, rgba, &mut self.tight)?,
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
