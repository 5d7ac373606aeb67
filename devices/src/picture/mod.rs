//! Pictures from a camera: their formats, conversion and quality.
//!
//! No device, no clock, no runtime: frames and their times are arguments.

pub mod convert;
pub mod frame;
pub mod intervals;
pub mod jpeg;
pub mod luma;
pub mod planes;
pub mod quality;
pub mod stillness;
#[cfg(test)]
mod tests;
