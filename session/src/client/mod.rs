//! The session client: one object that joins one session at a time, and does what its user may do there.
//!
//! - [`Client`] is the object: `init`, `join`, then everything else, then `leave` or `end`.
//! - [`SessionEvent`]s tell what happens; [`SessionState`] is where the client is.
//! - Session control decides who may do what; the engine carries chat and media. Both connections are
//!   held here, and both are restored when they break.
//!
//! The machine inside decides and never waits; the driver moves messages between it, the control
//! connection, the engine and the clock.

mod control;
mod driver;
mod error;
mod event;
mod handle;
mod machine;
mod options;
mod packet;
mod requirements;
mod shared;
mod stay_awake;
mod warmth;

pub use error::SessionError;
pub use event::{Events, Failure, SessionEvent, SessionState};
pub use handle::{Client, ExitGuard};
pub use machine::{
    ACTION_TIMEOUT, ENGINE_WORD, JOIN_TIMEOUT, LEAVE_TIMEOUT, MAX_PENDING, SERVER_SILENCE,
};
pub use options::{InitNotice, InitOptions, InitReport, JoinOptions};
pub use packet::{MAX_TEXT_BYTES, Recipient, UserMessage};
pub use requirements::{Requirement, SystemRequirements, check_system_requirements};
pub use stay_awake::NotKeptAwake;
