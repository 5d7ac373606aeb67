//! Probe **discovery**: is there a Greenroom server, and what does it offer?

mod probe;

pub use probe::{Found, run};
