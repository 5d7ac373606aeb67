//! Probe **throughput**: what each direction carries, what that does to delay, and whether a call
//! fits.
//!
//! The protocol and its statistics are `greenroom_protocol::measure::load`; here are its drivers:
//! UDP, WebSocket where UDP does not come through, and the server's relay where nothing else does.

mod account;
mod budget;
mod drive;
mod live;
mod probe;
mod relayed;
mod udp;
mod websocket;

pub use probe::{IdlePath, ThroughputConfig, ThroughputFound, run};
