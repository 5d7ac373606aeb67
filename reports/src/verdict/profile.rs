//! The thresholds of a judgment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Thresholds by which a report is judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// Name.
    pub name: String,
}
