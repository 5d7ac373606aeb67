//! Why a JPEG gave no picture.

use crate::picture::frame::FrameError;

/// Why a JPEG gave no picture.
///
/// All but [`Self::Unsupported`] mean that the camera, its cable or its driver damaged the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JpegError {
    /// The first bytes are not those of a JPEG.
    #[error("no JPEG: the start marker is missing")]
    NotJpeg,
    /// The data ends before the picture does.
    #[error("the JPEG is cut off")]
    Truncated,
    /// The data contradicts itself.
    #[error("the JPEG is corrupt: {0}")]
    Corrupt(&'static str),
    /// A valid JPEG of a kind that no camera should send.
    #[error("the JPEG is of an unsupported kind: {0}")]
    Unsupported(&'static str),
    /// The size in its header is absurd.
    #[error("the JPEG has an absurd size")]
    Size(#[source] FrameError),
}

impl JpegError {
    /// Whether the frame was damaged, rather than of a kind that is not supported.
    pub fn is_damage(self) -> bool {
        !matches!(self, Self::Unsupported(_))
    }
}
