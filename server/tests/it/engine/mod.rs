//! The engine over real sockets, on loopback.

mod browser;
mod crowd;
mod harness;
mod intruders;
mod service;
mod signalling;
mod witness;
