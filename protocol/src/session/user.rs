//! A user, as everybody in the session sees them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::parameter::UserName;
use super::role::Role;

/// By what a user is told from all others of a session. The same as the LiveKit identity.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Identity(pub String);

impl Identity {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Identity {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// The microphone of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AudioState {
    /// None is sent.
    #[default]
    None,
    /// Sent, and muted.
    Muted,
    /// Sent.
    On,
}

/// Whether a user is heard from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// Yes.
    #[default]
    Connected,
    /// Not for a few seconds; they are waited for.
    Reconnecting,
}

/// A user of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// Who.
    pub identity: Identity,
    /// What they are called; `null` when they gave no name.
    #[serde(default)]
    pub name: UserName,
    /// What they are.
    pub role: Role,
    /// Their microphone.
    #[serde(default)]
    pub audio: AudioState,
    /// Whether they send a picture.
    #[serde(default)]
    pub video: bool,
    /// Whether they share a screen.
    #[serde(default)]
    pub sharing: bool,
    /// Whether they are heard speaking.
    #[serde(default)]
    pub speaking: bool,
    /// Whether they are heard from.
    #[serde(default)]
    pub connection: ConnectionState,
    /// When they joined, in milliseconds since 1970 (UTC), by the server's clock.
    pub joined_unix_ms: i64,
}
