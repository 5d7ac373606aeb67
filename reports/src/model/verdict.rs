//! What a report says about the call: judgments, each with the figure it rests on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The judgment of a report by a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The answer.
    pub answer: Answer,
    /// The answer as one sentence for a person.
    pub headline: String,
    /// One for each capability, in a fixed order.
    pub capabilities: Vec<CapabilityVerdict>,
}

/// Will the call work?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Every capability that could be judged is good, and every required one was judged.
    Ready,
    /// The call can be joined; something will be worse than good.
    Limited,
    /// The call cannot be joined.
    CannotJoin,
    /// A required capability could not be judged.
    Undetermined,
}

/// What a person does in a call.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Reach the service.
    Join,
    /// Hear the others.
    Hear,
    /// Be heard.
    Speak,
    /// See the others.
    See,
    /// Be seen.
    Show,
    /// Share the screen.
    Share,
}

/// How good a figure is. Ordered: a later band is worse.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// Nothing to wish for.
    Excellent,
    /// Nobody will notice.
    Good,
    /// Noticeable now and then.
    Fair,
    /// Audio only, with trouble.
    Poor,
    /// Not usable.
    Fail,
}

/// How sure a judgment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// The interval lies within one band, or the figure has no sampling error.
    High,
    /// The interval spans two bands or more, or too few samples give none.
    Low,
}

/// The judgment of one capability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapabilityVerdict {
    /// Which.
    pub capability: Capability,
    /// The profile requires it.
    pub required: bool,
    /// The worst band of its figures; absent when undetermined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<Band>,
    /// Low as soon as one deciding figure is.
    pub confidence: Confidence,
    /// Why it is undetermined or below good, and what was not checked; sentences for a person.
    pub notes: Vec<String>,
    /// The figures it rests on.
    pub metrics: Vec<MetricVerdict>,
}

/// The judgment of one figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricVerdict {
    /// Stable name, `rtt_p95` or `loss_up`.
    pub metric: String,
    /// Absent when unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<Band>,
    /// The figure with what it rests on; absent when unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<super::finding::Evidence>,
    /// See [`Confidence`].
    pub confidence: Confidence,
    /// The profile needs this figure for the capability.
    pub required: bool,
    /// Why there is no figure: not measured, too few samples, or not applicable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
