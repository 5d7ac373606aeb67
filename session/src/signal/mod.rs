//! LiveKit's signalling, version 0: one WebSocket that carries `SignalRequest` up and
//! `SignalResponse` down, with pings, resumption and full reconnection.
//!
//! [`SignalMachine`] decides and never waits; [`SignalClient`] moves its frames through our own
//! [`Dialer`](crate::dial::dialer::Dialer), so that proxy, trust and errors are those of every other
//! connection of this program.
//!
//! The crate `livekit-signaling` (0.1.8) was read and is not used: it takes its transport from one
//! registry of the whole process, in which the first registration wins for ever, while a client here has
//! a dialer of its own; its queues have no bounds; it reads clocks inside; and it calls itself internal to
//! LiveKit's own client. Its messages, from `livekit-protocol`, are what is spoken here.

mod client;
mod error;
mod machine;
mod ping;

pub use client::{SignalClient, SignalConfig, warm_up};
pub use error::{NotSent, SignalError};
pub use machine::{
    Attempt, EndReason, FIRST_RESPONSE_TIMEOUT, MAX_QUEUED_REQUESTS, Output, RECONNECT_FOR,
    RESUME_FOR, Refusal, SignalEvent, SignalMachine,
};

#[cfg(test)]
mod tests;
