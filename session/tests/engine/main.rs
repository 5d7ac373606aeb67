//! Joins and reconnections of the session client: against the engine of the server, and against a small
//! one whose faults are at a test's command.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests: a surprise is a failure, and they drive real sockets"
)]

mod faults;
mod hostile;
mod joining;
mod media;
mod real;
mod relay;
mod server;
