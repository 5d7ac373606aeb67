//! What a session client could not do, and why.

use std::time::Duration;

use greenroom_protocol::session::message::Refusal;
use greenroom_protocol::session::token::MAX_TOKEN_BYTES;
use greenroom_protocol::session::{EndReason, Identity, ParameterError};

use super::packet::MAX_TEXT_BYTES;
use crate::dial::base_url::BaseUrlError;
use crate::dial::error::DialError;
use crate::peer::{JoinError, SendError};

/// Why something was not done. No text holds a token, a ticket or a passcode.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// `init` was not called, or has not resolved.
    #[error("cannot {what}: the client is not initialized; call init and wait until it is done")]
    NotInitialized {
        /// What was asked.
        what: &'static str,
    },
    /// The client is in a session, or about to be.
    #[error("cannot join: this client is in a session; leave it first, or use another client")]
    DuplicateJoin,
    /// The client is in no session.
    #[error("cannot {what}: the client is in no session")]
    NotJoined {
        /// What was asked.
        what: &'static str,
    },
    /// The connection that it takes is being restored.
    #[error("cannot {what}: the connection is being restored; try again in a moment")]
    Reconnecting {
        /// What was asked.
        what: &'static str,
    },
    /// A parameter breaks its rule.
    #[error("cannot join")]
    InvalidParameter(#[from] ParameterError),
    /// The token is none at all.
    #[error("cannot join: the token has {bytes} bytes; it takes 1 to {MAX_TOKEN_BYTES}")]
    TokenLength {
        /// How many it has.
        bytes: usize,
    },
    /// The endpoint is no URL of a server.
    #[error("cannot initialize")]
    Endpoint(#[source] BaseUrlError),
    /// Session control said no.
    #[error("the server refuses to {what}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Its reason.
        #[source]
        refusal: Refusal,
    },
    /// The engine, which carries chat and media, was not joined.
    #[error("cannot join the media part of the session")]
    Engine(#[source] Box<JoinError>),
    /// The engine did not take something.
    #[error("cannot {what}")]
    Send {
        /// What was asked.
        what: &'static str,
        /// Why.
        #[source]
        source: SendError,
    },
    /// Session control cannot be reached.
    #[error("cannot reach session control")]
    Control(#[source] Box<DialError>),
    /// The connection to session control broke before the answer.
    #[error(
        "the connection to session control broke ({why}) before the answer; whether the server did \
         {what} is not known"
    )]
    ControlLost {
        /// What was asked.
        what: &'static str,
        /// How it broke.
        why: String,
    },
    /// No answer came in time.
    #[error("cannot {what}: no answer within {} s", .after.as_secs())]
    Timeout {
        /// What was asked.
        what: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// Too much waits for answers.
    #[error("cannot {what}: {waiting} requests wait for the server's answer already")]
    Busy {
        /// What was asked.
        what: &'static str,
        /// How many wait.
        waiting: usize,
    },
    /// More text than one message takes.
    #[error("cannot {what}: it has {bytes} bytes, and {limit} are taken at most")]
    TooLong {
        /// What was asked.
        what: &'static str,
        /// How many it has.
        bytes: usize,
        /// How many are taken.
        limit: usize,
    },
    /// The session ended meanwhile.
    #[error("cannot {what}: {}", .reason.explanation())]
    Ended {
        /// What was asked.
        what: &'static str,
        /// Why it ended.
        reason: EndReason,
    },
    /// No user of that identity is in the session.
    #[error("cannot {what}: no user {identity} is in this session")]
    UnknownUser {
        /// What was asked.
        what: &'static str,
        /// Whom it is about.
        identity: Identity,
    },
    /// No microphone was announced.
    #[error("cannot {what}: no microphone was announced in this session")]
    NoMicrophone {
        /// What was asked.
        what: &'static str,
    },
    /// This version cannot do that yet.
    #[error("cannot {what}: this version of the session client sends and shows no media yet")]
    NotSupportedYet {
        /// What was asked.
        what: &'static str,
    },
    /// The server sends the client to an engine whose URL cannot be read.
    #[error(
        "session control names an engine that cannot be reached; its operator has to mend that"
    )]
    EngineUrl(#[source] BaseUrlError),
}

impl SessionError {
    /// A text that is too long for a chat message or a command.
    pub(crate) const fn text_too_long(what: &'static str, bytes: usize) -> Self {
        Self::TooLong {
            what,
            bytes,
            limit: MAX_TEXT_BYTES,
        }
    }

    /// Whether the same call can succeed later without anything being changed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Reconnecting { .. }
            | Self::Timeout { .. }
            | Self::Busy { .. }
            | Self::Control(_)
            | Self::ControlLost { .. } => true,
            Self::Refused { refusal, .. } => refusal.retry_after_ms.is_some(),
            Self::Ended { reason, .. } => *reason == EndReason::ServerShutdown,
            _ => false,
        }
    }
}
