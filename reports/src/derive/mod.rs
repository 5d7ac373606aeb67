//! What follows from the figures: estimated opinion, and what a call can carry.
//!
//! Every function is total and pure; what cannot be known is `None`.

pub mod call_rate;
pub mod emodel;
pub mod ladder;
pub mod opinion;
pub mod opus;
pub mod outlook;

mod derived;
pub(crate) mod device_cap;

pub use derived::derived;
