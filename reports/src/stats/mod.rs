//! Statistics over samples, and the intervals that say how far to trust them.
//!
//! Every function is total: too few samples give `None`, never a guess.

pub mod jitter;
pub mod late_loss;
pub mod loss;
pub mod order;
pub mod proportion;
pub mod quantile;
