//! The measurement protocol: what both ends say, sans-IO.
//!
//! `docs/protocol.md` is its description for readers who write another client or server.

pub mod client;
mod handshake;
pub mod limits;
pub mod load;
pub mod path_mtu;
pub mod record;
pub mod responder;
pub mod session;
pub mod summary;
pub mod time;
pub mod token;
pub mod variation;
pub mod wire;
