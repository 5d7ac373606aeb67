//! The server over real sockets, on loopback.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests: a surprise is a failure, and they drive real sockets"
)]

mod client;
mod control;
mod engine;
mod flood;
mod http;
mod lifecycle;
mod loads;
mod tls;
mod turn;
mod udp;
mod websocket;
