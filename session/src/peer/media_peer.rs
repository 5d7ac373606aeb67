//! What the session needs of a WebRTC stack.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

/// Largest payload of a data channel message. Source: the stack announces 65,536 bytes as its largest
/// SCTP message, and LiveKit's envelope takes its part.
pub const MAX_DATA_BYTES: usize = 64_000;

/// Which of the two peer connections of LiveKit's version 0 this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerRole {
    /// We send; we make the offers.
    Publisher,
    /// We receive; the server makes the offers.
    Subscriber,
}

impl fmt::Display for PeerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Publisher => "publisher",
            Self::Subscriber => "subscriber",
        })
    }
}

/// LiveKit's two data channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataChannelKind {
    /// Ordered and repeated until it arrives.
    Reliable,
    /// Unordered and sent once.
    Lossy,
}

impl DataChannelKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Reliable, Self::Lossy];

    /// The label by which LiveKit knows it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Reliable => "_reliable",
            Self::Lossy => "_lossy",
        }
    }

    /// The channel of a label; `None` for channels that are not spoken here.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.label() == label)
    }
}

/// State of a peer connection. Source: W3C WebRTC, `RTCPeerConnectionState`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerState {
    /// Nothing was negotiated.
    #[default]
    New,
    /// ICE or DTLS is under way.
    Connecting,
    /// Both stand.
    Connected,
    /// Nothing is heard, which may pass.
    Disconnected,
    /// It does not come back without an ICE restart.
    Failed,
    /// Closed by us or the peer.
    Closed,
}

/// What a peer connection tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// The state changed. States that were passed while nobody asked are left out.
    State(PeerState),
    /// A candidate was gathered: `RTCIceCandidateInit` as JSON.
    Candidate(String),
    /// A message came.
    Data(DataChannelKind, Bytes),
}

/// A STUN or TURN server.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// URLs of schemes `stun:` and `turn:`.
    pub urls: Vec<String>,
    /// User name, for TURN.
    pub username: String,
    /// Password, for TURN.
    pub credential: String,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .field("username", &"…")
            .field("credential", &"…")
            .finish()
    }
}

/// One peer connection. Media tracks will be added and read through this trait too.
///
/// Every method ends in time, and dropping the object ends its tasks and closes its sockets.
pub trait MediaPeer: Send + Sync + 'static {
    /// A new offer, already applied on this side; with new ICE credentials and sockets if `restart_ice`.
    ///
    /// # Errors
    /// When the stack makes none, for instance since it is closed.
    fn offer(&self, restart_ice: bool) -> impl Future<Output = Result<String, PeerError>> + Send;

    /// Takes the peer's answer to the last offer.
    ///
    /// # Errors
    /// When the stack does not understand or expect it.
    fn take_answer(&self, sdp: String) -> impl Future<Output = Result<(), PeerError>> + Send;

    /// Takes the peer's offer, applies and gives the answer.
    ///
    /// # Errors
    /// When the stack does not understand the offer.
    fn answer(&self, offer: String) -> impl Future<Output = Result<String, PeerError>> + Send;

    /// Takes a candidate of the peer: `RTCIceCandidateInit` as JSON. May come before the description that
    /// it belongs to, and more than once.
    ///
    /// # Errors
    /// When it cannot be read.
    fn add_candidate(&self, init: &str) -> impl Future<Output = Result<(), PeerError>> + Send;

    /// Uses these servers, also for an offer that was made before; through relays alone if `relay_only`.
    ///
    /// # Errors
    /// When the stack does not take them.
    fn set_ice_servers(
        &self,
        servers: Vec<IceServer>,
        relay_only: bool,
    ) -> impl Future<Output = Result<(), PeerError>> + Send;

    /// Sends a message. A reliable one waits for the channel to open and for room in the send buffer, both
    /// for a bounded time; a lossy one is dropped where there is no room, which is no error.
    ///
    /// # Errors
    /// When the message is too large, or the channel does not open or take it in time.
    fn send(
        &self,
        channel: DataChannelKind,
        message: Bytes,
    ) -> impl Future<Output = Result<(), PeerError>> + Send;

    /// The state now.
    fn state(&self) -> PeerState;

    /// Says goodbye to the peer, releases relays, closes the sockets.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// What a peer connection could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The stack refused.
    #[error("the {role} connection cannot {what}")]
    Stack {
        /// Which connection.
        role: PeerRole,
        /// What was asked, as a verb and its object.
        what: &'static str,
        /// What the stack says.
        #[source]
        source: webrtc::error::Error,
    },
    /// The stack did not answer in time.
    #[error("the {role} connection did not {what} within {} s", .waited.as_secs())]
    TimedOut {
        /// Which connection.
        role: PeerRole,
        /// What was asked, as a verb and its object.
        what: &'static str,
        /// How long was waited.
        waited: Duration,
    },
    /// A candidate that cannot be read.
    #[error("the server sent a candidate that cannot be read")]
    Candidate(#[source] serde_json::Error),
    /// The peer shows another certificate than before: it has begun anew.
    #[error("the server shows another certificate than before; its media engine has begun anew")]
    OtherCertificate,
    /// Too large for a data channel.
    #[error(
        "a message of {bytes} bytes is larger than the {MAX_DATA_BYTES} that a data channel takes"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}
