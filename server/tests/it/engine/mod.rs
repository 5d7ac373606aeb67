//! The engine over real sockets, on loopback.

mod harness;
mod intruders;
mod service;
mod signalling;
mod witness;
