//! What probes and the session client share: dialing a deployment over HTTP and WebSocket, STUN and
//! TURN, with
//! errors that name who said no.

pub mod dial;
pub mod stun;
pub mod turn;
