//! From what drivers give to planes, I420 and RGBA.
//!
//! Chroma is taken as the mean of the pixels that it covers, and shown on all of them; nothing is
//! interpolated. Matrix and range are kept between formats of luma and chroma, and said in
//! [`Planar::color`](super::planes::Planar::color); RGB becomes BT.601 limited, since that is what
//! video encoders expect.

mod borrow;
mod formats;
mod target;
mod unpacker;

pub use target::{to_i420, to_rgba};
pub use unpacker::{ConvertError, Unpacker};
