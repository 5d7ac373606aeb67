//! From what a run found to its report.

use super::judge::judge;
use super::parts::Parts;
use super::profile::Profile;
use crate::derive;
use crate::finding;
use crate::model::camera::CameraSection;
use crate::model::discovery::DiscoverySection;
use crate::model::microphone::MicrophoneSection;
use crate::model::outcome::Outcome;
use crate::model::path::PathSection;
use crate::model::report::{Cost, Ending, Report, Request, SCHEMA_VERSION, Tool};
use crate::model::resolve::ResolveSection;
use crate::model::speaker::SpeakerSection;
use crate::model::stun::StunSection;
use crate::model::system::SystemSection;
use crate::model::throughput::ThroughputSection;
use crate::model::turn::TurnSection;
use crate::model::web::WebSection;
use crate::units::Millis;

/// What a run found, before it is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Short id to quote to a support engineer.
    pub id: String,
    /// Program that ran.
    pub tool: Tool,
    /// When the run began, RFC 3339 in UTC.
    pub started_at: String,
    /// How long it took.
    pub elapsed_ms: Millis,
    /// How it ended.
    pub ending: Ending,
    /// What was asked.
    pub request: Request,
    /// What it cost.
    pub cost: Cost,
    /// What this machine is.
    pub system: Outcome<SystemSection>,
    /// Whether the server was found.
    pub discovery: Outcome<DiscoverySection>,
    /// What the idle path is like.
    pub path: Outcome<PathSection>,
    /// What the way carries.
    pub throughput: Outcome<ThroughputSection>,
    /// What the camera shows.
    pub camera: Outcome<CameraSection>,
    /// What the microphone hears.
    pub microphone: Outcome<MicrophoneSection>,
    /// What the speaker plays.
    pub speaker: Outcome<SpeakerSection>,
    /// How names are looked up.
    pub resolve: Outcome<ResolveSection>,
    /// How the server is reached over the web, stage by stage.
    pub web: Outcome<WebSection>,
    /// What STUN servers tell of the NAT.
    pub stun: Outcome<StunSection>,
    /// Which TURN servers relay, over which transports.
    pub turn: Outcome<TurnSection>,
}

impl Report {
    /// Judges a run and writes its report. The same run and profile give the same report.
    pub fn assemble(run: Run, profile: Profile) -> Self {
        let parts = Parts {
            target: &run.request.target,
            mode: run.request.mode,
            system: &run.system,
            discovery: &run.discovery,
            path: &run.path,
            throughput: &run.throughput,
            camera: &run.camera,
            microphone: &run.microphone,
            speaker: &run.speaker,
            resolve: &run.resolve,
            web: &run.web,
            stun: &run.stun,
            turn: &run.turn,
        };
        let verdict = judge(&parts, &profile);
        let findings = finding::derive(&parts, &profile);
        let derived = derive::derived(&parts);
        Self {
            schema_version: SCHEMA_VERSION,
            id: run.id,
            tool: run.tool,
            started_at: run.started_at,
            elapsed_ms: run.elapsed_ms,
            ending: run.ending,
            redacted: false,
            request: run.request,
            cost: run.cost,
            verdict,
            findings,
            system: run.system,
            discovery: run.discovery,
            path: run.path,
            throughput: run.throughput,
            camera: run.camera,
            microphone: run.microphone,
            speaker: run.speaker,
            resolve: run.resolve,
            web: run.web,
            stun: run.stun,
            turn: run.turn,
            derived,
            profile,
        }
    }

    /// Judges again what was found, by this profile.
    #[must_use]
    pub fn judged_by(&self, profile: Profile) -> Self {
        let parts = Parts::of(self);
        Self {
            verdict: judge(&parts, &profile),
            findings: finding::derive(&parts, &profile),
            derived: derive::derived(&parts),
            profile,
            ..self.clone()
        }
    }
}
