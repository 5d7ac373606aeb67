//! Through which TURN servers, over which transports, media is relayed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Through which TURN servers, over which transports, media is relayed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnSection {}
