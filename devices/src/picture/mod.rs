//! Pictures from a camera: their formats, conversion and quality.
//!
//! No device, no clock, no runtime: frames and their times are arguments.

pub mod frame;
pub mod jpeg;
pub mod planes;
