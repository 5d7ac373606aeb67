//! What both ends of a measurement share: wire formats and state machines.
//!
//! Pure: no socket, runtime, clock or entropy. Time, seeds and secrets are arguments.

pub mod discovery;
pub mod livekit;
pub mod measure;
pub mod turn;

#[doc(hidden)]
pub mod fuzzing;
