//! Peer connections: all of them on one UDP port, by one thread.

pub(super) mod driver;

mod leg;
mod socket;
mod worker;
