//! From what was found to its causes.

pub mod catalog;
pub mod explain;
mod rules;

mod facts;
mod fault;
mod rank;

pub use explain::explain;
pub(crate) use fault::{Fault, device_faults};
pub use rank::derive;
