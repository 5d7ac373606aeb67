//! A finding: one named cause with its evidence and its remedy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::verdict::Capability;

/// One named cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Stable id, `network.path.loss_up`.
    pub id: String,
    /// How bad.
    pub severity: Severity,
    /// The finding in a few words.
    pub title: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// What most likely lies behind it.
    pub cause: String,
    /// What to do.
    pub remedy: String,
    /// Complaints of users that it explains.
    pub complaints: Vec<Complaint>,
    /// Capabilities that suffer.
    pub capabilities: Vec<Capability>,
    /// Id of the finding of which this one is a consequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consequence_of: Option<String>,
}

/// How bad a finding is. Ordered: a later one is worse.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know; nothing gets worse by itself.
    Info,
    /// Somebody will notice.
    Warning,
    /// Something will not work.
    Critical,
}

/// What users say when a call is bad.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Complaint {
    /// The picture is soft, blocky or frozen.
    BlurryVideo,
    /// Words are missing or robotic.
    ChoppyAudio,
    /// Cannot connect, or the connection breaks.
    PoorConnectivity,
}

/// One figure that a judgment rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Stable name of the figure, `rtt_p95`.
    pub metric: String,
    /// The figure: a number, or a word where it is none.
    pub value: EvidenceValue,
    /// Unit of value, interval and threshold: `ms`, `ratio`, `bps`, `bytes`, `packets`, `count`,
    /// `fps`, `dbfs`, `db`, `hz`, `ppm`, `luma` (0 to 255); empty for words.
    pub unit: String,
    /// Number of samples behind it; absent where it is no statistic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    /// 95 % interval, low and high.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// The edge that was crossed, or the nearest edge of the band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Name of the profile that the threshold is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// A number, or a word where the figure is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum EvidenceValue {
    /// A number in the evidence's unit.
    Number(f64),
    /// A word: a name, a state.
    Text(String),
}
