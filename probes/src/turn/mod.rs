//! Probe `turn`: every TURN server over every transport and address family.

mod cell;
mod judge;
mod login;
mod outside;
mod plan;
mod probe;
mod quality;

pub use login::TurnLogin;
pub use plan::MAX_URLS;
pub use probe::{TurnConfig, TurnFound, run};
