//! The media half of the session client: peer connections with an engine that speaks LiveKit's
//! protocol, and the whole of a join.
//!
//! - [`MediaPeer`] is what the session needs of a WebRTC stack, in our own words; [`WebRtcPeer`] is that
//!   on `webrtc` and `rtc`.
//! - [`PreparedPublisher`] is made ahead of the join: certificate, sockets, data channels and offer.
//! - [`EngineConnection`] joins, keeps both peer connections negotiated, and restores what is lost.

mod candidates;
mod config;
mod engine;
mod handler;
mod media_peer;
mod prepared;
mod runtime;
mod sdp;
mod webrtc_peer;

pub use config::{CHECK_INTERVAL, PeerConfig};
pub use engine::{
    EngineConnection, EngineEvent, EngineSender, JoinError, JoinOptions, JoinTimings, LeaveError,
    PUBLISHER_TIMEOUT, SendError,
};
pub use media_peer::{
    DataChannelKind, IceServer, MAX_DATA_BYTES, MediaPeer, PeerError, PeerEvent, PeerRole,
    PeerState,
};
pub use prepared::{PREPARED_FOR, PreparedPublisher};
pub use webrtc_peer::{CHECK_ATTEMPTS, PeerEvents, WebRtcPeer};
