//! What probes and the session client share: dialing a deployment over HTTP and WebSocket, with
//! errors that name who said no.

pub mod dial;
pub mod turn;
