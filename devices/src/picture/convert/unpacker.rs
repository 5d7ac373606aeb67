//! Frames of any format, with buffers that are kept.

use yuv::YuvError;

use super::formats::{
    expand, halve_422, split_422, start, tight_rows, unpack_gray, unpack_i420, unpack_nv12,
    unpack_rgb,
};
use super::target::{to_i420, to_rgba};
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
            PixelFormat::Yuyv | PixelFormat::Uyvy => halve_422(frame, i420),
            PixelFormat::Rgb24 | PixelFormat::Bgr24 => unpack_rgb(frame, i420, &mut self.tight)?,
            PixelFormat::Nv12 => unpack_nv12(frame, i420),
            PixelFormat::I420 => unpack_i420(frame, i420),
            PixelFormat::Mjpeg | PixelFormat::Grey => to_i420(self.unpack(frame)?, i420),
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
