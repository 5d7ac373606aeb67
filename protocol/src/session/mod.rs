//! What session client and session control share: parameters of a join and their limits, the session
//! token, roles and what they may do, the user list, and the messages of control.
//!
//! A session is named by its *topic*; whoever has a token for the topic may join. Roles, the passcode,
//! bans and the end of a session live in session control, sound and picture go through an engine that
//! speaks LiveKit's protocol.

pub mod message;
mod parameter;
mod reason;
mod role;
mod roster;
pub mod token;
mod user;

pub use parameter::{
    DEFAULT_IDLE_MINUTES, IdleTimeout, MAX_PASSCODE_CHARS, MAX_TOPIC_CHARS, MAX_USER_NAME_CHARS,
    ParameterError, Passcode, Topic, UserName,
};
pub use reason::{EndReason, LeaveReason};
pub use role::{Forbidden, Privilege, Role};
pub use roster::{Roster, RosterError};
pub use user::{AudioState, ConnectionState, Identity, User};
