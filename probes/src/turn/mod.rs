//! Probe `turn`: every TURN server over every transport.

mod probe;

pub use probe::{TurnConfig, run};
