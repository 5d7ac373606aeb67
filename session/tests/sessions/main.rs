//! The session client against session control and the embedded engine, over real sockets on loopback.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests: a surprise is a failure, and they drive real sockets"
)]

mod away;
mod ending;
mod joining;
mod together;
mod world;
