//! Joins and reconnections of the session client, against a small engine on another WebRTC stack whose
//! faults are at a test's command.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests: a surprise is a failure, and they drive real sockets"
)]

mod faults;
mod joining;
mod media;
mod server;
