//! A network link without a network: packets and the time go in, packets and their fate come out.
//!
//! Nothing here reads a clock, waits or draws entropy. Time is a [`std::time::Duration`] since an epoch the caller
//! chooses, and every random decision follows from a seed, so a run repeats to the nanosecond.

mod bottleneck;
mod chance;
mod config;
mod decode;
mod duplex;
mod emulator;
mod log;
mod loss;

pub use config::{Jitter, LinkConfig, Outage, Rate, Reordering};
pub use decode::Flow;
pub use duplex::{Duplex, Endpoint};
pub use emulator::{Admission, Delivery, Link};
pub use log::{Counters, Direction, DropReason, Fate, PacketRecord};
pub use loss::{GilbertElliott, Loss};
