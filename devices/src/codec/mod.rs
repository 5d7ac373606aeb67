//! Video as calls send it: VP8 by libvpx, and how fast this machine encodes it.

mod decoder;
mod encoder;
mod error;
pub mod headroom;
mod scene;
#[cfg(test)]
mod tests;
mod vpx;

pub use decoder::Vp8Decoder;
pub use encoder::{EncodedPicture, Vp8Config, Vp8Encoder};
pub use error::CodecError;
