//! Probe **path**: the idle path to the server, each direction apart.
//!
//! The protocol and its statistics are `greenroom_protocol::measure`; here are its drivers: UDP,
//! WebSocket where UDP does not come through, and the server's relay where neither does.

mod drive;
mod probe;
mod relayed;
mod udp;
mod websocket;

pub use probe::{Endpoint, PathConfig, PathFound, run};
