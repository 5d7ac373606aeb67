//! One check: configured, started, listened to, folded into a report.

use std::time::Duration;

#[cfg(feature = "devices")]
use greenroom_devices::selection::DeviceSelection;
use greenroom_probes::cancel::{Cancel, CancelCause};
#[cfg(feature = "devices")]
use greenroom_probes::devices::DevicesConfig;
use greenroom_probes::emit::{Emitter, EventReceiver};
use greenroom_probes::event::{Event, EventKind};
use greenroom_probes::fold::Fold;
use greenroom_probes::resolve::ResolveConfig;
use greenroom_probes::run::{Run, RunConfig, TargetConfig};
use greenroom_probes::stun::StunConfig;
use greenroom_probes::system::{SystemConfig, is_metered};
use greenroom_probes::turn::TurnConfig;
use greenroom_probes::web::WebConfig;
use greenroom_reports::model::report::{Mode, ProbeId, Report, Tool};
use greenroom_reports::units::ByteCount;
use greenroom_reports::verdict::profile::Profile;
use greenroom_session::dial::base_url::{BaseUrl, without_userinfo};
use tokio::task::JoinSet;

use crate::error::CheckError;

/// Configures a check. Without a server it measures against a responder inside this process,
/// which says nothing about the internet connection, and the report says so.
#[derive(Clone, Debug)]
pub struct CheckBuilder {
    server: Option<BaseUrl>,
    mode: Option<Mode>,
    profile: Option<Profile>,
    only: Vec<ProbeId>,
    skip: Vec<ProbeId>,
    time_limit: Option<Duration>,
    data_limit: Option<ByteCount>,
    authorities: Vec<Vec<u8>>,
    compares_tcp: bool,
    resolve: ResolveConfig,
    web: WebConfig,
    stun: StunConfig,
    turn: TurnConfig,
    #[cfg(feature = "devices")]
    devices: DevicesConfig,
}

impl CheckBuilder {
    /// The Greenroom server to measure against, `https://host[:port]`.
    ///
    /// # Errors
    /// When it is no such URL, or carries a user name or password.
    pub fn server(mut self, url: &str) -> Result<Self, CheckError> {
        let base = BaseUrl::parse(url).map_err(|source| CheckError::Server {
            url: without_userinfo(url),
            source,
        })?;
        self.server = Some(base);
        Ok(self)
    }

    /// Depth. Without this it is [`Mode::Full`]; where the system says that the connection is
    /// metered, [`Mode::Quick`], with a warning among the events.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// The profile to judge by. Without one it is that of the server's operator, or the default.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Runs these probes only, and what they depend on. Empty means all.
    #[must_use]
    pub fn only(mut self, probes: impl IntoIterator<Item = ProbeId>) -> Self {
        self.only = probes.into_iter().collect();
        self
    }

    /// Leaves these probes out.
    #[must_use]
    pub fn skip(mut self, probes: impl IntoIterator<Item = ProbeId>) -> Self {
        self.skip = probes.into_iter().collect();
        self
    }

    /// Ends the check after this time with what there is.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Spends at most so many bytes, both directions together.
    #[must_use]
    pub fn data_limit(mut self, limit: ByteCount) -> Self {
        self.data_limit = Some(limit);
        self
    }

    /// Trusts the certificate authorities of a PEM file too, given as its content.
    #[must_use]
    pub fn authority(mut self, pem: Vec<u8>) -> Self {
        self.authorities.push(pem);
        self
    }

    /// The devices to judge; what is not chosen is the system's default.
    #[cfg(feature = "devices")]
    #[must_use]
    pub fn devices(mut self, selection: DeviceSelection) -> Self {
        self.devices.selection = selection;
        self
    }

    /// A person was asked to speak while the microphone is listened to. Without this the level of
    /// speech stays unknown, since nobody may have spoken.
    #[cfg(feature = "devices")]
    #[must_use]
    pub fn asks_to_speak(mut self, asks: bool) -> Self {
        self.devices.asks_to_speak = asks;
        self
    }

    /// Which names are looked up, and where.
    #[must_use]
    pub fn resolve(mut self, config: ResolveConfig) -> Self {
        self.resolve = config;
        self
    }

    /// What is asked of the server's web side.
    #[must_use]
    pub fn web(mut self, config: WebConfig) -> Self {
        self.web = config;
        self
    }

    /// Which STUN servers are asked, beside the server's own.
    #[must_use]
    pub fn stun(mut self, config: StunConfig) -> Self {
        self.stun = config;
        self
    }

    /// Which TURN servers are tried, beside the server's own.
    #[must_use]
    pub fn turn(mut self, config: TurnConfig) -> Self {
        self.turn = config;
        self
    }

    /// Measures the rates over TCP too, where UDP comes through: about 4 s and some megabytes
    /// more. Where TCP is much faster than UDP, something on the way slows UDP down.
    #[must_use]
    pub fn compare_tcp(mut self, compares: bool) -> Self {
        self.compares_tcp = compares;
        self
    }

    /// Starts the check. It runs on the current tokio runtime, which needs I/O and time.
    ///
    /// # Errors
    /// When it cannot begin at all. What goes wrong later is in the report.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing running.
    pub async fn start(self) -> Result<Check, CheckError> {
        let builtin = Builtin::for_target(self.server.as_ref()).await?;
        let mut check = Check {
            depth: self.depth().await,
            builder: self,
            builtin,
            fold: Fold::default(),
            cancel: Cancel::new(),
            events: Emitter::new().1,
            tasks: JoinSet::new(),
            first: true,
        };
        check.begin(None)?;
        Ok(check)
    }

    /// The mode, and whether it is a quick one only since the connection is metered.
    async fn depth(&self) -> (Mode, bool) {
        if let Some(mode) = self.mode {
            return (mode, false);
        }
        // The built-in responder costs nobody anything.
        let is_metered =
            self.server.is_some() && is_metered(SystemConfig::default()).await == Some(true);
        if is_metered {
            (Mode::Quick, true)
        } else {
            (Mode::Full, false)
        }
    }

    fn run_config(
        &self,
        (mode, spares_data): (Mode, bool),
        target: TargetConfig,
        only: Option<ProbeId>,
    ) -> RunConfig {
        RunConfig {
            tool: Tool {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            mode,
            spares_data: spares_data && only.is_none(),
            target,
            profile: self.profile.clone(),
            only: only.map_or_else(|| self.only.clone(), |probe| vec![probe]),
            skip: only.map_or_else(|| self.skip.clone(), |_| Vec::new()),
            time_limit: self.time_limit,
            data_limit: self.data_limit,
            authorities: self.authorities.clone(),
            compares_tcp: self.compares_tcp,
            system: SystemConfig::default(),
            resolve: self.resolve.clone(),
            web: self.web.clone(),
            stun: self.stun.clone(),
            turn: self.turn.clone(),
            #[cfg(feature = "devices")]
            devices: self.devices.clone(),
        }
    }
}

/// The responder inside this process, for a check without a target.
#[derive(Debug)]
struct Builtin {
    #[cfg(feature = "server")]
    server: Option<greenroom_server::RunningServer>,
}

impl Builtin {
    #[cfg(feature = "server")]
    async fn for_target(server: Option<&BaseUrl>) -> Result<Self, CheckError> {
        let server = if server.is_some() {
            None
        } else {
            let config = greenroom_server::ServeConfig {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..greenroom_server::ServeConfig::local()
            };
            Some(greenroom_server::Server::start(config).await?)
        };
        Ok(Self { server })
    }

    #[cfg(not(feature = "server"))]
    #[expect(clippy::unused_async, reason = "the same shape as with the feature")]
    async fn for_target(_server: Option<&BaseUrl>) -> Result<Self, CheckError> {
        Ok(Self {})
    }

    #[cfg(feature = "server")]
    fn target(&self) -> TargetConfig {
        let base = self
            .server
            .as_ref()
            .and_then(|s| BaseUrl::parse(&s.base_url()).ok());
        base.map_or(TargetConfig::None, TargetConfig::Builtin)
    }

    #[cfg(not(feature = "server"))]
    #[expect(clippy::unused_self, reason = "the same shape as with the feature")]
    fn target(&self) -> TargetConfig {
        TargetConfig::None
    }
}

/// A check that runs or has run. Dropping it stops everything at once.
#[derive(Debug)]
pub struct Check {
    builder: CheckBuilder,
    depth: (Mode, bool),
    builtin: Builtin,
    fold: Fold,
    cancel: Cancel,
    events: EventReceiver,
    tasks: JoinSet<()>,
    first: bool,
}

impl Check {
    /// A check of everything, against the built-in responder.
    pub fn builder() -> CheckBuilder {
        CheckBuilder {
            server: None,
            mode: None,
            profile: None,
            only: Vec::new(),
            skip: Vec::new(),
            time_limit: None,
            data_limit: None,
            authorities: Vec::new(),
            compares_tcp: false,
            resolve: ResolveConfig::default(),
            web: WebConfig::default(),
            stun: StunConfig::default(),
            turn: TurnConfig::default(),
            #[cfg(feature = "devices")]
            devices: DevicesConfig::default(),
        }
    }

    /// The next event; `None` after the last one.
    ///
    /// # Cancel safety
    /// Dropping the future loses no event.
    pub async fn next_event(&mut self) -> Option<Event> {
        let event = self.events.recv().await?;
        if self.concerns_report(&event) {
            self.fold.apply(&event);
        }
        Some(event)
    }

    /// Waits for the end and gives the report.
    ///
    /// # Cancel safety
    /// Dropping the future loses no event; [`Check::report`] gives what there is.
    pub async fn finish(&mut self) -> Report {
        while self.next_event().await.is_some() {}
        self.report()
    }

    /// The report of the events so far, at any time.
    ///
    /// # Panics
    /// Never: the first event is folded in before a check is handed out.
    pub fn report(&self) -> Report {
        let report = self.fold.report();
        report.expect("a check begins by folding in its first event")
    }

    /// A handle that stops the check from elsewhere.
    pub fn canceller(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Stops the check; the last events come within 250 ms.
    pub fn cancel(&self) {
        self.cancel.cancel(CancelCause::User);
    }

    /// Runs one probe again, with what it depends on. Its outcome takes the old one's place in the
    /// report. To be called after the last event; before, the run that goes on is dropped.
    ///
    /// # Errors
    /// As [`CheckBuilder::start`].
    pub fn run_again(&mut self, probe: ProbeId) -> Result<(), CheckError> {
        self.begin(Some(probe))
    }

    fn begin(&mut self, only: Option<ProbeId>) -> Result<(), CheckError> {
        let target = match &self.builder.server {
            Some(base) => TargetConfig::Server(base.clone()),
            None => self.builtin.target(),
        };
        let run = Run::new(self.builder.run_config(self.depth, target, only))?;
        let (emitter, events) = Emitter::new();
        self.first = only.is_none();
        if self.first {
            self.fold.apply(&run.first_event());
        }
        self.events = events;
        self.cancel = Cancel::new();
        self.tasks = JoinSet::new();
        self.tasks.spawn(run.run(self.cancel.clone(), emitter));
        Ok(())
    }

    /// A probe that runs again changes its own part of the report, not the frame of the run.
    fn concerns_report(&self, event: &Event) -> bool {
        self.first || matches!(event.kind, EventKind::ProbeFinished { .. })
    }
}
