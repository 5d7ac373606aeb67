//! From what was found to its causes.

pub mod catalog;
pub mod explain;
mod rules;

mod bandwidth_catalog;
mod camera_catalog;
mod facts;
mod fault;
mod microphone_catalog;
mod rank;
mod speaker_catalog;

pub use explain::explain;
pub(crate) use fault::{Fault, device_faults};
pub use rank::derive;
