//! Client and responder at the two ends of an emulated link, in virtual time.

#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test binary that includes this file uses a part of it"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use greenroom_lab::link::{Duplex, Endpoint, LinkConfig};
use greenroom_protocol::measure::client::{
    Client, ClientConfig, ClientEvent, End, Output, StreamPlan,
};
use greenroom_protocol::measure::limits::Limits;
use greenroom_protocol::measure::responder::{
    Arrival, Handled, Responder, ResponderConfig, stamp_departure,
};
use greenroom_protocol::measure::summary::{PathContext, summarize};
use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_reports::model::path::{ClockSource, PathSection, Transport};

/// IPv4 and UDP headers, which the emulator's packets carry as zeros so that sizes are right.
pub const HEADERS: usize = 28;

/// The server's clock is this far from the client's; no figure may depend on it.
const SERVER_EPOCH: Duration = Duration::from_secs(86_400);

/// The client's end.
pub struct ClientEnd {
    pub client: Client,
    pub events: Vec<ClientEvent>,
    pub end: Option<End>,
    /// Slots to add when the stream ended.
    pub extend_by: Option<u32>,
    wake: Option<Duration>,
}

impl ClientEnd {
    pub fn new(config: ClientConfig) -> Self {
        Self {
            client: Client::new(config),
            events: Vec::new(),
            end: None,
            extend_by: None,
            wake: None,
        }
    }
}

pub fn client_time(now: Duration) -> MonotonicTime {
    MonotonicTime::default().after(Duration::from_secs(5) + now)
}

fn virtual_time(at: MonotonicTime) -> Duration {
    at.since(client_time(Duration::ZERO))
}

impl Endpoint for ClientEnd {
    fn receive(&mut self, now: Duration, packet: Vec<u8>) {
        let at = client_time(now);
        let event = self
            .client
            .received(at, ClockSource::KernelReceive, &packet[HEADERS..]);
        self.events.extend(event);
    }

    fn transmit(&mut self, now: Duration) -> Option<Vec<u8>> {
        loop {
            match self.client.poll(client_time(now)) {
                Output::Transmit(transmit) => return Some(with_headers(&transmit.datagram)),
                Output::Event(event) => {
                    self.events.push(event);
                    if let (ClientEvent::StreamEnded, Some(slots)) = (event, self.extend_by) {
                        self.client.extend(client_time(now), slots);
                    }
                }
                Output::Wait(until) => {
                    self.wake = Some(virtual_time(until));
                    return None;
                }
                Output::Finished(end) => {
                    self.end = Some(end);
                    self.wake = None;
                    return None;
                }
            }
        }
    }

    fn wake_at(&self) -> Option<Duration> {
        self.wake
    }
}

/// The server's end.
pub struct ServerEnd {
    pub responder: Responder,
    /// Answers nothing from this time on.
    pub dies_at: Option<Duration>,
    /// Spoils the server's times, as a broken or lying server does.
    pub lies: bool,
    queue: VecDeque<Vec<u8>>,
}

impl ServerEnd {
    pub fn new(limits: Limits) -> Self {
        Self {
            responder: Responder::new(&ResponderConfig {
                limits,
                secret: [9; 32],
            }),
            dies_at: None,
            lies: false,
            queue: VecDeque::new(),
        }
    }
}

impl Endpoint for ServerEnd {
    fn receive(&mut self, now: Duration, packet: Vec<u8>) {
        if self.dies_at.is_some_and(|at| now >= at) {
            return;
        }
        let at = MonotonicTime::default().after(SERVER_EPOCH + now);
        let arrival = Arrival {
            from: SocketAddr::from(([192, 0, 2, 7], 4711)),
            at,
            clock: ClockSource::KernelReceive,
            wall_unix_ns: 1,
        };
        let mut reply = Vec::new();
        if self
            .responder
            .handle(arrival, &packet[HEADERS..], &mut reply)
            != Handled::Silent
        {
            let turnaround = Duration::from_micros(if self.lies { 60_000_000 } else { 0 });
            stamp_departure(&mut reply, at.after(turnaround));
            self.queue.push_back(with_headers(&reply));
        }
    }

    fn transmit(&mut self, _now: Duration) -> Option<Vec<u8>> {
        self.queue.pop_front()
    }

    fn wake_at(&self) -> Option<Duration> {
        None
    }
}

fn with_headers(datagram: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; HEADERS];
    packet.extend_from_slice(datagram);
    packet
}

/// One measurement in virtual time.
pub struct Run {
    pub link: Duplex,
    pub client: ClientEnd,
    pub server: ServerEnd,
    /// When it ended.
    pub ended: Duration,
}

impl Run {
    pub fn section(&self) -> Option<PathSection> {
        let context = PathContext {
            transport: Transport::Udp,
            udp_blocked: None,
            remote: SocketAddr::from(([192, 0, 2, 1], 443)),
            local_path_mtu: None,
        };
        summarize(&self.client.client, context, client_time(self.ended))
    }
}

/// A client's configuration as the path probe's.
pub fn config(seed: u64, slots: u32) -> ClientConfig {
    ClientConfig {
        nonce: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        stream: StreamPlan {
            slots,
            ..StreamPlan::default()
        },
        patience: Duration::from_millis(1500),
        session_time: Duration::from_secs(20),
        headers: Some(28),
    }
}

/// Measures over a link until the client is finished, for at most a minute of virtual time.
pub fn measure(up: LinkConfig, down: LinkConfig, seed: u64, slots: u32) -> Run {
    measure_with(
        up,
        down,
        seed,
        ClientEnd::new(config(seed, slots)),
        ServerEnd::new(Limits::default()),
    )
}

/// As [`measure`], with ends of one's own.
pub fn measure_with(
    up: LinkConfig,
    down: LinkConfig,
    seed: u64,
    mut client: ClientEnd,
    mut server: ServerEnd,
) -> Run {
    let mut link = Duplex::new(up, down, seed);
    let ended = link.run(
        Duration::ZERO,
        Duration::from_secs(60),
        &mut client,
        &mut server,
    );
    Run {
        link,
        client,
        server,
        ended,
    }
}
