//! Motion JPEG as cameras send it: baseline, strict, decoded into its own planes by libjpeg-turbo.
//!
//! A camera's JPEG is a small part of the standard: sequential DCT, 8 bit, one interleaved scan,
//! gray or YCbCr. The rest is refused, since it would cost memory and time that no camera needs.
//!
//! What libjpeg calls a warning is an error here: a missing end marker, a scan that ends early or
//! late, a code that is in no table, a restart marker out of order. Half a picture is none. What
//! lies behind the end marker is ignored, since drivers pad their buffers, and so are a few bytes
//! before it or a restart marker (`leftover`).
//!
//! Source: ITU-T T.81 (1992); tables of UVC and AVI cameras that send none: T.81 Annex K.3.

mod decoder;
mod error;
mod leftover;
#[cfg(test)]
mod tests;

pub use decoder::JpegDecoder;
pub use error::JpegError;
