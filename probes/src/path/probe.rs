//! Measures over UDP, over WebSocket when UDP does not come through, and maps what came of it.

use std::net::SocketAddr;
use std::time::Duration;

use greenroom_protocol::discovery::RelayService;
use greenroom_protocol::measure::client::{Client, ClientConfig, End, StreamPlan};
use greenroom_protocol::measure::summary::{PathContext, summarize};
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::path::{PathSection, Transport, UdpBlocked};
use greenroom_reports::model::report::Mode;
use greenroom_reports::units::ByteCount;
use greenroom_reports::verdict::is_close;
use greenroom_reports::verdict::profile::Profile;
use greenroom_session::dial::base_url::BaseUrl;
use greenroom_session::dial::dialer::Dialer;

use super::drive::{Drive, DriveEnd, Traffic};
use super::relayed::OverRelay;
use super::udp::Udp;
use super::websocket::OverWebSocket;
use crate::blame::{self, Suspect};
use crate::cancel::Cancel;
use crate::clock::Clock;
use crate::emit::Emitter;
use crate::relay::{OpenRelay, RelayTarget};

/// Slots of a full measurement: 2.68 s, which leaves 3 s of a check's 6 s to the loads. With its 201
/// packets the 95 % interval of no loss at all reaches up to 1.9 %.
const FULL_SLOTS: u32 = 134;
/// Slots of a quick one: 1.08 s, whose 81 packets are enough for jitter to converge.
const QUICK_SLOTS: u32 = 54;
/// Every so many slots two packets leave: as many packets as a voice call of 3 s has, in less time.
const PAIR_EVERY: u32 = 2;
/// Slots added once when RTT or jitter are close to an edge: 2 s.
const EXTENSION_SLOTS: u32 = 100;
/// Fewest slots that are worth a measurement: jitter needs 48 packets.
const FEWEST_SLOTS: u32 = 40;
/// Longest wait for a UDP answer before it counts as blocked: half of the pauses of a STUN client,
/// with more packets. Lowering it makes slow links look blocked.
const UDP_PATIENCE: Duration = Duration::from_millis(1500);
/// How long the handshake over WebSocket may take, once the socket is open.
const WEBSOCKET_PATIENCE: Duration = Duration::from_secs(3);
/// What handshake, size search and receipts cost, both directions together.
const OVERHEAD: ByteCount = ByteCount::new(25_000);

/// How the path is measured.
#[derive(Clone, Debug)]
pub struct PathConfig {
    /// Depth.
    pub mode: Mode,
    /// The phase is extended once when a figure is close to one of its edges.
    pub profile: Profile,
    /// Bytes that may be spent, both directions together.
    pub data_limit: Option<ByteCount>,
    /// Time that is left for it.
    pub time_limit: Option<Duration>,
    /// Entropy: nobody may guess it.
    pub nonce: u64,
}

/// Where the server is.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its base URL.
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
}

/// What a measurement gave and cost.
#[derive(Debug)]
pub struct PathFound {
    /// For the report.
    pub outcome: Outcome<PathSection>,
    /// Bytes sent, IP headers included.
    pub sent: ByteCount,
    /// Bytes received, IP headers included.
    pub received: ByteCount,
}

/// Measures the idle path.
///
/// # Cancel safety
/// On `cancel` it returns within milliseconds with what it has. Dropping the future closes the
/// sockets; the server forgets the session by itself.
pub async fn run(
    config: &PathConfig,
    endpoint: &Endpoint,
    dialer: &Dialer,
    cancel: &Cancel,
    emitter: &Emitter,
) -> PathFound {
    let mut traffic = Traffic::default();
    let outcome = match affordable_slots(config) {
        Err(reason) => Outcome::NotRun { reason },
        Ok(slots) => {
            let mut probe = PathProbe {
                config,
                endpoint,
                dialer,
                cancel,
                emitter,
                slots,
                clock: Clock::start(),
                traffic: &mut traffic,
            };
            probe.measure().await
        }
    };
    PathFound {
        outcome,
        sent: traffic.sent,
        received: traffic.received,
    }
}

/// Slots that time and data allow.
fn affordable_slots(config: &PathConfig) -> Result<u32, Reason> {
    let planned = match config.mode {
        Mode::Full => FULL_SLOTS,
        Mode::Quick => QUICK_SLOTS,
    };
    let plan = StreamPlan::default();
    let by_data = config.data_limit.map(|limit| {
        // Both directions, headers of IPv6, pairs included.
        let pair_every = u64::from(PAIR_EVERY);
        let a_slot = (u64::from(plan.payload_bytes) + 48) * 2 * (pair_every + 1) / pair_every;
        limit.get().saturating_sub(OVERHEAD.get()) / a_slot
    });
    let by_time = config.time_limit.map(|limit| {
        // Handshake, the last packets' patience, size search and receipts.
        let left = limit.saturating_sub(Duration::from_millis(700));
        u64::try_from(left.as_nanos() / plan.interval.as_nanos()).unwrap_or(u64::MAX)
    });
    let affordable = |by: Option<u64>| by.unwrap_or(u64::MAX) >= u64::from(FEWEST_SLOTS);
    if !affordable(by_data) {
        let message = "the data budget is too small: the path probe needs at least 50 kB";
        return Err(Reason::new(ReasonCode::OutOfData, message));
    }
    if !affordable(by_time) {
        let message = "the time that is left is too short: the path probe needs at least 1.6 s";
        return Err(Reason::new(ReasonCode::OutOfTime, message));
    }
    let fewest = [by_data, by_time].into_iter().flatten().min();
    let fewest = fewest
        .and_then(|n| u32::try_from(n).ok())
        .unwrap_or(u32::MAX);
    Ok(planned.min(fewest))
}

struct PathProbe<'a> {
    config: &'a PathConfig,
    endpoint: &'a Endpoint,
    dialer: &'a Dialer,
    cancel: &'a Cancel,
    emitter: &'a Emitter,
    slots: u32,
    clock: Clock,
    traffic: &'a mut Traffic,
}

impl PathProbe<'_> {
    async fn measure(&mut self) -> Outcome<PathSection> {
        let blocked = match self.endpoint.udp {
            None => None,
            Some(remote) => match self.over_udp(remote).await {
                Ok(outcome) => return outcome,
                Err(blocked) => Some(blocked),
            },
        };
        self.over_websocket(blocked).await
    }

    /// Measures over UDP; `Err` tells how UDP did not come through.
    async fn over_udp(&mut self, remote: SocketAddr) -> Result<Outcome<PathSection>, UdpBlocked> {
        let blocked = |attempts, waited: Duration, rejected| UdpBlocked {
            port: remote.port(),
            attempts,
            waited_ms: waited.into(),
            rejected,
        };
        let Ok(mut udp) = Udp::connect(remote, self.clock).await else {
            return Err(blocked(0, Duration::ZERO, true));
        };
        let headers = if remote.is_ipv4() { 28 } else { 48 };
        let mut client = Client::new(self.client_config(UDP_PATIENCE, Some(headers)));
        let began = self.clock.now();
        let context = |udp: &Udp| PathContext {
            transport: Transport::Udp,
            udp_blocked: None,
            remote,
            local_path_mtu: udp.known_path_mtu(),
        };
        let end = self.drive(&mut client, &mut udp, remote).await;
        let waited = self.clock.now().since(began);
        match end {
            DriveEnd::Machine(End::NoAnswer { attempts, waited }) => {
                Err(blocked(attempts, waited, false))
            }
            DriveEnd::Machine(End::Rejected) => Err(blocked(1, waited, true)),
            DriveEnd::Broken(_) if client.records().is_empty() => Err(blocked(1, waited, true)),
            end => Ok(self.conclude(&client, end, context(&udp)).await),
        }
    }

    async fn over_websocket(&mut self, udp_blocked: Option<UdpBlocked>) -> Outcome<PathSection> {
        let path = &self.endpoint.websocket_path;
        let opened = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return self.not_run(),
            opened = self.dialer.open_websocket(&self.endpoint.base, path) => opened,
        };
        let socket = match opened {
            Ok(socket) => socket,
            Err(error) => return self.over_relay(udp_blocked, &error.explanation).await,
        };
        let Some(remote) = self.endpoint.peer else {
            let reason = blame::nothing_comes_through(
                udp_blocked.as_ref(),
                "the server's address is unknown",
            );
            return Outcome::Blocked { reason };
        };
        let mut transport = OverWebSocket {
            socket,
            clock: self.clock,
        };
        let mut client = Client::new(self.client_config(WEBSOCKET_PATIENCE, None));
        let end = self.drive(&mut client, &mut transport, remote).await;
        let context = PathContext {
            transport: Transport::WebSocket,
            udp_blocked,
            remote,
            local_path_mtu: None,
        };
        self.conclude(&client, end, context).await
    }

    /// The last way that is left; `why` tells what was wrong with the one before.
    async fn over_relay(
        &mut self,
        udp_blocked: Option<UdpBlocked>,
        why: &str,
    ) -> Outcome<PathSection> {
        let opened = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return self.not_run(),
            opened = self.open_relay() => opened,
        };
        let Some(relay) = opened else {
            let reason = blame::nothing_comes_through(udp_blocked.as_ref(), why);
            return Outcome::Blocked { reason };
        };
        let (remote, transport) = (relay.peer, relay.kind);
        let clock = self.clock;
        let mut over_relay = OverRelay { relay, clock };
        let mut client = Client::new(self.client_config(WEBSOCKET_PATIENCE, None));
        let end = self.drive(&mut client, &mut over_relay, remote).await;
        let context = PathContext {
            transport,
            udp_blocked,
            remote,
            local_path_mtu: None,
        };
        over_relay.relay.release().await;
        self.conclude(&client, end, context).await
    }

    async fn open_relay(&self) -> Option<OpenRelay> {
        let target = RelayTarget {
            service: self.endpoint.relay.as_ref()?,
            host: self.endpoint.base.host(),
            peer: self.endpoint.udp?,
            authorities: &self.endpoint.authorities,
            nonce: self.config.nonce.rotate_left(23),
        };
        target.open().await
    }

    fn client_config(&self, patience: Duration, headers: Option<u16>) -> ClientConfig {
        let stream = StreamPlan {
            slots: self.slots,
            pair_every: PAIR_EVERY,
            ..StreamPlan::default()
        };
        ClientConfig {
            nonce: self.config.nonce,
            stream,
            patience,
            session_time: stream.interval * (self.slots + EXTENSION_SLOTS) * 2
                + Duration::from_secs(10),
            headers,
        }
    }

    async fn drive<T: super::drive::Transport>(
        &mut self,
        client: &mut Client,
        transport: &mut T,
        remote: SocketAddr,
    ) -> DriveEnd {
        let (clock, config) = (self.clock, self.config);
        let may_extend =
            config.mode == Mode::Full && config.data_limit.is_none() && config.time_limit.is_none();
        let slots_to_add = |client: &Client| {
            let context = PathContext {
                transport: Transport::Udp,
                udp_blocked: None,
                remote,
                local_path_mtu: None,
            };
            let section = summarize(client, context, clock.now());
            let close = section.is_some_and(|section| is_close(&section, &config.profile));
            if may_extend && close {
                EXTENSION_SLOTS
            } else {
                0
            }
        };
        let mut drive = Drive {
            client,
            transport,
            clock,
            cancel: self.cancel,
            emitter: self.emitter,
            traffic: self.traffic,
        };
        drive.run(slots_to_add).await
    }

    async fn conclude(
        &self,
        client: &Client,
        end: DriveEnd,
        context: PathContext,
    ) -> Outcome<PathSection> {
        let section = summarize(client, context, self.clock.now());
        let reason = match end {
            DriveEnd::Machine(End::Complete) => None,
            DriveEnd::Machine(End::Vanished) => Some(self.server().silence(self.cancel).await),
            DriveEnd::Machine(End::Refused { code, .. }) => Some(blame::refused(code)),
            DriveEnd::Broken(error) => Some(self.server().broken(&error, self.cancel).await),
            DriveEnd::Cancelled | DriveEnd::Machine(End::Cancelled) => Some(self.cancel.reason()),
            DriveEnd::Machine(End::NoAnswer { .. } | End::Rejected) => Some(Reason::new(
                ReasonCode::NoAnswer,
                "the measurement service does not answer, neither over UDP nor over WebSocket",
            )),
        };
        match (section, reason) {
            (Some(data), None) if data.rtt.is_none() => Outcome::Partial {
                data,
                reason: no_usable_answer(client),
            },
            (section, reason) => blame::outcome(section, reason),
        }
    }

    fn server(&self) -> Suspect<'_> {
        Suspect {
            host: self.endpoint.base.host(),
            peer: self.endpoint.peer,
        }
    }

    fn not_run(&self) -> Outcome<PathSection> {
        Outcome::NotRun {
            reason: self.cancel.reason(),
        }
    }
}

fn no_usable_answer(client: &Client) -> Reason {
    if client.ignored() > 0 {
        let message = "the server's answers carry impossible times, so they were not used";
        return Reason::new(ReasonCode::Other, message);
    }
    Reason::new(ReasonCode::NoAnswer, "no test packet was answered")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(mode: Mode, data: Option<u64>, time_ms: Option<u64>) -> PathConfig {
        PathConfig {
            mode,
            profile: Profile::default(),
            data_limit: data.map(ByteCount::new),
            time_limit: time_ms.map(Duration::from_millis),
            nonce: 1,
        }
    }

    #[test]
    fn a_plan_shrinks_to_its_budgets() {
        assert_eq!(affordable_slots(&config(Mode::Full, None, None)), Ok(134));
        assert_eq!(
            affordable_slots(&config(Mode::Quick, Some(1_000_000), None)),
            Ok(54)
        );
        assert_eq!(
            affordable_slots(&config(Mode::Full, None, Some(2700))),
            Ok(100)
        );
        let by_data = affordable_slots(&config(Mode::Full, Some(60_000), None)).unwrap();
        assert!((45..80).contains(&by_data), "{by_data}");
    }

    #[test]
    fn a_budget_that_is_too_small_says_so() {
        let data = affordable_slots(&config(Mode::Full, Some(40_000), None));
        assert_eq!(data.unwrap_err().code, ReasonCode::OutOfData);
        let time = affordable_slots(&config(Mode::Full, None, Some(1000)));
        assert_eq!(time.unwrap_err().code, ReasonCode::OutOfTime);
    }
}
