//! The report as a whole.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::camera::CameraSection;
use super::derived::DerivedSection;
use super::discovery::DiscoverySection;
use super::finding::Finding;
use super::microphone::MicrophoneSection;
use super::outcome::Outcome;
use super::path::PathSection;
use super::resolve::ResolveSection;
use super::sensitive::Sensitive;
use super::speaker::SpeakerSection;
use super::stun::StunSection;
use super::system::SystemSection;
use super::throughput::ThroughputSection;
use super::turn::TurnSection;
use super::verdict::Verdict;
use super::web::WebSection;
use crate::units::{ByteCount, Millis};
use crate::verdict::profile::Profile;

/// Version of the report's schema that this program writes, and the newest that it reads.
pub const SCHEMA_VERSION: u32 = 1;

/// One run: what was asked, what was found, and what it means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// See [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Short id to quote to a support engineer.
    pub id: String,
    /// Program that wrote it.
    pub tool: Tool,
    /// When the run began, RFC 3339 in UTC.
    pub started_at: String,
    /// How long it took.
    pub elapsed_ms: Millis,
    /// How it ended.
    pub ending: Ending,
    /// Addresses, host and user names were replaced by pseudonyms.
    pub redacted: bool,
    /// What was asked.
    pub request: Request,
    /// What the run cost.
    pub cost: Cost,
    /// The answer.
    pub verdict: Verdict,
    /// The causes, the one that matters most first.
    pub findings: Vec<Finding>,
    /// What this machine is.
    pub system: Outcome<SystemSection>,
    /// Whether the server was found.
    pub discovery: Outcome<DiscoverySection>,
    /// What the idle path is like.
    pub path: Outcome<PathSection>,
    /// What the way carries; absent in reports from before it was measured.
    #[serde(
        default = "Outcome::<ThroughputSection>::earlier_version",
        skip_serializing_if = "Outcome::is_of_earlier_version"
    )]
    pub throughput: Outcome<ThroughputSection>,
    /// What the camera shows; absent in reports from before it was looked at.
    #[serde(
        default = "Outcome::<CameraSection>::earlier_version",
        skip_serializing_if = "Outcome::is_of_earlier_version"
    )]
    pub camera: Outcome<CameraSection>,
    /// What the microphone hears; absent in reports from before it was listened to.
    #[serde(
        default = "Outcome::<MicrophoneSection>::earlier_version",
        skip_serializing_if = "Outcome::is_of_earlier_version"
    )]
    pub microphone: Outcome<MicrophoneSection>,
    /// What the speaker plays; absent in reports from before it was sounded.
    #[serde(
        default = "Outcome::<SpeakerSection>::earlier_version",
        skip_serializing_if = "Outcome::is_of_earlier_version"
    )]
    pub speaker: Outcome<SpeakerSection>,
    /// How names are looked up; absent in reports from before it was tested.
    #[serde(
        default = "Outcome::<ResolveSection>::earlier_version",
        skip_serializing_if = "Outcome::is_of_earlier_version"
    )]
    pub resolve: Outcome<ResolveSection>,
    /// How the server is reached over the web, stage by stage; absent in reports from before it was tested.
    #[serde(
        default = "Outcome::<WebSection>::earlier_version",
        skip_serializing_if = "Outcome::is_of_earlier_version"
    )]
    pub web: Outcome<WebSection>,
    /// What STUN servers tell of the NAT; absent in reports from before it was tested.
    #[serde(
        default = "Outcome::<StunSection>::earlier_version",
        skip_serializing_if = "Outcome::is_of_earlier_version"
    )]
    pub stun: Outcome<StunSection>,
    /// Which TURN servers relay, over which transports; absent in reports from before it was tested.
    #[serde(
        default = "Outcome::<TurnSection>::earlier_version",
        skip_serializing_if = "Outcome::is_of_earlier_version"
    )]
    pub turn: Outcome<TurnSection>,
    /// What follows from the figures for a call.
    #[serde(default, skip_serializing_if = "DerivedSection::is_empty")]
    pub derived: DerivedSection,
    /// The profile that the verdict was made with.
    pub profile: Profile,
}

/// A program and its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every planned probe came to its own end.
    Finished,
    /// The user stopped it.
    Cancelled,
    /// The time budget ended it.
    OutOfTime,
    /// The events stopped before the end: the program broke, or the recording was cut.
    Interrupted,
}

/// What was asked of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// Depth.
    pub mode: Mode,
    /// What the network was measured against.
    pub target: Target,
    /// Probes of the plan, in order.
    pub probes: Vec<ProbeId>,
    /// Probes that the program knows and the user left out. A probe in neither list is one that the
    /// program did not know yet; see [`Request::knew`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<ProbeId>,
    /// Time budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit_ms: Option<Millis>,
    /// Data budget, both directions together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_limit_bytes: Option<ByteCount>,
}

impl Request {
    /// The program that ran knew this probe: it planned it, or the user left it out.
    pub fn knew(&self, probe: ProbeId) -> bool {
        // Recordings from before `left_out` hold these three.
        probe <= ProbeId::Path || self.probes.contains(&probe) || self.left_out.contains(&probe)
    }
}

/// Depth of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Everything.
    #[default]
    Full,
    /// Fewer samples, wider intervals, and rates without a trial of the traffic of a call: what
    /// that does to delay stays unknown and is not required.
    Quick,
}

/// What the network is measured against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// A responder inside this process: proves the software, not the internet connection.
    Builtin,
    /// A Greenroom server.
    Server {
        /// Its URL; userinfo is never kept.
        url: Sensitive,
    },
}

/// A probe, by name.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProbeId {
    /// This machine.
    System,
    /// The server's discovery document.
    Discovery,
    /// The idle path.
    Path,
    /// Rates, and delay under load.
    Throughput,
    /// The camera.
    Camera,
    /// The microphone.
    Microphone,
    /// The speaker, and the way from it into the microphone.
    Speaker,
    /// Name lookups.
    Resolve,
    /// TCP, TLS, HTTP and WebSocket to the server.
    Web,
    /// STUN servers, and what they tell of the NAT.
    Stun,
    /// TURN servers, over every transport.
    Turn,
}

/// What a run cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// Bytes sent by the probes that can tell, IP headers included.
    pub bytes_sent: ByteCount,
    /// Bytes received by the probes that can tell, IP headers included.
    pub bytes_received: ByteCount,
    /// The same for each probe.
    pub probes: Vec<ProbeCost>,
}

/// What one probe cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeCost {
    /// Which.
    pub probe: ProbeId,
    /// How long it ran.
    pub elapsed_ms: Millis,
    /// Bytes sent, IP headers included; absent when unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_sent: Option<ByteCount>,
    /// Bytes received, IP headers included; absent when unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_received: Option<ByteCount>,
}
