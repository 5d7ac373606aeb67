//! Every fault of microphone and speaker that a real sound server can have, and healthy ones: the
//! built program has to name the one, first, and to raise no alarm over the other.
//!
//! Needs Linux with PulseAudio; `docs/faults.md` lists what is injected, how, and what came of it.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests: helpers wait, read clocks, tell what they saw and may fail"
)]

mod healthy;
mod microphone;
#[path = "../../devices/tests/pulse/mod.rs"]
mod pulse;
mod room;
mod speaker;
mod spoken;
mod try_out;
mod unusable;
