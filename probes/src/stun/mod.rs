//! Probe `stun`: what STUN servers tell of the NAT.

mod judge;
mod plan;
mod probe;

pub use probe::{StunConfig, run};
