//! How the server is reached over TCP, TLS, HTTP and WebSocket, stage by stage.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the server is reached over TCP, TLS, HTTP and WebSocket, stage by stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WebSection {}
