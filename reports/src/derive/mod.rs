//! What follows from the figures: late loss, estimated opinion, and what a call can carry.
//!
//! Every function is total and pure; what cannot be known is `None`.

pub mod ladder;
