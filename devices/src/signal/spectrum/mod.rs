//! What the spectrum tells: mains hum, and how wide the band is.

pub mod bandwidth;
mod frames;
pub mod hum;
