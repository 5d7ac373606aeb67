//! Probe **path**: the idle path to the server, each direction apart.
//!
//! The protocol and its statistics are `greenroom_protocol::measure`; here are its drivers: UDP,
//! and WebSocket where UDP does not come through.

mod drive;
mod probe;
mod udp;
mod websocket;

pub use probe::{Endpoint, PathConfig, PathFound, run};
