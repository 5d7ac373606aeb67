//! What a run says while it runs: the only interface between doing and showing.

use greenroom_reports::model::camera::CameraSection;
use greenroom_reports::model::discovery::DiscoverySection;
use greenroom_reports::model::microphone::MicrophoneSection;
use greenroom_reports::model::outcome::Outcome;
use greenroom_reports::model::path::PathSection;
use greenroom_reports::model::report::{Ending, ProbeCost, ProbeId, Request, Tool};
use greenroom_reports::model::resolve::ResolveSection;
use greenroom_reports::model::speaker::SpeakerSection;
use greenroom_reports::model::stun::StunSection;
use greenroom_reports::model::system::SystemSection;
use greenroom_reports::model::throughput::{ThroughputPhase, ThroughputSection};
use greenroom_reports::model::turn::TurnSection;
use greenroom_reports::model::web::WebSection;
use greenroom_reports::units::{Bitrate, Millis, Ratio};
use greenroom_reports::verdict::profile::Profile;
use serde::{Deserialize, Serialize};

/// One event of a run. As JSON, one line each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Since the run began.
    pub at_ms: Millis,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// The first event.
    RunStarted(Box<RunStarted>),
    /// The profile changed: the server's operator has one, and the user asked for none.
    ProfileChosen {
        /// By which the report is judged from now on.
        profile: Box<Profile>,
    },
    /// A probe began.
    ProbeStarted {
        /// Which.
        probe: ProbeId,
    },
    /// How far a probe is. May be left out when the listener is slow.
    Progress {
        /// Which.
        probe: ProbeId,
        /// Share of its work that is done.
        done_ratio: Ratio,
    },
    /// One observation. May be left out when the listener is slow.
    Sample {
        /// Which.
        probe: ProbeId,
        /// What was seen.
        sample: Sample,
    },
    /// Something that a person should know while the run goes on.
    Warning {
        /// Which.
        probe: ProbeId,
        /// A sentence.
        message: String,
    },
    /// A probe ended.
    ProbeFinished {
        /// What came of it.
        result: Box<ProbeResult>,
        /// What it cost.
        cost: ProbeCost,
    },
    /// The last event.
    RunFinished {
        /// How it ended.
        ending: Ending,
    },
}

/// With what a run began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// Short id to quote.
    pub id: String,
    /// Program that runs.
    pub tool: Tool,
    /// Wall clock, RFC 3339 in UTC.
    pub started_at: String,
    /// What was asked.
    pub request: Request,
    /// By which the report is judged.
    pub profile: Profile,
}

/// One observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sample {
    /// An answer of the server came in.
    RoundTrip {
        /// Sequence number of the packet.
        seq: u32,
        /// Without the server's own turnaround.
        rtt_ms: Millis,
        /// It belongs to the warm-up and counts in no statistic.
        warmup: bool,
    },
    /// The throughput probe began another phase.
    Phase {
        /// Which.
        phase: ThroughputPhase,
    },
    /// What a load brings now, ten times a second at the most. In the phase of a call's traffic it
    /// is what the call takes, otherwise what the link carries. To be shown, not to be judged: the
    /// report has the estimate.
    Rate {
        /// Which way the load goes.
        direction: RateDirection,
        /// IP packets that came in during the last fifth of a second.
        rate_bps: Bitrate,
    },
}

/// Which way a load goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateDirection {
    /// To the server.
    Up,
    /// From the server.
    Down,
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "probe", content = "outcome", rename_all = "snake_case")]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one a probe and run, and events box it"
)]
pub enum ProbeResult {
    /// This machine.
    System(Outcome<SystemSection>),
    /// The server's discovery document.
    Discovery(Outcome<DiscoverySection>),
    /// The idle path.
    Path(Outcome<PathSection>),
    /// What the way to the server carries.
    Throughput(Outcome<ThroughputSection>),
    /// What the camera shows.
    Camera(Outcome<CameraSection>),
    /// What the microphone hears.
    Microphone(Outcome<MicrophoneSection>),
    /// What the speaker plays.
    Speaker(Outcome<SpeakerSection>),
    /// How names are looked up.
    Resolve(Outcome<ResolveSection>),
    /// How the server is reached over the web, stage by stage.
    Web(Outcome<WebSection>),
    /// What STUN servers tell of the NAT.
    Stun(Outcome<StunSection>),
    /// Which TURN servers relay, over which transports.
    Turn(Outcome<TurnSection>),
}

impl ProbeResult {
    /// Which probe it is of.
    pub fn probe(&self) -> ProbeId {
        match self {
            Self::System(_) => ProbeId::System,
            Self::Discovery(_) => ProbeId::Discovery,
            Self::Path(_) => ProbeId::Path,
            Self::Throughput(_) => ProbeId::Throughput,
            Self::Camera(_) => ProbeId::Camera,
            Self::Microphone(_) => ProbeId::Microphone,
            Self::Speaker(_) => ProbeId::Speaker,
            Self::Resolve(_) => ProbeId::Resolve,
            Self::Web(_) => ProbeId::Web,
            Self::Stun(_) => ProbeId::Stun,
            Self::Turn(_) => ProbeId::Turn,
        }
    }
}
