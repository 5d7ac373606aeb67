//! Probe **throughput**: what each direction carries, what that does to delay, and whether a call
//! fits.
//!
//! The protocol and its statistics are `greenroom_protocol::measure::load`; here are its drivers:
//! UDP, and WebSocket where UDP does not come through.

mod account;
mod budget;
mod drive;
mod live;
mod probe;
mod udp;
mod websocket;

pub use probe::{IdlePath, ThroughputConfig, ThroughputFound, run};
