//! The relay's sockets: one thread for UDP and the machine, a task for each TCP or TLS client.
//!
//! A thread of its own, apart from the measurement's: what is relayed must not make the server's
//! answers late.

pub(crate) mod figures;
pub(crate) mod frames;
pub(crate) mod handle;
mod outbox;
pub(crate) mod ports;
mod socket;
pub(crate) mod stream;
mod worker;
