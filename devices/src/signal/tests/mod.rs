//! The meters against sounds of known figures.

mod accuracy;
mod faults;
mod properties;
