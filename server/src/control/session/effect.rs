//! What follows from what happened.

use greenroom_protocol::session::message::{Change, Notice, Refusal};
use greenroom_protocol::session::{EndReason, Identity, Role, UserName};

/// Something to be told or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The list changed: to be told to all.
    Changed {
        /// Of the list.
        revision: u64,
        /// What.
        change: Change,
    },
    /// To be told to one user.
    Tell {
        /// SHA-256 of the ticket by which this participation is told from others of the same user.
        ticket: [u8; 32],
        /// What.
        tell: Tell,
    },
    /// From here on, what is told to this ticket's holder is delivered to who asked with it: what the
    /// session told before is not theirs.
    Listen {
        /// SHA-256 of the ticket.
        ticket: [u8; 32],
    },
    /// The session is over for all.
    EndedForAll {
        /// SHA-256 of the tickets of all, also of those who are away.
        tickets: Vec<[u8; 32]>,
        /// Why.
        reason: EndReason,
        /// What the host said.
        text: Option<String>,
    },
    /// To be done by the engine.
    Engine(Command),
}

/// Something for one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tell {
    /// A notice.
    Notice(Notice),
    /// The session is over for them.
    Ended(EndReason),
    /// The place that they were given is not theirs any more.
    Refused(Refusal),
}

/// Something for the engine to do in the session's room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Show another name.
    Rename {
        /// Whose.
        identity: Identity,
        /// The name.
        name: UserName,
    },
    /// Show another role, and allow or forbid to share a screen.
    SetRole {
        /// Whose.
        identity: Identity,
        /// The role.
        role: Role,
        /// Whether they may share.
        may_share: bool,
    },
    /// Mute a track.
    Mute {
        /// Whose.
        identity: Identity,
        /// Track of the engine.
        track: String,
    },
    /// Remove a user.
    Remove {
        /// Whom.
        identity: Identity,
    },
    /// Tell all users why, then close the room.
    End {
        /// Why.
        reason: EndReason,
        /// What the host said.
        text: Option<String>,
    },
    /// Close the room, in which nobody is.
    Close,
}
