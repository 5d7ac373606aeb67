//! The measurement responder at work: a UDP socket with its own thread, and the same over
//! WebSocket.

pub(crate) mod driver;
pub(crate) mod figures;
mod path_mtu;
mod sending;
mod socket;
pub(crate) mod stream;
mod timer;
