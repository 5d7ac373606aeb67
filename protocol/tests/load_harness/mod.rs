//! Load client and responder at the two ends of an emulated link, in virtual time, with other
//! traffic on it.

#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::duplicate_mod,
    reason = "each test binary that includes this file uses a part of it"
)]

pub(crate) mod cross;
pub(crate) mod findings;
pub(crate) mod oracle;
#[path = "../harness/parallel.rs"]
pub(crate) mod parallel;
pub(crate) mod scores;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use greenroom_lab::link::{Direction, Duplex, Endpoint, LinkConfig};
use greenroom_protocol::measure::limits::Limits;
use greenroom_protocol::measure::load::capacity::CapacityPlan;
use greenroom_protocol::measure::load::client::{
    FlowId, LoadClient, LoadConfig, LoadEnd, LoadOutput, LoadPhase, TrialPlan,
};
use greenroom_protocol::measure::load::summary::{LoadContext, summarize};
use greenroom_protocol::measure::load::verify::IdleDirection;
use greenroom_protocol::measure::load::wire::{LoadMessage, LoadReport};
use greenroom_protocol::measure::responder::{
    Arrival, Handled, Responder, ResponderConfig, stamp_departure,
};
use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_protocol::measure::wire::{self, Message};
use greenroom_reports::model::path::{ClockSource, Transport};
use greenroom_reports::model::throughput::ThroughputSection;

use cross::Cross;

/// IPv4 and UDP headers; the first byte says whose the packet is.
pub(crate) const HEADERS: usize = 28;
/// First byte of a packet of others.
pub(crate) const OF_OTHERS: u8 = 0xFF;
/// The server's clock is this far from the client's; no figure may depend on it.
const SERVER_EPOCH: Duration = Duration::from_hours(24);

/// Rates of the ladder, as the probe asks for.
pub(crate) const RUNGS: [u64; 6] = [115_000, 225_000, 375_000, 900_000, 1_900_000, 3_000_000];

pub(crate) fn plan(cap_bps: u64) -> CapacityPlan {
    CapacityPlan {
        cap_bps,
        max_bps: 250_000_000,
        data: 40_000_000,
        longest: Duration::from_millis(1500),
        quick: false,
        stream: false,
        headers: 28,
    }
}

pub(crate) fn config(seed: u64) -> LoadConfig {
    LoadConfig {
        nonces: [seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, seed + 7],
        patience: Duration::from_millis(1500),
        session_time: Duration::from_secs(20),
        up: plan(12_000_000),
        down: plan(25_000_000),
        trials: Some(TrialPlan {
            rungs_bps: RUNGS.to_vec(),
            most: 3,
        }),
        idle: [IdleDirection::default(); 2],
    }
}

pub(crate) struct ClientEnd {
    pub(crate) client: LoadClient,
    pub(crate) end: Option<LoadEnd>,
    pub(crate) phases: Vec<(LoadPhase, Duration)>,
    /// IP bytes that left.
    pub(crate) bytes: u64,
    /// Every packet is followed by what others might send: of another session, cut, of no protocol,
    /// on the wrong flow.
    pub(crate) strangers: bool,
    wake: Option<Duration>,
    queue: VecDeque<Vec<u8>>,
    buffer: Vec<u8>,
    cross: Cross,
}

pub(crate) fn client_time(now: Duration) -> MonotonicTime {
    MonotonicTime::default().after(Duration::from_secs(5) + now)
}

fn server_time(now: Duration) -> MonotonicTime {
    MonotonicTime::default().after(SERVER_EPOCH + now)
}

impl ClientEnd {
    fn hand_in(&mut self, now: Duration, flow: FlowId, datagram: &[u8]) {
        let at = client_time(now);
        self.client
            .received(at, ClockSource::KernelReceive, flow, datagram);
    }

    fn strange(&mut self, now: Duration, flow: FlowId, datagram: &[u8]) {
        let mut foreign = datagram.to_vec();
        foreign[8] ^= 0x55;
        self.hand_in(now, flow, &foreign);
        self.hand_in(now, flow, &datagram[..datagram.len() / 3]);
        self.hand_in(now, flow, b"GET / HTTP/1.1");
        let wrong = match flow {
            FlowId::Load => FlowId::Other,
            FlowId::Other => FlowId::Load,
        };
        self.hand_in(now, wrong, datagram);
    }

    fn fill(&mut self, now: Duration) {
        let output = self.client.poll(client_time(now), &mut self.buffer);
        match output {
            LoadOutput::Transmit {
                flow,
                segment_bytes,
                echo: _,
            } => {
                let tag = u8::from(flow == FlowId::Other);
                let segment = segment_bytes.map_or(self.buffer.len(), usize::from);
                for datagram in self.buffer.chunks(segment) {
                    self.bytes += (datagram.len() + HEADERS) as u64;
                    self.queue.push_back(with_headers(tag, datagram));
                }
            }
            LoadOutput::Phase(phase) => {
                self.phases.push((phase, now));
                self.fill(now);
            }
            LoadOutput::Wait(until) => {
                self.wake = Some(until.since(client_time(Duration::ZERO)));
            }
            LoadOutput::Finished(end) => {
                self.end = Some(end);
                self.wake = None;
            }
        }
    }
}

impl Endpoint for ClientEnd {
    fn receive(&mut self, now: Duration, packet: Vec<u8>) {
        let flow = match packet[0] {
            0 => FlowId::Load,
            1 => FlowId::Other,
            _ => return,
        };
        let datagram = &packet[HEADERS..];
        self.hand_in(now, flow, datagram);
        if self.strangers {
            self.strange(now, flow, datagram);
        }
    }

    fn transmit(&mut self, now: Duration) -> Option<Vec<u8>> {
        if let Some(packet) = self.cross.next(now) {
            return Some(packet);
        }
        if self.queue.is_empty() && self.end.is_none() {
            self.fill(now);
        }
        self.queue.pop_front()
    }

    fn wake_at(&self) -> Option<Duration> {
        // Others stop when the measurement is over, so that the run ends.
        self.wake?;
        self.wake.into_iter().chain(self.cross.wake_at()).min()
    }
}

/// Changes a datagram of the server.
pub(crate) type Spoil = Box<dyn FnMut(&mut Vec<u8>)>;

/// Changes a report of the server.
pub(crate) type Lie = fn(&mut LoadReport);

/// Changes every report of the server.
pub(crate) fn lie(change: Lie) -> Spoil {
    Box::new(move |datagram| {
        if let Ok(Message::Load(LoadMessage::Report(mut report))) = wire::decode(datagram) {
            change(&mut report);
            wire::encode(&Message::Load(LoadMessage::Report(report)), 0, datagram);
        }
    })
}

pub(crate) struct ServerEnd {
    pub(crate) responder: Responder,
    /// Answers nothing from this time on.
    pub(crate) dies_at: Option<Duration>,
    /// Changes what the server says.
    pub(crate) spoil: Option<Spoil>,
    queue: VecDeque<Vec<u8>>,
    buffer: Vec<u8>,
    cross: Cross,
    pub(crate) bytes: u64,
    now: Duration,
}

impl ServerEnd {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            responder: Responder::new(&ResponderConfig {
                limits,
                secret: [9; 32],
            }),
            dies_at: None,
            spoil: None,
            queue: VecDeque::new(),
            buffer: Vec::new(),
            cross: Cross::none(),
            bytes: 0,
            now: Duration::ZERO,
        }
    }

    fn is_dead(&self, now: Duration) -> bool {
        self.dies_at.is_some_and(|at| now >= at)
    }

    fn push(&mut self, tag: u8, datagram: &mut Vec<u8>) {
        if let Some(spoil) = &mut self.spoil {
            spoil(datagram);
        }
        self.bytes += (datagram.len() + HEADERS) as u64;
        self.queue.push_back(with_headers(tag, datagram));
    }
}

impl Endpoint for ServerEnd {
    fn receive(&mut self, now: Duration, packet: Vec<u8>) {
        self.now = now;
        if self.is_dead(now) || packet[0] == OF_OTHERS {
            return;
        }
        let tag = packet[0];
        let arrival = Arrival {
            from: SocketAddr::from(([192, 0, 2, 7], 4711 + u16::from(tag))),
            at: server_time(now),
            clock: ClockSource::KernelReceive,
            wall_unix_ns: 1,
        };
        let mut reply = Vec::new();
        let handled = self
            .responder
            .handle(arrival, &packet[HEADERS..], &mut reply);
        if handled != Handled::Silent {
            stamp_departure(&mut reply, arrival.at);
            self.push(tag, &mut reply);
        }
    }

    fn transmit(&mut self, now: Duration) -> Option<Vec<u8>> {
        self.now = now;
        if let Some(packet) = self.cross.next(now) {
            return Some(packet);
        }
        if self.queue.is_empty() && !self.is_dead(now) {
            let mut buffer = std::mem::take(&mut self.buffer);
            if let Some(egress) = self.responder.poll_egress(server_time(now), &mut buffer) {
                let tag = u8::from(egress.to.port() != 4711);
                for datagram in buffer.chunks(usize::from(egress.segment_bytes)) {
                    self.push(tag, &mut datagram.to_vec());
                }
            }
            self.buffer = buffer;
        }
        self.queue.pop_front()
    }

    fn wake_at(&self) -> Option<Duration> {
        if self.is_dead(self.now) {
            return None;
        }
        let egress = self.responder.next_egress_at();
        egress.map(|at| at.since(server_time(Duration::ZERO)))
    }
}

fn with_headers(tag: u8, datagram: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; HEADERS];
    packet[0] = tag;
    packet.extend_from_slice(datagram);
    packet
}

/// One measurement.
pub(crate) struct Run {
    pub(crate) client: ClientEnd,
    pub(crate) server: ServerEnd,
    pub(crate) took: Duration,
    pub(crate) link: Duplex,
}

impl Run {
    /// What the report holds of it.
    pub(crate) fn section(&self, context: LoadContext) -> Option<ThroughputSection> {
        summarize(&self.client.client, context)
    }

    /// IP bytes of the measurement, both ways.
    pub(crate) fn bytes(&self) -> u64 {
        self.client.bytes + self.server.bytes
    }
}

/// What happens on a link.
pub(crate) struct Scene {
    pub(crate) up: LinkConfig,
    pub(crate) down: LinkConfig,
    /// Other traffic, to the server.
    pub(crate) cross_up: Cross,
    /// And from it.
    pub(crate) cross_down: Cross,
    pub(crate) seed: u64,
    /// Changes of a link on the way, in the order of time.
    pub(crate) changes: Vec<(Duration, Direction, LinkConfig)>,
    /// When the client is cancelled.
    pub(crate) cancel_at: Option<Duration>,
    /// Others send to the client.
    pub(crate) strangers: bool,
}

impl Scene {
    pub(crate) fn new(up: LinkConfig, down: LinkConfig, seed: u64) -> Self {
        Self {
            up,
            down,
            cross_up: Cross::none(),
            cross_down: Cross::none(),
            seed,
            changes: Vec::new(),
            cancel_at: None,
            strangers: false,
        }
    }

    pub(crate) fn run(self, config: LoadConfig, server: ServerEnd) -> Run {
        let mut client = ClientEnd {
            client: LoadClient::new(config),
            end: None,
            phases: Vec::new(),
            bytes: 0,
            strangers: self.strangers,
            wake: None,
            queue: VecDeque::new(),
            buffer: Vec::new(),
            cross: self.cross_up,
        };
        let mut server = ServerEnd {
            cross: self.cross_down,
            ..server
        };
        let mut link = Duplex::new(self.up, self.down, self.seed);
        let mut now = Duration::ZERO;
        for (at, direction, config) in self.changes {
            now = link.run(now, at, &mut client, &mut server);
            if now < at {
                break;
            }
            link.link_mut(direction).set_config(now, config);
        }
        if let Some(at) = self.cancel_at {
            now = link.run(now, at, &mut client, &mut server);
            client.client.cancel();
        }
        let took = link.run(now, Duration::from_mins(1), &mut client, &mut server);
        Run {
            client,
            server,
            took,
            link,
        }
    }
}

/// Over UDP, without a path probe before.
pub(crate) fn context() -> LoadContext {
    LoadContext {
        transport: Transport::Udp,
        udp_blocked: None,
        remote: SocketAddr::from(([192, 0, 2, 1], 3478)),
        idle_rtt_p95: None,
        capped_by_server: [false; 2],
        phases: Vec::new(),
    }
}

/// Measures over a quiet link.
pub(crate) fn measure(up: LinkConfig, down: LinkConfig, seed: u64) -> Run {
    Scene::new(up, down, seed).run(config(seed), ServerEnd::new(Limits::default()))
}
