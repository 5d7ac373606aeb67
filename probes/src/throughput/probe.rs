//! Measures over UDP, over WebSocket when UDP does not come through, and maps what came of it.

use std::net::SocketAddr;
use std::time::Duration;

use greenroom_protocol::discovery::{AdvertisedLoads, RelayService};
use greenroom_protocol::measure::load::capacity::Stop;
use greenroom_protocol::measure::load::client::FlowFailure;
use greenroom_protocol::measure::load::client::{LoadClient, LoadConfig, LoadEnd, TrialPlan};
use greenroom_protocol::measure::load::summary::{LoadContext, summarize};
use greenroom_protocol::measure::load::verify::IdleDirection;
use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_reports::derive::ladder::Rung;
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::path::{DirectionSection, Loss, PathSection, Transport, UdpBlocked};
use greenroom_reports::model::report::{Mode, ProbeId};
use greenroom_reports::model::throughput::{RateSection, TcpComparison, ThroughputSection};
use greenroom_reports::units::{ByteCount, Millis};
use greenroom_session::dial::base_url::BaseUrl;
use greenroom_session::dial::dialer::Dialer;
use greenroom_session::dial::error::DialError;

use super::account::Account;
use super::budget::{Budget, Division};
use super::drive::{Carrier, Drive, DriveEnd};
use super::live::Live;
use super::relayed::OverRelay;
use super::udp::OverUdp;
use super::websocket::OverWebSocket;
use crate::blame::{self, Suspect};
use crate::cancel::Cancel;
use crate::clock::Clock;
use crate::emit::Emitter;
use crate::event::EventKind;
use crate::relay::RelayTarget;

/// Longest wait for a UDP answer before it counts as blocked.
const UDP_PATIENCE: Duration = Duration::from_millis(1500);
/// How long the handshakes over WebSocket may take, once the sockets are open.
const WEBSOCKET_PATIENCE: Duration = Duration::from_secs(3);
/// How long the sessions are asked for: more than the slowest link needs.
const SESSION_TIME: Duration = Duration::from_secs(30);
/// Headers of a packet of TCP over IPv6, without options.
const TCP_HEADERS: u16 = 60;
/// Trials, at most: the recommended rate, and two steps down.
const TRIALS: u32 = 3;

/// How throughput is measured.
#[derive(Clone, Debug)]
pub struct ThroughputConfig {
    /// Depth.
    pub mode: Mode,
    /// Bytes that may be spent, both directions together; `None` spends up to 8 MB.
    pub data_limit: Option<ByteCount>,
    /// Time that is left for it.
    pub time_limit: Option<Duration>,
    /// Entropy: nobody may guess it.
    pub nonce: u64,
    /// What the path probe found, if it ran.
    pub idle: IdlePath,
    /// What the server grants.
    pub loads: AdvertisedLoads,
    /// Where the server is.
    pub base: BaseUrl,
    /// Path of its measurement WebSocket.
    pub websocket_path: String,
    /// Its UDP address; `None` when only a proxy knows the host.
    pub udp: Option<SocketAddr>,
    /// The address that answered over HTTP.
    pub peer: Option<SocketAddr>,
    /// Its relay.
    pub relay: Option<RelayService>,
    /// Further certificate authorities to trust, as PEM.
    pub authorities: Vec<Vec<u8>>,
    /// Measures the rates over TCP as well where UDP comes through.
    pub compares_tcp: bool,
}

/// What the idle path does: loss and variation that no load causes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IdlePath {
    /// UDP did not come through.
    pub udp_blocked: Option<UdpBlocked>,
    /// How packets came through the server's relay, where nothing but that was left.
    pub relayed: Option<Transport>,
    /// 95th percentile of the round trip.
    pub rtt_p95: Option<Millis>,
    directions: [IdleDirection; 2],
}

impl IdlePath {
    /// What the path probe found.
    pub fn of(path: &PathSection) -> Self {
        Self {
            udp_blocked: path.udp_blocked.clone(),
            relayed: Some(path.transport).filter(|transport| transport.is_relayed()),
            rtt_p95: path.rtt.as_ref().map(|rtt| rtt.p95_ms),
            directions: [idle_direction(&path.up), idle_direction(&path.down)],
        }
    }
}

fn idle_direction(direction: &DirectionSection) -> IdleDirection {
    let loss = direction.loss.as_ref().filter(|loss| loss.packets_lost > 0);
    let pdv = direction.pdv.as_ref().map(|pdv| pdv.p95_ms.as_f64());
    IdleDirection {
        loss_upper: loss.map_or(0.0, most_loss),
        pdv_p95_ns: pdv.map_or(0, whole_nanos),
    }
}

/// Upper end of the interval of loss. Losses in bursts are fewer events than packets, so that the
/// interval is wider by the square root of a burst's length.
fn most_loss(loss: &Loss) -> f64 {
    let (ratio, high) = (
        loss.loss_ratio.as_f64(),
        loss.loss_ratio_interval.high.as_f64(),
    );
    let recovery = loss.gilbert.map_or(1.0, |gilbert| gilbert.r.as_f64());
    let burst = (1.0 / recovery.max(0.01)).max(1.0);
    (ratio + (high - ratio) * burst.sqrt()).min(1.0)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds of a report, as nanoseconds: far below the bound"
)]
fn whole_nanos(ms: f64) -> i64 {
    (ms * 1e6) as i64
}

/// What a measurement gave and cost.
#[derive(Debug)]
pub struct ThroughputFound {
    /// For the report.
    pub outcome: Outcome<ThroughputSection>,
    /// Bytes sent, IP headers included.
    pub sent: ByteCount,
    /// Bytes received, IP headers included.
    pub received: ByteCount,
}

/// Measures throughput.
///
/// # Cancel safety
/// On `cancel` it returns within milliseconds with what it has. Dropping the future closes the
/// sockets; the server stops sending when it hears nothing, and forgets the sessions.
pub async fn run(
    config: &ThroughputConfig,
    dialer: &Dialer,
    cancel: &Cancel,
    emitter: &Emitter,
) -> ThroughputFound {
    let clock = Clock::start();
    let mut account = Account::new(clock.now());
    let outcome = Probe {
        config,
        dialer,
        cancel,
        emitter,
        clock,
        began: clock.now(),
        account: &mut account,
    }
    .measure()
    .await;
    let (sent, received) = account.total();
    ThroughputFound {
        outcome,
        sent,
        received,
    }
}

struct Probe<'a> {
    config: &'a ThroughputConfig,
    dialer: &'a Dialer,
    cancel: &'a Cancel,
    emitter: &'a Emitter,
    clock: Clock,
    began: MonotonicTime,
    account: &'a mut Account,
}

impl Probe<'_> {
    async fn measure(&mut self) -> Outcome<ThroughputSection> {
        let known = self.config.idle.udp_blocked.clone();
        if let Some(transport) = self.config.idle.relayed {
            // Boxed: rarely needed, and large.
            return Box::pin(self.over_relay(transport, known)).await;
        }
        let blocked = match (self.config.udp, known) {
            (_, Some(blocked)) => Some(blocked),
            (None, None) => None,
            (Some(remote), None) => match self.over_udp(remote).await {
                Ok(outcome) => return self.beside_tcp(outcome).await,
                Err(blocked) => Some(blocked),
            },
        };
        self.over_websocket(blocked).await
    }

    fn division(&self, headers: u16, stream: bool) -> Result<Division, Reason> {
        let (up, down) = self.account.total();
        let spent = up.saturating_add(down).get();
        let left = |limit: ByteCount| ByteCount::new(limit.get().saturating_sub(spent));
        let elapsed = self.clock.now().since(self.began);
        Budget {
            mode: self.config.mode,
            data: self.config.data_limit.map(left),
            time: self.config.time_limit.map(|t| t.saturating_sub(elapsed)),
            loads: self.config.loads,
            headers,
            stream,
        }
        .divide()
    }

    fn client(&self, division: &Division, patience: Duration) -> LoadClient {
        let video = Rung::ALL.into_iter().filter(|rung| *rung != Rung::Audio);
        let trials = TrialPlan {
            rungs_bps: video.map(|rung| rung.rate().as_bps()).collect(),
            most: TRIALS,
        };
        LoadClient::new(LoadConfig {
            nonces: [
                self.config.nonce,
                self.config.nonce.rotate_left(17) ^ 0x5bd1_e995,
            ],
            patience,
            session_time: SESSION_TIME,
            up: division.up,
            down: division.down,
            trials: division.trials.then_some(trials),
            idle: self.config.idle.directions,
        })
    }

    /// Measures over UDP; `Err` tells how UDP did not come through.
    async fn over_udp(
        &mut self,
        remote: SocketAddr,
    ) -> Result<Outcome<ThroughputSection>, UdpBlocked> {
        let headers = if remote.is_ipv4() { 28 } else { 48 };
        let division = match self.division(headers, false) {
            Ok(division) => division,
            Err(reason) => return Ok(Outcome::NotRun { reason }),
        };
        let blocked = |attempts, waited: Duration, rejected| UdpBlocked {
            port: remote.port(),
            attempts,
            waited_ms: waited.into(),
            rejected,
        };
        let Ok(mut carrier) = OverUdp::connect(remote, self.clock).await else {
            return Err(blocked(0, Duration::ZERO, true));
        };
        let mut client = self.client(&division, UDP_PATIENCE);
        let end = self.drive(&mut client, &mut carrier, &division).await;
        if let DriveEnd::Machine(LoadEnd::Failed(FlowFailure::NoAnswer { attempts, waited })) = end
        {
            return Err(blocked(attempts, waited, carrier.rejected()));
        }
        let context = self.context(Transport::Udp, None, remote, &division);
        Ok(self.conclude(&client, end, context).await)
    }

    async fn over_websocket(
        &mut self,
        udp_blocked: Option<UdpBlocked>,
    ) -> Outcome<ThroughputSection> {
        let division = match self.division(TCP_HEADERS, true) {
            Ok(division) => division,
            Err(reason) => return Outcome::NotRun { reason },
        };
        let closed = |why: &str| Outcome::Blocked {
            reason: blame::nothing_comes_through(udp_blocked.as_ref(), why),
        };
        let opened = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return self.not_run(),
            opened = self.open_websockets() => opened,
        };
        let (mut carrier, remote) = match (opened, self.config.peer) {
            (Ok(carrier), Some(remote)) => (carrier, remote),
            (Err(error), _) => return closed(&error.explanation),
            (_, None) => return closed("the server's address is unknown"),
        };
        let mut client = self.client(&division, WEBSOCKET_PATIENCE);
        let end = self.drive(&mut client, &mut carrier, &division).await;
        let context = self.context(Transport::WebSocket, udp_blocked, remote, &division);
        self.conclude(&client, end, context).await
    }

    /// The way that is left, as the path probe found.
    async fn over_relay(
        &mut self,
        transport: Transport,
        udp_blocked: Option<UdpBlocked>,
    ) -> Outcome<ThroughputSection> {
        let opened = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return self.not_run(),
            opened = self.open_relays(transport) => opened,
        };
        let Some((mut carrier, remote)) = opened else {
            let why = "its relay, through which packets came before, does not relay any more";
            let reason = blame::nothing_comes_through(udp_blocked.as_ref(), why);
            return Outcome::Blocked { reason };
        };
        let headers = u16::try_from(carrier.headers()).unwrap_or(TCP_HEADERS);
        let division = match self.division(headers, transport.is_stream()) {
            Ok(division) => division,
            Err(reason) => {
                carrier.release().await;
                return Outcome::NotRun { reason };
            }
        };
        let mut client = self.client(&division, WEBSOCKET_PATIENCE);
        let end = self.drive(&mut client, &mut carrier, &division).await;
        carrier.release().await;
        let context = self.context(transport, udp_blocked, remote, &division);
        self.conclude(&client, end, context).await
    }

    /// One for the loads, and one for what is measured beside them.
    async fn open_relays(&self, transport: Transport) -> Option<(OverRelay, SocketAddr)> {
        let config = self.config;
        let target = |turn: u32| {
            Some(RelayTarget {
                service: config.relay.as_ref()?,
                host: config.base.host(),
                peer: config.udp?,
                authorities: &config.authorities,
                nonce: config.nonce.rotate_left(turn) ^ 0x6a09_e667,
            })
        };
        let (load, other) = (target(29)?, target(41)?);
        let (load, other) = tokio::join!(load.open_over(transport), other.open_over(transport));
        Some((OverRelay::new(load?, other?, self.clock), config.udp?))
    }

    /// One for the loads, and one for what is measured beside them.
    async fn open_websockets(&self) -> Result<OverWebSocket, DialError> {
        let (base, path) = (&self.config.base, &self.config.websocket_path);
        let load = self.dialer.open_websocket(base, path).await?;
        let other = self.dialer.open_websocket(base, path).await?;
        Ok(OverWebSocket::new(load, other, self.clock))
    }

    /// Adds the rates over TCP, where that was asked for and something came over UDP.
    async fn beside_tcp(
        &mut self,
        mut outcome: Outcome<ThroughputSection>,
    ) -> Outcome<ThroughputSection> {
        if !self.config.compares_tcp || !matches!(outcome, Outcome::Measured { .. }) {
            return outcome;
        }
        let compared = self.over_tcp().await;
        if let Some(section) = outcome.data_mut() {
            section.phases = self.account.phases().to_vec();
            match compared {
                Ok(comparison) => section.tcp = comparison,
                Err(why) => self.cannot_compare(&why).await,
            }
        }
        outcome
    }

    async fn cannot_compare(&self, why: &str) {
        let message = format!("rates over TCP were not measured: {why}");
        let probe = ProbeId::Throughput;
        self.emitter
            .tell(EventKind::Warning { probe, message })
            .await;
    }

    /// The rates over TCP; `Err` tells in words why there are none.
    async fn over_tcp(&mut self) -> Result<Option<TcpComparison>, String> {
        let mut division = self
            .division(TCP_HEADERS, true)
            .map_err(|reason| reason.message)?;
        division.trials = false;
        self.account.begin_tcp(self.clock.now());
        let opened = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(self.cancel.reason().message),
            opened = self.open_websockets() => opened,
        };
        let mut carrier = opened.map_err(|error| error.explanation)?;
        let remote = self.config.peer.ok_or("the server's address is unknown")?;
        let mut client = self.client(&division, WEBSOCKET_PATIENCE);
        self.drive(&mut client, &mut carrier, &division).await;
        self.account.close(self.clock.now());
        let context = self.context(Transport::WebSocket, None, remote, &division);
        Ok(summarize(&client, context).map(|section| compared(&section)))
    }

    fn context(
        &self,
        transport: Transport,
        udp_blocked: Option<UdpBlocked>,
        remote: SocketAddr,
        division: &Division,
    ) -> LoadContext {
        LoadContext {
            transport,
            udp_blocked,
            remote,
            idle_rtt_p95: self.config.idle.rtt_p95,
            capped_by_server: division.capped_by_server,
            phases: self.account.phases().to_vec(),
        }
    }

    async fn drive<C: Carrier>(
        &mut self,
        client: &mut LoadClient,
        carrier: &mut C,
        division: &Division,
    ) -> DriveEnd {
        let now = self.clock.now();
        let live = Live::new(self.emitter, division.up.quick, division.trials, now);
        Drive::new(
            client,
            carrier,
            (self.clock, self.cancel),
            live,
            self.account,
        )
        .run()
        .await
    }

    async fn conclude(
        &self,
        client: &LoadClient,
        end: DriveEnd,
        context: LoadContext,
    ) -> Outcome<ThroughputSection> {
        let section = summarize(client, context);
        let found = section.as_ref().is_some_and(has_figures);
        let reason = match end {
            // The machine ends as planned when only the last loads went unanswered.
            DriveEnd::Machine(LoadEnd::Complete) if fell_silent(client) => {
                Some(self.server().silence(self.cancel).await)
            }
            DriveEnd::Machine(LoadEnd::Complete) if found => None,
            DriveEnd::Machine(LoadEnd::Complete) => Some(Reason::new(
                ReasonCode::NoAnswer,
                "next to no packet of the loads came through",
            )),
            DriveEnd::Machine(LoadEnd::Vanished) => Some(self.server().silence(self.cancel).await),
            DriveEnd::Machine(LoadEnd::Impossible) => Some(Reason::new(
                ReasonCode::Other,
                "the server's reports cannot be true, so its figures were not used; tell the \
                 server's operator",
            )),
            DriveEnd::Machine(LoadEnd::Limited(after)) => Some(limited(after)),
            DriveEnd::Machine(LoadEnd::Failed(FlowFailure::Refused { code, .. })) => {
                Some(blame::refused(code))
            }
            DriveEnd::Machine(LoadEnd::Failed(FlowFailure::NoAnswer { .. })) => Some(Reason::new(
                ReasonCode::NoAnswer,
                "the measurement service does not answer",
            )),
            DriveEnd::Broken(error) => Some(self.server().broken(&error, self.cancel).await),
            DriveEnd::Cancelled | DriveEnd::Machine(LoadEnd::Cancelled) => {
                Some(self.cancel.reason())
            }
        };
        blame::outcome(section.filter(|_| found), reason)
    }

    fn server(&self) -> Suspect<'_> {
        Suspect {
            host: self.config.base.host(),
            peer: self.config.peer,
        }
    }

    fn not_run(&self) -> Outcome<ThroughputSection> {
        Outcome::NotRun {
            reason: self.cancel.reason(),
        }
    }
}

fn compared(section: &ThroughputSection) -> TcpComparison {
    let [up, down] = [&section.uplink, &section.downlink].map(Option::as_ref);
    let told = |rate: Option<&RateSection>| rate.and_then(|rate| rate.capacity_bps);
    let at_least = |rate: Option<&RateSection>| rate.is_some_and(|rate| rate.at_least);
    TcpComparison {
        uplink_bps: told(up),
        uplink_at_least: at_least(up),
        downlink_bps: told(down),
        downlink_at_least: at_least(down),
    }
}

/// Only the downlink tells: where just the uplink's report did not come, the server went on.
fn fell_silent(client: &LoadClient) -> bool {
    client.downlink().stop == Some(Stop::NoAnswer)
}

fn has_figures(section: &ThroughputSection) -> bool {
    let directions = section.uplink.iter().chain(&section.downlink);
    directions
        .into_iter()
        .any(|rate| rate.usable_bps.is_some() || rate.capacity_bps.is_some())
}

/// Zero says that asking again does not help.
fn limited(after: Duration) -> Reason {
    let message = if after.is_zero() {
        "the server takes no load like this one, or no more in this session; a smaller --data asks \
         for less"
            .to_owned()
    } else {
        let when = after.as_secs_f64().ceil();
        format!("the server carries as many loads as it may; it says to try again in {when:.0} s")
    };
    Reason::new(ReasonCode::Limited, message)
}
