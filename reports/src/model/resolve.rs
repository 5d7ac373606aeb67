//! How names are looked up from this machine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How names are looked up from this machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResolveSection {}
