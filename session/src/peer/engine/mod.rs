//! A session with an engine: joined, kept negotiated, restored.

mod connection;
mod driver;
mod event;
mod negotiation;
mod plan;

pub use connection::{EngineConnection, EngineSender, JoinOptions, JoinTimings, LeaveError};
pub use event::{EngineEvent, JoinError, SendError};
pub use plan::PUBLISHER_TIMEOUT;
