//! Why somebody is no longer in a session.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a session is over, for the one who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The host ended it for all.
    EndedByHost,
    /// One user was alone for too long.
    IdleTimeout,
    /// Host or manager removed this user.
    Removed,
    /// The same user joined from elsewhere.
    DuplicateIdentity,
    /// The server stops.
    ServerShutdown,
    /// Nothing was heard from this user for too long.
    ConnectionLost,
    /// This user left.
    Left,
}

impl EndReason {
    /// In words.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::EndedByHost => "the host ended the session",
            Self::IdleTimeout => "one user was alone in the session for too long",
            Self::Removed => "you were removed from the session",
            Self::DuplicateIdentity => "you joined from another place",
            Self::ServerShutdown => "the server stops; join again in a moment",
            Self::ConnectionLost => "the connection was lost for too long",
            Self::Left => "you left",
        }
    }
}

/// Why another user is no longer on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// They left.
    Left,
    /// They were removed.
    Removed,
    /// Nothing was heard from them for too long.
    ConnectionLost,
    /// They joined from another place.
    DuplicateIdentity,
}
