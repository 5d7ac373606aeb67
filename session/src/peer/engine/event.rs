//! What a session tells, and why it fails.

use std::time::Duration;

use greenroom_protocol::livekit::proto;
use proto::{DataPacket, JoinResponse, ParticipantInfo};

use super::connection::{JoinTimings, TRACK_TIMEOUT};
use crate::peer::media_peer::{DataChannelKind, PeerError, PeerState};
use crate::signal::{EndReason, NotSent, SignalError};

/// What the session tells.
#[derive(Debug)]
#[non_exhaustive]
pub enum EngineEvent {
    /// Signalling is joined and the publisher connected.
    Joined(Box<JoinResponse>, JoinTimings),
    /// Participants came, changed or left.
    ParticipantUpdate(Vec<ParticipantInfo>),
    /// The room changed.
    RoomUpdate(Box<proto::Room>),
    /// A message of another participant, or of the server.
    Data(DataChannelKind, Box<DataPacket>),
    /// Who began or ceased to speak.
    Speakers(Vec<proto::SpeakerInfo>),
    /// How well participants are connected.
    Quality(Vec<proto::ConnectionQualityInfo>),
    /// The server muted one of our tracks, or asks to unmute it. A mute is acknowledged already; the track
    /// has to fall silent.
    Muted {
        /// Our track.
        track_sid: String,
        /// Muted, or asked to unmute.
        muted: bool,
    },
    /// The server took one of our tracks off.
    TrackUnpublished {
        /// Our track.
        track_sid: String,
    },
    /// An answer to a request with a number.
    RequestResponse(Box<proto::RequestResponse>),
    /// A round trip of the signalling connection.
    Rtt(Duration),
    /// Something is lost and is being restored.
    Reconnecting,
    /// Everything is back. With a `JoinResponse` the participant is a new one, and tracks have to be
    /// announced again.
    Reconnected(Option<Box<JoinResponse>>),
    /// The end; nothing follows.
    Disconnected(EndReason),
}

/// Why a join failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// Signalling was not joined.
    #[error("cannot join the session")]
    Signal(#[source] SignalError),
    /// This machine could not make a peer connection.
    #[error("cannot make the connection for media")]
    Peer(#[source] PeerError),
    /// ICE or DTLS did not come about.
    #[error(
        "signalling with {server} works, but no media connection came about within {} s ({}); \
         a firewall may block UDP, and the server may offer no relay",
        .waited.as_secs(),
        last_state(*.state)
    )]
    NoMedia {
        /// The server's base URL.
        server: String,
        /// How long was waited.
        waited: Duration,
        /// How far it came.
        state: PeerState,
    },
    /// Signalling ended before media stood.
    #[error("{server} ended the join before media was connected ({reason})")]
    Ended {
        /// The server's base URL.
        server: String,
        /// Why.
        reason: EndReason,
    },
}

fn last_state(state: PeerState) -> &'static str {
    match state {
        PeerState::New => "the server did not answer the offer",
        PeerState::Connecting => "connectivity checks or the DTLS handshake were not completed",
        PeerState::Connected => "it was connected and lost again",
        PeerState::Disconnected => "it was connected and nothing was heard any more",
        PeerState::Failed => "no connectivity check was answered",
        PeerState::Closed => "the server closed it",
    }
}

/// What a session that was joined could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// It is over, or being restored and too much waits.
    #[error("cannot reach the server")]
    NotSent(#[source] NotSent),
    /// The media connection did not take it.
    #[error("cannot send data")]
    Peer(#[source] PeerError),
    /// The server refused the track.
    #[error("the server refuses the track: {words}")]
    TrackRefused {
        /// What the server said.
        words: String,
    },
    /// The server did not name the track in time.
    #[error("the server did not confirm the track within {} s", TRACK_TIMEOUT.as_secs())]
    NoTrack,
}
