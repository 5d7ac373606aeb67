//! The emulated link between two network namespaces, in real time.

mod clock;
mod driver;
mod handle;

pub use clock::{ClockPairing, monotonic_now};
pub(crate) use driver::Tunnel;
pub use handle::{Relay, SchedulingError};
