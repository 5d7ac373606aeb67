//! What a session client tells.

use std::time::Duration;

use greenroom_protocol::session::message::Refusal;
use greenroom_protocol::session::{EndReason, Identity, LeaveReason, User};
use tokio::sync::broadcast;

use super::packet::UserMessage;
use super::stay_awake::NotKeptAwake;
use crate::signal::EndReason as EngineEnd;

/// Where a client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// Made, and not initialized.
    #[default]
    Idle,
    /// Ready to join.
    Initialized,
    /// A join is under way.
    Joining,
    /// In the session: admitted, and the engine connected.
    Joined,
    /// In the session, and a connection is being restored.
    Reconnecting,
    /// Left by the user's wish. May join again.
    Left,
    /// The session is over for this user. May join again.
    Ended,
    /// The join failed, or what was lost did not come back. May join again.
    Failed,
}

impl SessionState {
    /// Whether a session is held or being joined.
    pub const fn is_in_session(self) -> bool {
        matches!(self, Self::Joining | Self::Joined | Self::Reconnecting)
    }
}

/// Why a client is [`SessionState::Failed`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The join was not successful; its error tells why.
    #[error("the join failed")]
    Join,
    /// What was lost did not come back in time.
    #[error(
        "the connection was lost and did not come back within {} s; the last try: {last}",
        .after.as_secs()
    )]
    ConnectionLost {
        /// How long was tried.
        after: Duration,
        /// What the last try ended with.
        last: String,
    },
    /// The server did not take the user back.
    #[error("the connection was lost, and the server did not take the user back: {0}")]
    Refused(Refusal),
    /// The engine ended its connection for a reason that trying again does not mend.
    #[error("the media part of the session ended: {0}")]
    Engine(EngineEnd),
}

/// What happens in a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionEvent {
    /// The client's state is another one.
    StateChanged {
        /// Before.
        from: SessionState,
        /// Now.
        to: SessionState,
    },
    /// Somebody joined.
    UserJoined {
        /// Who.
        user: User,
    },
    /// Something about a user is different.
    UserChanged {
        /// As they are now.
        user: User,
    },
    /// Somebody is gone.
    UserLeft {
        /// Who.
        identity: Identity,
        /// Why.
        reason: LeaveReason,
    },
    /// The whole user list was read anew, since changes may have been missed.
    ListReplaced,
    /// Screen sharing was locked or unlocked for participants.
    ShareLocked {
        /// Whether locked.
        locked: bool,
        /// By whom.
        by: Option<Identity>,
    },
    /// Host or manager muted this user's microphone.
    MutedBy {
        /// Who.
        by: Identity,
    },
    /// Host or manager asks this user to unmute.
    UnmuteAsked {
        /// Who.
        by: Identity,
    },
    /// A user answered the question to unmute.
    UnmuteAnswered {
        /// Who.
        identity: Identity,
        /// Whether they agree.
        accepted: bool,
    },
    /// This user's screen share was stopped, since sharing is locked.
    ShareStopped {
        /// Who locked it.
        by: Identity,
    },
    /// A chat message.
    Chat(UserMessage),
    /// A message of the command channel.
    Command(UserMessage),
    /// Who is heard speaking now.
    Speaking {
        /// All of them, who began last first.
        identities: Vec<Identity>,
    },
    /// The engine's connection is a new one: what was announced to it was announced again.
    EngineRejoined,
    /// The machine may fall asleep in the session.
    NotKeptAwake(NotKeptAwake),
    /// This user left, as they wished.
    Left,
    /// The session is over for this user.
    Ended {
        /// Why.
        reason: EndReason,
        /// What the host said.
        text: Option<String>,
    },
    /// The session could not be joined or kept.
    Failed(Failure),
    /// Whoever reads these events was too slow, and some were left out; the user list is current all the
    /// same.
    Lagged {
        /// How many were left out.
        missed: u64,
    },
}

/// Events of a client, from when it was asked for. Bounded: who is slow misses the oldest ones, and is
/// told so.
#[derive(Debug)]
pub struct Events(pub(super) broadcast::Receiver<SessionEvent>);

impl Events {
    /// The next event; `None` when the client is gone.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                Some(SessionEvent::Lagged { missed })
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
