//! What STUN servers tell of the NAT between this machine and the internet.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What STUN servers tell of the NAT between this machine and the internet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StunSection {}
