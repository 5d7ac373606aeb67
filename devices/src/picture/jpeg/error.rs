//! Why a JPEG gave no picture.

use crate::picture::frame::FrameError;

/// Why a JPEG gave no picture.
///
/// All but [`Self::Unsupported`] mean that the camera, its cable or its driver damaged the frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JpegError {
    /// The first bytes are not those of a JPEG.
    #[error("no JPEG: the start marker is missing")]
    NotJpeg,
    /// The data ends before the picture does.
    #[error("the JPEG is cut off")]
    Truncated,
    /// The data contradicts itself; what libjpeg says of it.
    #[error("the JPEG is corrupt: {0}")]
    Corrupt(String),
    /// A valid JPEG of a kind that no camera should send.
    #[error("the JPEG is of an unsupported kind: {0}")]
    Unsupported(String),
    /// The size in its header is absurd.
    #[error("the JPEG has an absurd size")]
    Size(#[source] FrameError),
}

impl JpegError {
    /// Whether the frame was damaged, rather than of a kind that is not supported.
    pub fn is_damage(&self) -> bool {
        !matches!(self, Self::Unsupported(_))
    }

    pub(super) fn unsupported(kind: &str) -> Self {
        Self::Unsupported(kind.to_owned())
    }
}

impl From<turbojpeg::Error> for JpegError {
    /// From libjpeg's own sentences, which have not changed for decades. One that is not known here
    /// is damage, in its own words.
    fn from(error: turbojpeg::Error) -> Self {
        let turbojpeg::Error::TurboJpegError(message) = error else {
            return Self::Corrupt(error.to_string());
        };
        let is = |part: &str| message.contains(part);
        if is("Premature end of") || is("premature end of") {
            Self::Truncated
        } else if is("has more than 1 scans") {
            Self::unsupported("components in several scans")
        } else if let Some(kind) = message.strip_prefix("Unsupported JPEG ") {
            Self::unsupported(kind)
        } else {
            let what = message.strip_prefix("Corrupt JPEG data: ");
            Self::Corrupt(what.unwrap_or(&message).to_owned())
        }
    }
}
