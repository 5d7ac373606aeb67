//! The server's end: answers datagrams, opens sessions, takes and sends loads, keeps limits.

mod carry;
mod counters;
pub(super) mod loads;
mod machine;

pub use super::load::egress::Egress;
pub use counters::ResponderCounters;
pub use machine::{Arrival, Handled, Responder, ResponderConfig, stamp_departure, stamp_path_mtu};
