//! Why a codec gives nothing.

use crate::picture::frame::{FrameError, Resolution};
use crate::picture::planes::Chroma;

/// Why a codec gives nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// libvpx says no: of another version than was built for, out of memory, or damaged data.
    #[error("cannot {operation} VP8: {why}")]
    Library {
        /// What was tried: `set up`, `encode`, `decode`.
        operation: &'static str,
        /// In libvpx's own words.
        why: String,
    },
    /// A picture that the encoder was not set up for.
    #[error(
        "cannot encode a picture of {}x{} and {chroma:?} chroma: the encoder takes I420 of {}x{}",
        size.width(), size.height(), expected.width(), expected.height()
    )]
    Picture {
        /// Its size.
        size: Resolution,
        /// Its sampling of chroma.
        chroma: Chroma,
        /// The size that the encoder was set up for.
        expected: Resolution,
    },
    /// A bitrate that rounds to nothing, or beyond what can be asked for.
    #[error("cannot encode VP8 at {bps} bit/s")]
    Bitrate {
        /// As it was asked for.
        bps: u64,
    },
    /// A stream claims an absurd size.
    #[error("cannot decode VP8 of an absurd size")]
    Size(#[source] FrameError),
    /// The caller wants no more.
    #[error("encoding was cancelled")]
    Cancelled,
}
