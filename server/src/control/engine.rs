//! What session control asks of an engine, embedded or a LiveKit cluster, and what it hears of it.

use std::time::Duration;

use greenroom_protocol::session::Identity;

use super::session::{Command, Gone, Seen};
use super::store::BoxFuture;

/// What an engine did not do.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// The room or the user is not there (any more).
    #[error("not there: {0}")]
    NotThere(String),
    /// It was waited for in vain.
    #[error("it does not answer; is the LiveKit server up, and reached from here?")]
    Silent,
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

/// An engine.
pub(crate) trait Engine: Send + Sync + std::fmt::Debug {
    /// Does something in a room.
    fn run<'a>(
        &'a self,
        room: &'a str,
        command: &'a Command,
    ) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Everybody in a room.
    fn everybody<'a>(&'a self, room: &'a str) -> BoxFuture<'a, Result<Vec<Seen>, EngineError>>;

    /// A token by which a user gets into a room.
    fn token(&self, entry: &Entry<'_>) -> Result<String, EngineError>;

    /// How long a token lets in.
    fn token_lifetime(&self) -> Duration;

    /// Where clients reach it; `None` is the server of session control itself.
    fn url(&self) -> Option<String>;
}

/// Who is let into a room, and as what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    /// Room.
    pub(crate) room: &'a str,
    /// Who.
    pub(crate) identity: &'a Identity,
    /// What they are called.
    pub(crate) name: Option<&'a str>,
    /// What they are.
    pub(crate) role: greenroom_protocol::session::Role,
    /// Whether they may share a screen.
    pub(crate) may_share: bool,
    /// Until when the token lets in, in seconds since 1970 (UTC).
    pub(crate) until_unix_s: u64,
    /// Now, in seconds since 1970 (UTC).
    pub(crate) now_unix_s: u64,
}

/// Something that happened in a room.
#[derive(Clone, Debug)]
pub(crate) enum EngineEvent {
    /// A user is there, or changed.
    Seen(Seen),
    /// A user is there no more.
    Gone {
        /// Who.
        identity: Identity,
        /// Which participation.
        sid: String,
        /// Why.
        why: Gone,
    },
    /// The room was closed.
    Closed,
}
