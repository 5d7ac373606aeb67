//! Meters that take samples as they come. Cutting a stream into other pieces changes no figure.

pub mod channels;
pub mod clipping;
pub mod level;
pub mod noise;
pub mod speech;
