//! The report as a fold over the events: the same events give the same report, byte for byte.

use greenroom_reports::model::camera::CameraSection;
use greenroom_reports::model::discovery::DiscoverySection;
use greenroom_reports::model::microphone::MicrophoneSection;
use greenroom_reports::model::outcome::{Outcome, ReasonCode};
use greenroom_reports::model::path::PathSection;
use greenroom_reports::model::report::{Cost, Ending, ProbeCost, ProbeId, Report};
use greenroom_reports::model::resolve::ResolveSection;
use greenroom_reports::model::speaker::SpeakerSection;
use greenroom_reports::model::stun::StunSection;
use greenroom_reports::model::system::SystemSection;
use greenroom_reports::model::throughput::ThroughputSection;
use greenroom_reports::model::turn::TurnSection;
use greenroom_reports::model::web::WebSection;
use greenroom_reports::units::{ByteCount, Millis};
use greenroom_reports::verdict::assemble::Run;
use greenroom_reports::verdict::profile::Profile;

use crate::event::{Event, EventKind, ProbeResult, RunStarted};

/// The state of a report while its events come in.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    started: Option<Box<RunStarted>>,
    profile: Option<Box<Profile>>,
    system: Option<Outcome<SystemSection>>,
    discovery: Option<Outcome<DiscoverySection>>,
    path: Option<Outcome<PathSection>>,
    throughput: Option<Outcome<ThroughputSection>>,
    camera: Option<Outcome<CameraSection>>,
    microphone: Option<Outcome<MicrophoneSection>>,
    speaker: Option<Outcome<SpeakerSection>>,
    resolve: Option<Outcome<ResolveSection>>,
    web: Option<Outcome<WebSection>>,
    stun: Option<Outcome<StunSection>>,
    turn: Option<Outcome<TurnSection>>,
    costs: Vec<ProbeCost>,
    ending: Option<Ending>,
    last_at: Millis,
}

impl Fold {
    /// Takes the next event.
    pub fn apply(&mut self, event: &Event) {
        self.last_at = event.at_ms;
        match &event.kind {
            EventKind::RunStarted(started) => self.started = Some(started.clone()),
            EventKind::ProfileChosen { profile } => self.profile = Some(profile.clone()),
            EventKind::ProbeFinished { result, cost } => self.finish(result, cost.clone()),
            EventKind::RunFinished { ending } => self.ending = Some(*ending),
            EventKind::ProbeStarted { .. }
            | EventKind::Progress { .. }
            | EventKind::Sample { .. }
            | EventKind::Warning { .. } => {}
        }
    }

    /// The report of the events so far; `None` before the first one. A run whose last event is
    /// missing was interrupted, and the report says so.
    pub fn report(&self) -> Option<Report> {
        let started = self.started.as_deref()?;
        let run = Run {
            id: started.id.clone(),
            tool: started.tool.clone(),
            started_at: started.started_at.clone(),
            elapsed_ms: self.last_at,
            ending: self.ending.unwrap_or(Ending::Interrupted),
            request: started.request.clone(),
            cost: self.cost(),
            system: self.outcome(self.system.as_ref(), ProbeId::System),
            discovery: self.outcome(self.discovery.as_ref(), ProbeId::Discovery),
            path: self.outcome(self.path.as_ref(), ProbeId::Path),
            throughput: self.later(self.throughput.as_ref(), ProbeId::Throughput),
            camera: self.later(self.camera.as_ref(), ProbeId::Camera),
            microphone: self.later(self.microphone.as_ref(), ProbeId::Microphone),
            speaker: self.later(self.speaker.as_ref(), ProbeId::Speaker),
            resolve: self.later(self.resolve.as_ref(), ProbeId::Resolve),
            web: self.later(self.web.as_ref(), ProbeId::Web),
            stun: self.later(self.stun.as_ref(), ProbeId::Stun),
            turn: self.later(self.turn.as_ref(), ProbeId::Turn),
        };
        let profile = self.profile.as_deref().unwrap_or(&started.profile);
        Some(Report::assemble(run, profile.clone()))
    }

    fn finish(&mut self, result: &ProbeResult, cost: ProbeCost) {
        self.costs.retain(|known| known.probe != cost.probe);
        self.costs.push(cost);
        match result {
            ProbeResult::System(outcome) => self.system = Some(outcome.clone()),
            ProbeResult::Discovery(outcome) => self.discovery = Some(outcome.clone()),
            ProbeResult::Path(outcome) => self.path = Some(outcome.clone()),
            ProbeResult::Throughput(outcome) => self.throughput = Some(outcome.clone()),
            ProbeResult::Camera(outcome) => self.camera = Some(outcome.clone()),
            ProbeResult::Microphone(outcome) => self.microphone = Some(outcome.clone()),
            ProbeResult::Speaker(outcome) => self.speaker = Some(outcome.clone()),
            ProbeResult::Resolve(outcome) => self.resolve = Some(outcome.clone()),
            ProbeResult::Web(outcome) => self.web = Some(outcome.clone()),
            ProbeResult::Stun(outcome) => self.stun = Some(outcome.clone()),
            ProbeResult::Turn(outcome) => self.turn = Some(outcome.clone()),
        }
    }

    fn cost(&self) -> Cost {
        let sum = |of: fn(&ProbeCost) -> Option<ByteCount>| {
            let known = self.costs.iter().filter_map(of);
            known.fold(ByteCount::default(), ByteCount::saturating_add)
        };
        let mut probes = self.costs.clone();
        // Probes beside each other end in any order; the report has one.
        probes.sort_by_key(|cost| cost.probe);
        Cost {
            bytes_sent: sum(|cost| cost.bytes_sent),
            bytes_received: sum(|cost| cost.bytes_received),
            probes,
        }
    }

    /// Of a probe that the first programs and some builds do not know.
    fn later<T: Clone>(&self, known: Option<&Outcome<T>>, probe: ProbeId) -> Outcome<T> {
        let knew = |started: &RunStarted| started.request.knew(probe);
        if self.started.as_deref().is_some_and(knew) {
            self.outcome(known, probe)
        } else {
            Outcome::earlier_version()
        }
    }

    fn outcome<T: Clone>(&self, known: Option<&Outcome<T>>, probe: ProbeId) -> Outcome<T> {
        let planned = |started: &RunStarted| started.request.probes.contains(&probe);
        known.cloned().unwrap_or_else(|| {
            match (self.ending, self.started.as_deref().is_some_and(planned)) {
                (_, false) => Outcome::not_run(ReasonCode::NotSelected, "left out by the user"),
                (Some(Ending::OutOfTime), _) => {
                    Outcome::not_run(ReasonCode::OutOfTime, "the time budget was used up before")
                }
                (Some(Ending::Cancelled), _) => {
                    Outcome::not_run(ReasonCode::Cancelled, "the run was cancelled before")
                }
                _ => Outcome::not_run(ReasonCode::InternalError, "the run broke off before"),
            }
        })
    }
}
