//! Messages between session client and session control: JSON, one object a WebSocket message.
//!
//! The first message of a client is [`ClientMessage::Join`] or [`ClientMessage::Resume`]. The server
//! answers with [`ServerMessage::Admitted`] or [`ServerMessage::Refused`], and after that tells every
//! change of the user list in order, with a revision that rises by one. A client says
//! [`ClientMessage::Heartbeat`] every [`HEARTBEAT`].

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::parameter::{IdleTimeout, UserName};
use super::reason::{EndReason, LeaveReason};
use super::role::Forbidden;
use super::user::{Identity, User};

/// Path of session control's WebSocket below the server's base URL.
pub const CONTROL_PATH: &str = "/session/v1/control";
/// Path of a join by HTTP, for clients that bring their own LiveKit SDK.
pub const JOIN_PATH: &str = "/session/v1/join";
/// Path of an action by HTTP.
pub const ACTION_PATH: &str = "/session/v1/action";
/// Path of the OpenAPI description.
pub const OPENAPI_PATH: &str = "/session/v1/openapi.json";
/// How often a client says that it is there.
pub const HEARTBEAT: Duration = Duration::from_secs(2);
/// Largest message of a client, in bytes.
pub const MAX_CLIENT_MESSAGE_BYTES: usize = 32 * 1024;
/// Longest text by which a host ends a session, in characters; what is beyond is cut off.
pub const MAX_END_TEXT_CHARS: usize = 500;

/// With what a session is joined.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// Name of the session, as typed.
    pub topic: String,
    /// Session token.
    pub token: String,
    /// What the user is called.
    #[serde(default)]
    pub user_name: UserName,
    /// Passcode of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passcode: Option<String>,
    /// How long the host may be alone, in minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_minutes: Option<IdleTimeout>,
}

/// Without token and passcode.
impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinRequest")
            .field("topic", &self.topic)
            .field("user_name", &self.user_name)
            .finish_non_exhaustive()
    }
}

/// What a client says.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMessage {
    /// Asks to join.
    Join(JoinRequest),
    /// Comes back on a new connection.
    Resume {
        /// What the server gave when it admitted the client.
        ticket: Ticket,
    },
    /// Is there.
    Heartbeat,
    /// Wants something done.
    Act {
        /// Number of the client's choice, which the answer repeats.
        request: u64,
        /// What.
        action: Action,
    },
}

/// By what a client is recognized. Whoever has it is the user: never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Ticket(pub String);

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

/// What a user wants done.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Gives a user another name; oneself, without an identity.
    Rename {
        /// Whom.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identity: Option<Identity>,
        /// The new name.
        name: UserName,
    },
    /// Mutes another user's microphone.
    Mute {
        /// Whom.
        identity: Identity,
    },
    /// Asks another user to unmute.
    AskToUnmute {
        /// Whom.
        identity: Identity,
    },
    /// Answers the question to unmute.
    AnswerUnmute {
        /// Whether the user agrees; the client then unmutes.
        accepted: bool,
    },
    /// Removes a user, who cannot come back into this session.
    Remove {
        /// Whom.
        identity: Identity,
    },
    /// Locks screen sharing for participants, or unlocks it.
    LockShare {
        /// Whether locked.
        locked: bool,
    },
    /// Makes another user host.
    TransferHost {
        /// Whom.
        identity: Identity,
    },
    /// Takes the host's role back, by the user who was host first.
    ReclaimHost,
    /// Makes a participant manager.
    MakeManager {
        /// Whom.
        identity: Identity,
    },
    /// Makes a manager participant.
    RevokeManager {
        /// Whom.
        identity: Identity,
    },
    /// Starts a live stream.
    StartLiveStream {
        /// RTMP URL.
        url: String,
        /// Stream key.
        key: String,
    },
    /// Stops the live stream.
    StopLiveStream,
    /// Leaves the session.
    Leave,
    /// Ends the session for all.
    End {
        /// What everybody reads.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
}

/// Without the key of a live stream.
impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self.target() {
            Some(identity) => write!(f, "({identity:?})"),
            None => Ok(()),
        }
    }
}

impl Action {
    /// Its name on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Rename { .. } => "rename",
            Self::Mute { .. } => "mute",
            Self::AskToUnmute { .. } => "ask_to_unmute",
            Self::AnswerUnmute { .. } => "answer_unmute",
            Self::Remove { .. } => "remove",
            Self::LockShare { .. } => "lock_share",
            Self::TransferHost { .. } => "transfer_host",
            Self::ReclaimHost => "reclaim_host",
            Self::MakeManager { .. } => "make_manager",
            Self::RevokeManager { .. } => "revoke_manager",
            Self::StartLiveStream { .. } => "start_live_stream",
            Self::StopLiveStream => "stop_live_stream",
            Self::Leave => "leave",
            Self::End { .. } => "end",
        }
    }

    /// Whom it is about, when that is another user.
    pub const fn target(&self) -> Option<&Identity> {
        match self {
            Self::Rename { identity, .. } => identity.as_ref(),
            Self::Mute { identity }
            | Self::AskToUnmute { identity }
            | Self::Remove { identity }
            | Self::TransferHost { identity }
            | Self::MakeManager { identity }
            | Self::RevokeManager { identity } => Some(identity),
            _ => None,
        }
    }
}

/// What session control says.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The client may join.
    Admitted(Box<Admitted>),
    /// The list changed.
    Changed {
        /// Rises by one with every change.
        revision: u64,
        /// What changed.
        change: Change,
    },
    /// The whole list, where changes were missed.
    Snapshot(Snapshot),
    /// The action was done.
    Done {
        /// The client's number of it.
        request: u64,
    },
    /// The action was refused.
    Denied {
        /// The client's number of it.
        request: u64,
        /// Why.
        error: Refusal,
    },
    /// The join or the return was refused; the connection ends.
    Refused {
        /// Why.
        error: Refusal,
    },
    /// Something for this user alone.
    Notice(Notice),
    /// The session is over for this client; the connection ends.
    Ended {
        /// Why.
        reason: EndReason,
        /// What the host said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
}

/// What a client needs to go on.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct Admitted {
    /// Tells this session from an earlier one of the same topic.
    pub session: String,
    /// Who the client is.
    pub identity: Identity,
    /// By what it comes back.
    pub ticket: Ticket,
    /// Where the engine is.
    pub engine: EngineAccess,
    /// The list as it is; the client itself is on it once the engine has seen it.
    pub snapshot: Snapshot,
    /// How often to say [`ClientMessage::Heartbeat`], in milliseconds.
    pub heartbeat_ms: u32,
    /// After how long of silence the user is removed, in milliseconds.
    pub removed_after_ms: u32,
}

/// Without ticket.
impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted")
            .field("session", &self.session)
            .field("identity", &self.identity)
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

/// Where and with what to connect to the engine, which speaks LiveKit's protocol.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct EngineAccess {
    /// `ws://` or `wss://` of the engine; `None` is the server that answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// LiveKit access token.
    pub token: String,
}

/// Without token.
impl fmt::Debug for EngineAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineAccess")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// The user list at a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// The last change that it holds.
    pub revision: u64,
    /// Whether participants may not share their screens.
    #[serde(default)]
    pub share_locked: bool,
    /// All users.
    pub users: Vec<User>,
}

/// A change of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Somebody joined.
    UserJoined {
        /// Who.
        user: User,
    },
    /// Something about a user is different: name, role, states.
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
    /// Screen sharing was locked or unlocked for participants.
    ShareLocked {
        /// Whether locked.
        locked: bool,
        /// By whom.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Identity>,
    },
}

/// Something for one user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// Host or manager muted this user's microphone.
    MutedBy {
        /// Who.
        by: Identity,
    },
    /// Host or manager asks this user to unmute; to be answered with [`Action::AnswerUnmute`].
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
}

/// Why something was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// For programs.
    pub code: RefusalCode,
    /// For people: what was refused, why, what to do.
    pub message: String,
    /// After how long it may be tried again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u32>,
}

impl Refusal {
    /// A refusal in words.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_ms: None,
        }
    }
}

impl From<Forbidden> for Refusal {
    fn from(forbidden: Forbidden) -> Self {
        let code = match forbidden {
            Forbidden::HostRequired => RefusalCode::HostRequired,
            Forbidden::HostOrManagerRequired => RefusalCode::HostOrManagerRequired,
        };
        Self::new(code, forbidden.to_string())
    }
}

/// Kinds of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// A parameter breaks its rule.
    InvalidParameter,
    /// The token is none that is taken; the message tells why.
    InvalidToken,
    /// The token has expired.
    TokenExpired,
    /// The token is not valid yet.
    TokenNotYetValid,
    /// The token is for another topic.
    TopicMismatch,
    /// The passcode is missing or wrong.
    WrongPasscode,
    /// Too many tries.
    RateLimited,
    /// The session is full.
    CapacityExceeded,
    /// The user was removed from this session.
    RemovedFromSession,
    /// The ticket is of no user who is there.
    UnknownTicket,
    /// No user of that identity is there.
    UnknownUser,
    /// The host alone may do that.
    HostRequired,
    /// Host and managers may do that.
    HostOrManagerRequired,
    /// It makes no sense now: the message tells why.
    NotPossible,
    /// The engine cannot do that.
    NotSupported,
    /// The engine did not do it.
    EngineFailed,
    /// The message is none of the protocol.
    BadMessage,
    /// The server stops.
    ServerShutdown,
}
