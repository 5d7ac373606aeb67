//! Runs a plan: starts probes when they may, turns what they give into events, ends in time.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use greenroom_reports::model::outcome::{Outcome, ReasonCode};
use greenroom_reports::model::path::PathSection;
use greenroom_reports::model::report::{Mode, ProbeCost, ProbeId, Request, Target, Tool};
use greenroom_reports::model::sensitive::Sensitive;
use greenroom_reports::model::throughput::ThroughputSection;
use greenroom_reports::units::{ByteCount, Millis};
use greenroom_reports::verdict::profile::Profile;
use greenroom_session::dial::base_url::BaseUrl;
use greenroom_session::dial::dialer::Dialer;
use greenroom_session::dial::discovery::Discovered;
use greenroom_session::dial::error::DialError;
use tokio::task::{Id, JoinSet};

use crate::cancel::{Cancel, CancelCause};
use crate::context::ReachContext;
#[cfg(feature = "devices")]
use crate::devices::{self, DevicesConfig};
use crate::emit::Emitter;
use crate::event::{Event, EventKind, ProbeResult, RunStarted};
use crate::path::{self, Endpoint, PathConfig};
use crate::plan::Plan;
use crate::resolve::{self, ResolveConfig};
use crate::stun::{self, StunConfig};
use crate::system::SystemConfig;
use crate::throughput::{IdlePath, ThroughputConfig};
use crate::turn::{self, TurnConfig};
use crate::web::{self, WebConfig};
use crate::{discovery, system, throughput};

/// What is asked of a run.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// The program that runs, for the report.
    pub tool: Tool,
    /// Depth.
    pub mode: Mode,
    /// The connection is metered, and the mode is a quick one for that alone; the run says so.
    pub spares_data: bool,
    /// What the network is measured against.
    pub target: TargetConfig,
    /// The profile to judge by; `None` takes the one of the server's operator, or the default.
    pub profile: Option<Profile>,
    /// Probes to run; empty for all.
    pub only: Vec<ProbeId>,
    /// Probes to leave out.
    pub skip: Vec<ProbeId>,
    /// Ends the run with what there is.
    pub time_limit: Option<Duration>,
    /// Bytes that may be spent, both directions together.
    pub data_limit: Option<ByteCount>,
    /// Further certificate authorities to trust, as PEM.
    pub authorities: Vec<Vec<u8>>,
    /// Measures rates over TCP as well where UDP comes through.
    pub compares_tcp: bool,
    /// How this machine is read.
    pub system: SystemConfig,
    /// Which names are looked up, and where.
    pub resolve: ResolveConfig,
    /// What is asked of the server's web side.
    pub web: WebConfig,
    /// Which STUN servers are asked.
    pub stun: StunConfig,
    /// Which TURN servers are tried.
    pub turn: TurnConfig,
    /// Which devices are judged.
    #[cfg(feature = "devices")]
    pub devices: DevicesConfig,
}

/// What the network is measured against.
#[derive(Clone, Debug)]
pub enum TargetConfig {
    /// A responder inside this process, which listens here.
    Builtin(BaseUrl),
    /// A Greenroom server.
    Server(BaseUrl),
    /// Nothing: the probes that need a server are not run.
    None,
}

impl TargetConfig {
    fn base(&self) -> Option<&BaseUrl> {
        match self {
            Self::Builtin(base) | Self::Server(base) => Some(base),
            Self::None => None,
        }
    }

    fn describe(&self) -> Target {
        match self {
            Self::Server(base) => Target::Server {
                url: Sensitive::new(base.to_string()),
            },
            Self::Builtin(_) | Self::None => Target::Builtin,
        }
    }
}

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The HTTP client cannot be set up.
    #[error("cannot set up the connection to the server")]
    Dialer(#[from] DialError),
    /// The system gives no random numbers.
    #[error("cannot get random numbers from the system")]
    Entropy(#[source] getrandom::Error),
}

/// A run that is ready to begin.
#[derive(Debug)]
pub struct Run {
    config: RunConfig,
    plan: Plan,
    dialer: Dialer,
    started: RunStarted,
    nonce: u64,
}

impl Run {
    /// Prepares a run.
    ///
    /// # Errors
    /// When an authority is no certificate, or the system gives no random numbers.
    pub fn new(config: RunConfig) -> Result<Self, RunError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let cores = u32::try_from(cores).unwrap_or(u32::MAX);
        let mut random = [0; 12];
        getrandom::fill(&mut random).map_err(RunError::Entropy)?;
        let [a, b, c, d, nonce @ ..] = random;
        let plan = Plan::new(&config.only, &config.skip, cores);
        let id = format!("{a:02x}{b:02x}{c:02x}{d:02x}");
        Ok(Self {
            dialer: Dialer::new(&config.authorities)?,
            started: started(&config, &plan, id),
            nonce: u64::from_be_bytes(nonce),
            plan,
            config,
        })
    }

    /// The event with which it will begin.
    pub fn first_event(&self) -> Event {
        Event {
            at_ms: Millis::ZERO,
            kind: EventKind::RunStarted(Box::new(self.started.clone())),
        }
    }

    /// Runs to the end. Whatever happens, the last event comes.
    ///
    /// # Cancel safety
    /// Use `cancel` to end it with a report. Dropping the future stops every probe and tells
    /// nobody.
    pub async fn run(self, cancel: Cancel, emitter: Emitter) {
        let time_limit = self.config.time_limit;
        let timer = cancel.clone();
        let watch = async move {
            match time_limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
            timer.cancel(CancelCause::OutOfTime);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = watch => {}
            () = Runner::new(self, cancel, emitter).run() => {}
        }
    }
}

fn started(config: &RunConfig, plan: &Plan, id: String) -> RunStarted {
    RunStarted {
        id,
        tool: config.tool.clone(),
        started_at: wall_clock(),
        request: Request {
            mode: config.mode,
            target: config.target.describe(),
            probes: plan.probes().to_vec(),
            left_out: Plan::all_probes()
                .filter(|probe| !plan.probes().contains(probe))
                .collect(),
            time_limit_ms: config.time_limit.map(Millis::from),
            data_limit_bytes: config.data_limit,
        },
        profile: config.profile.clone().unwrap_or_default(),
    }
}

fn wall_clock() -> String {
    jiff::Timestamp::try_from(SystemTime::now())
        .unwrap_or_default()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// What was found of the path is that there is none, or none any more.
fn has_failed(path: &Outcome<PathSection>) -> bool {
    match path {
        Outcome::Blocked { .. } => true,
        Outcome::Partial { reason, .. } => matches!(
            reason.code,
            ReasonCode::NoAnswer | ReasonCode::ServerVanished
        ),
        _ => false,
    }
}

/// What the loads behind the path need, trial included.
const TIME_FOR_LOADS: Duration = Duration::from_millis(3300);
/// Shortest time that the path can make use of; the loads can do with less.
const LEAST_FOR_PATH: Duration = Duration::from_millis(1700);

/// The path's share of the time that it has together with the loads.
fn path_share(left: Duration) -> Duration {
    let share = left.saturating_sub(TIME_FOR_LOADS.min(left / 2));
    share.max(LEAST_FOR_PATH.min(left))
}

/// What a probe's task gives back.
struct Done {
    result: ProbeResult,
    server: Option<Discovered>,
    sent: Option<ByteCount>,
    received: Option<ByteCount>,
}

impl Done {
    /// Of a probe that cannot tell its bytes, since others carry them.
    fn uncounted(result: ProbeResult) -> Self {
        Self {
            sent: None,
            received: None,
            ..Self::free(result)
        }
    }

    fn free(result: ProbeResult) -> Self {
        Self {
            result,
            server: None,
            sent: Some(ByteCount::default()),
            received: Some(ByteCount::default()),
        }
    }
}

struct Runner {
    run: Run,
    cancel: Cancel,
    emitter: Emitter,
    began: Instant,
    server: Option<Discovered>,
    profile: Profile,
    /// What the path probe found, for the probe that loads the link.
    idle: IdlePath,
    /// Nothing came through to the server, or nothing any more.
    path_failed: bool,
    /// Bytes spent so far, both directions.
    spent: u64,
    running: BTreeMap<ProbeId, Instant>,
    tasks: BTreeMap<Id, ProbeId>,
    finished: Vec<ProbeId>,
    set: JoinSet<Done>,
}

impl Runner {
    fn new(run: Run, cancel: Cancel, emitter: Emitter) -> Self {
        Self {
            profile: run.config.profile.clone().unwrap_or_default(),
            run,
            cancel,
            emitter,
            began: Instant::now(),
            server: None,
            idle: IdlePath::default(),
            path_failed: false,
            spent: 0,
            running: BTreeMap::new(),
            tasks: BTreeMap::new(),
            finished: Vec::new(),
            set: JoinSet::new(),
        }
    }

    async fn run(mut self) {
        self.emitter.tell(self.run.first_event().kind).await;
        if self.run.config.spares_data {
            self.tell_that_data_is_spared().await;
        }
        loop {
            self.start_what_may().await;
            match self.set.join_next_with_id().await {
                None => break,
                Some(Ok((id, done))) => self.finish(id, done).await,
                Some(Err(error)) => self.broke(error.id()).await,
            }
        }
        let ending = self.cancel.ending();
        self.emitter.tell(EventKind::RunFinished { ending }).await;
    }

    async fn tell_that_data_is_spared(&self) {
        let message = "this connection is metered, so this is a quick check, which costs less data; \
                       ask for a full one by name if you want it";
        let (probe, message) = (ProbeId::System, message.to_owned());
        self.emitter
            .tell(EventKind::Warning { probe, message })
            .await;
    }

    async fn start_what_may(&mut self) {
        // After a cancellation nothing begins any more; the fold says so of the probes left.
        while self.cancel.cause().is_none() {
            let running: Vec<ProbeId> = self.running.keys().copied().collect();
            let Some(probe) = self.run.plan.next(&running, &self.finished) else {
                return;
            };
            self.running.insert(probe, Instant::now());
            self.emitter.tell(EventKind::ProbeStarted { probe }).await;
            let handle = match probe {
                ProbeId::Discovery => self.spawn_discovery(),
                ProbeId::Path => self.spawn_path(),
                ProbeId::Throughput => self.spawn_throughput(),
                ProbeId::Resolve | ProbeId::Web | ProbeId::Stun | ProbeId::Turn => {
                    self.spawn_reach(probe)
                }
                #[cfg(feature = "devices")]
                ProbeId::Camera | ProbeId::Microphone | ProbeId::Speaker => {
                    self.spawn_device(probe)
                }
                _ => self.spawn_system(),
            };
            self.tasks.insert(handle.id(), probe);
        }
    }

    fn spawn_system(&mut self) -> tokio::task::AbortHandle {
        let (config, cancel) = (self.run.config.system.clone(), self.cancel.token());
        self.set.spawn(
            async move { Done::free(ProbeResult::System(system::run(config, cancel).await)) },
        )
    }

    #[cfg(feature = "devices")]
    fn spawn_device(&mut self, probe: ProbeId) -> tokio::task::AbortHandle {
        let (config, mode) = (self.run.config.devices.clone(), self.run.config.mode);
        let (cancel, emitter) = (self.cancel.clone(), self.emitter.clone());
        self.set.spawn(async move {
            Done::free(devices::run(probe, &config, mode, &cancel, &emitter).await)
        })
    }

    fn spawn_reach(&mut self, probe: ProbeId) -> tokio::task::AbortHandle {
        let context = self.reach_context();
        let config = &self.run.config;
        match probe {
            ProbeId::Resolve => {
                let found = resolve::run(config.resolve.clone(), context);
                self.set
                    .spawn(async { Done::uncounted(ProbeResult::Resolve(found.await)) })
            }
            ProbeId::Web => {
                let found = web::run(config.web.clone(), context);
                self.set
                    .spawn(async { Done::uncounted(ProbeResult::Web(found.await)) })
            }
            ProbeId::Stun => {
                let found = stun::run(config.stun.clone(), context);
                self.set
                    .spawn(async { Done::uncounted(ProbeResult::Stun(found.await)) })
            }
            _ => {
                let found = turn::run(config.turn.clone(), context);
                self.set.spawn(async {
                    let found = found.await;
                    Done {
                        result: ProbeResult::Turn(found.outcome),
                        server: None,
                        sent: Some(found.sent),
                        received: Some(found.received),
                    }
                })
            }
        }
    }

    fn reach_context(&self) -> ReachContext {
        let config = &self.run.config;
        ReachContext {
            mode: config.mode,
            base: config.target.base().cloned(),
            is_builtin: matches!(config.target, TargetConfig::Builtin(_)),
            server: self.server.clone(),
            dialer: self.run.dialer.clone(),
            authorities: config.authorities.clone(),
            time_limit: self.time_left(),
            data_limit: config.data_limit,
            cancel: self.cancel.clone(),
            emitter: self.emitter.clone(),
        }
    }

    fn spawn_discovery(&mut self) -> tokio::task::AbortHandle {
        let Some(base) = self.run.config.target.base().cloned() else {
            return self.set.spawn(async {
                Done::free(ProbeResult::Discovery(Outcome::not_run(
                    ReasonCode::NotSelected,
                    "no server was named, and the built-in one is not part of this build",
                )))
            });
        };
        let (dialer, cancel) = (self.run.dialer.clone(), self.cancel.clone());
        self.set.spawn(async move {
            let found = discovery::run(&dialer, &base, &cancel).await;
            Done {
                result: ProbeResult::Discovery(found.outcome),
                server: found.server,
                // The HTTP client does not tell what it sent.
                sent: None,
                received: None,
            }
        })
    }

    fn spawn_path(&mut self) -> tokio::task::AbortHandle {
        let Some(endpoint) = self.endpoint() else {
            let outcome = self.without_server();
            return self
                .set
                .spawn(async { Done::free(ProbeResult::Path(outcome)) });
        };
        let config = PathConfig {
            mode: self.run.config.mode,
            profile: self.profile.clone(),
            data_limit: self.data_left(),
            time_limit: self.time_for_path(),
            nonce: self.run.nonce,
        };
        let (dialer, cancel) = (self.run.dialer.clone(), self.cancel.clone());
        let emitter = self.emitter.clone();
        self.set.spawn(async move {
            let found = path::run(&config, &endpoint, &dialer, &cancel, &emitter).await;
            Done {
                result: ProbeResult::Path(found.outcome),
                server: None,
                sent: Some(found.sent),
                received: Some(found.received),
            }
        })
    }

    fn spawn_throughput(&mut self) -> tokio::task::AbortHandle {
        let config = match self.throughput_config() {
            Ok(config) => config,
            Err(outcome) => {
                return self
                    .set
                    .spawn(async { Done::free(ProbeResult::Throughput(*outcome)) });
            }
        };
        let (dialer, cancel) = (self.run.dialer.clone(), self.cancel.clone());
        let emitter = self.emitter.clone();
        self.set.spawn(async move {
            let found = throughput::run(&config, &dialer, &cancel, &emitter).await;
            Done {
                result: ProbeResult::Throughput(found.outcome),
                server: None,
                sent: Some(found.sent),
                received: Some(found.received),
            }
        })
    }

    fn throughput_config(&self) -> Result<ThroughputConfig, Box<Outcome<ThroughputSection>>> {
        let (Some(endpoint), Some(server)) = (self.endpoint(), &self.server) else {
            return Err(Box::new(self.without_server()));
        };
        if self.path_failed {
            return Err(Box::new(Outcome::not_run(
                ReasonCode::DependencyFailed,
                "packets of the path probe did not come through, or stopped to",
            )));
        }
        let Some(loads) = server.document.measure.loads else {
            return Err(Box::new(Outcome::not_run(
                ReasonCode::Unsupported,
                "the server takes and sends no loads; its operator switched them off, or its \
                 version is an earlier one",
            )));
        };
        Ok(ThroughputConfig {
            mode: self.run.config.mode,
            data_limit: self.data_left(),
            time_limit: self.time_left(),
            nonce: self.run.nonce.wrapping_add(1),
            idle: self.idle.clone(),
            loads,
            base: endpoint.base,
            websocket_path: endpoint.websocket_path,
            udp: endpoint.udp,
            peer: endpoint.peer,
            relay: endpoint.relay,
            authorities: endpoint.authorities,
            compares_tcp: self.run.config.compares_tcp,
        })
    }

    /// What of the time is left for the path, when the loads after it are to have their share.
    fn time_for_path(&self) -> Option<Duration> {
        let left = self.time_left()?;
        let is_last = !self.run.plan.probes().contains(&ProbeId::Throughput);
        Some(if is_last { left } else { path_share(left) })
    }

    fn time_left(&self) -> Option<Duration> {
        let spent = self.began.elapsed();
        let limit = self.run.config.time_limit;
        limit.map(|limit| limit.saturating_sub(spent))
    }

    fn data_left(&self) -> Option<ByteCount> {
        let limit = self.run.config.data_limit;
        limit.map(|limit| ByteCount::new(limit.get().saturating_sub(self.spent)))
    }

    fn without_server<T>(&self) -> Outcome<T> {
        let left_out = !self.run.plan.probes().contains(&ProbeId::Discovery);
        if left_out && self.run.config.target.base().is_some() {
            return Outcome::not_run(
                ReasonCode::NotSelected,
                "the discovery probe, which finds out where to measure, was left out",
            );
        }
        Outcome::not_run(
            ReasonCode::DependencyFailed,
            "there is no server to measure against",
        )
    }

    fn endpoint(&self) -> Option<Endpoint> {
        let server = self.server.as_ref()?;
        Some(Endpoint {
            base: self.run.config.target.base()?.clone(),
            websocket_path: server.document.measure.websocket_path.clone(),
            udp: server.measure_addresses.first().copied(),
            peer: server.peer,
            relay: server.document.relay.clone(),
            authorities: self.run.config.authorities.clone(),
        })
    }

    async fn finish(&mut self, id: Id, done: Done) {
        let Some(probe) = self.tasks.remove(&id) else {
            return;
        };
        if let Some(server) = done.server {
            self.adopt(server).await;
        }
        if let ProbeResult::Path(outcome) = &done.result {
            self.path_failed = has_failed(outcome);
            self.idle = outcome.data().map(IdlePath::of).unwrap_or_default();
        }
        let bytes = done.sent.into_iter().chain(done.received);
        self.spent += bytes.map(ByteCount::get).sum::<u64>();
        let began = self.running.remove(&probe);
        self.finished.push(probe);
        let cost = ProbeCost {
            probe,
            elapsed_ms: began.map_or(Duration::ZERO, |at| at.elapsed()).into(),
            bytes_sent: done.sent,
            bytes_received: done.received,
        };
        let result = Box::new(done.result);
        self.emitter
            .tell(EventKind::ProbeFinished { result, cost })
            .await;
    }

    /// Takes over what the server's operator wants, where the user asked for nothing.
    async fn adopt(&mut self, server: Discovered) {
        let preset = server.document.preset.as_ref();
        let profile = preset.and_then(|preset| preset.profile.clone());
        self.server = Some(server);
        if let (Some(profile), None) = (profile, &self.run.config.profile) {
            if !profile.is_consistent() {
                return self.refuse_preset(&profile.name).await;
            }
            self.profile = profile.clone();
            let profile = Box::new(profile);
            self.emitter
                .tell(EventKind::ProfileChosen { profile })
                .await;
        }
    }

    /// A preset that would call worse figures better is not judged by.
    async fn refuse_preset(&self, name: &str) {
        let message = format!(
            "the server's profile {name:?} has thresholds out of order and is not used; tell the \
             server's operator"
        );
        let probe = ProbeId::Discovery;
        self.emitter
            .tell(EventKind::Warning { probe, message })
            .await;
    }

    /// A probe's task panicked: its part is missing, everything else goes on.
    async fn broke(&mut self, id: Id) {
        let Some(probe) = self.tasks.get(&id).copied() else {
            return;
        };
        let message = "this probe broke off; please report it as a defect of greenroom";
        let code = ReasonCode::InternalError;
        let result = match probe {
            ProbeId::Discovery => ProbeResult::Discovery(Outcome::not_run(code, message)),
            ProbeId::Path => ProbeResult::Path(Outcome::not_run(code, message)),
            ProbeId::Throughput => ProbeResult::Throughput(Outcome::not_run(code, message)),
            ProbeId::Camera => ProbeResult::Camera(Outcome::not_run(code, message)),
            ProbeId::Microphone => ProbeResult::Microphone(Outcome::not_run(code, message)),
            ProbeId::Speaker => ProbeResult::Speaker(Outcome::not_run(code, message)),
            ProbeId::Resolve => ProbeResult::Resolve(Outcome::not_run(code, message)),
            ProbeId::Web => ProbeResult::Web(Outcome::not_run(code, message)),
            ProbeId::Stun => ProbeResult::Stun(Outcome::not_run(code, message)),
            ProbeId::Turn => ProbeResult::Turn(Outcome::not_run(code, message)),
            _ => ProbeResult::System(Outcome::not_run(code, message)),
        };
        self.finish(id, Done::free(result)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_time_is_shared_between_path_and_loads_but_never_too_thin_for_the_path() {
        let share = |ms| path_share(Duration::from_millis(ms)).as_millis();
        assert_eq!(
            [share(6600), share(4000), share(2000), share(900)],
            [3300, 2000, 1700, 900]
        );
    }
}
