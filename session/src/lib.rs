//! What probes and the session client share: dialing a deployment over HTTP and WebSocket, STUN and
//! TURN, with errors that name who said no. With the feature `client` also the session client, and its half of
//! LiveKit: signalling and peer connections.

#[cfg(feature = "client")]
pub mod client;
pub mod dial;
#[cfg(feature = "client")]
pub mod peer;
#[cfg(feature = "client")]
pub mod signal;
pub mod stun;
pub mod turn;
