//! Why signalling did not come about, or ended.

use std::time::Duration;

use super::machine::EndReason;
use crate::dial::error::DialError;

/// Signalling that could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// The server, or what stands before it, was not reached.
    #[error("cannot open the signalling connection")]
    Dial(#[source] DialError),
    /// The server looked at the token and said no.
    #[error("{server} refuses the token ({status}{})", said(.words))]
    Denied {
        /// The server's base URL.
        server: String,
        /// Status of HTTP.
        status: u16,
        /// What the server said, shortened.
        words: String,
    },
    /// The server cannot take anybody now, or something between breaks WebSockets.
    #[error("{server} does not open a signalling connection now ({status}{})", said(.words))]
    Unavailable {
        /// The server's base URL.
        server: String,
        /// Status of HTTP.
        status: u16,
        /// What the server said, shortened.
        words: String,
    },
    /// The token holds characters that no token has.
    #[error(
        "the token for {server} holds characters that HTTP does not carry; was it copied whole?"
    )]
    Token {
        /// The server's base URL.
        server: String,
    },
    /// The connection stood, and no `JoinResponse` came.
    #[error("{server} opened the signalling connection and sent no JoinResponse within {} s", .waited.as_secs())]
    NoJoinResponse {
        /// The server's base URL.
        server: String,
        /// How long was waited.
        waited: Duration,
    },
    /// The first frame was no message of LiveKit.
    #[error(
        "{server} opened the signalling connection and does not speak LiveKit's protocol there"
    )]
    NotLiveKit {
        /// The server's base URL.
        server: String,
    },
    /// It ended before it was joined.
    #[error("{server} ended the signalling connection before it was joined ({reason})")]
    Ended {
        /// The server's base URL.
        server: String,
        /// The reason.
        reason: EndReason,
    },
}

impl SignalError {
    /// Trying again with the same token can help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Dial(_) | Self::Unavailable { .. } | Self::NoJoinResponse { .. } => true,
            Self::Denied { .. } | Self::Token { .. } | Self::NotLiveKit { .. } => false,
            Self::Ended { reason, .. } => matches!(reason, EndReason::ConnectionLost),
        }
    }
}

fn said(words: &str) -> String {
    if words.is_empty() {
        String::new()
    } else {
        format!(": {words}")
    }
}

/// A request that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The connection is being restored and too much waits for it already.
    #[error("the signalling connection is being restored, and too many requests wait for it")]
    QueueFull,
    /// The connection has ended.
    #[error("the signalling connection has ended")]
    Ended,
}
