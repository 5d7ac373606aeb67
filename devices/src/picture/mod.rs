//! Pictures from a camera: their formats, conversion and quality.
//!
//! No device, no clock, no runtime: frames and their times are arguments.

mod borrow;
pub mod convert;
pub mod frame;
pub mod intervals;
pub mod jpeg;
pub mod planes;
#[cfg(test)]
mod tests;
