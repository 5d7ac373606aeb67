//! Motion JPEG as cameras send it: baseline, strict, decoded into its own planes.
//!
//! Our own since none of the decoders at hand was both strict and fast enough without a C tool
//! chain: lenient ones return the upper half of a truncated picture as if it were whole, and those
//! in Rust interpolate color that I420 drops again. A camera's JPEG is a small part of the
//! standard: sequential DCT, 8 bit, one interleaved scan, gray or YCbCr.
//!
//! Everything that does not add up is an error: a missing end marker, a scan that ends early or
//! late, a code that is in no table, a restart marker out of order. What lies behind the end marker
//! is ignored, since drivers pad their buffers.
//!
//! Source: ITU-T T.81 (1992); tables of UVC and AVI cameras that send none: T.81 Annex K.3.

mod bits;
mod decoder;
mod error;
mod header;
mod huffman;
mod idct;
mod scan;
#[cfg(test)]
mod tests;

pub use decoder::JpegDecoder;
pub use error::JpegError;
