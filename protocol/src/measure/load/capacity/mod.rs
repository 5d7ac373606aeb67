//! What one direction carries: packet trains tell roughly, a flood exactly.
//!
//! A train that enters a queue at once leaves it at the rate of the link, whatever else is on it.
//! A flood of twice that rate keeps the queue filled; after the head, which a shaper's bucket may
//! have let pass faster, its arrivals tell the rate that is left for it, its delay the depth of the
//! queue. The answer of a real call is neither: that is what the verification is for.

mod estimate;
mod gaps;
pub(crate) mod rate;
mod search;
mod view;

pub use estimate::{Capacity, Saturation};
pub use search::{CapacityPlan, LOAD_PACKET_BYTES, Stop};
pub(crate) use search::{CapacityTest, Segment};
