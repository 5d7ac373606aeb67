//! What client and server of a session say to each other: LiveKit's protocol, version 0.
//!
//! [`proto`] holds its messages, as LiveKit publishes them; [`grants`] the tokens that let
//! somebody into a room.

pub mod grants;

/// The protobuf messages of LiveKit, and the trait that encodes them.
pub mod proto {
    pub use livekit_protocol::*;
    pub use prost::Message;
}
