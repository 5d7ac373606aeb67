//! Probe `web`: TCP, TLS, HTTP and WebSocket to the server, stage by stage.

mod judge;
mod probe;

pub use probe::{WebConfig, run};
