//! Peer connections.
