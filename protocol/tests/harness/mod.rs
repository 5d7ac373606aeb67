//! Client and responder at the two ends of an emulated link, in virtual time.

#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test binary that includes this file uses a part of it"
)]

pub(crate) mod coverage;
pub(crate) mod faults;
pub(crate) mod parallel;
pub(crate) mod truth;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) use parallel::in_parallel;

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
use greenroom_reports::verdict::is_close;
use greenroom_reports::verdict::profile::Profile;

/// IPv4 and UDP headers, which the emulator's packets carry as zeros so that sizes are right.
pub(crate) const HEADERS: usize = 28;

/// The server's clock is this far from the client's; no figure may depend on it.
const SERVER_EPOCH: Duration = Duration::from_hours(24);

/// The client's end.
pub(crate) struct ClientEnd {
    pub(crate) client: Client,
    pub(crate) events: Vec<ClientEvent>,
    pub(crate) end: Option<End>,
    /// Slots to add when the stream ended.
    pub(crate) extend_by: Option<u32>,
    /// Slots to add when the stream ended and a figure is close to an edge of the default profile,
    /// as the path probe does in full length.
    pub(crate) extend_if_close_by: Option<u32>,
    wake: Option<Duration>,
}

impl ClientEnd {
    pub(crate) fn new(config: ClientConfig) -> Self {
        Self {
            client: Client::new(config),
            events: Vec::new(),
            end: None,
            extend_by: None,
            extend_if_close_by: None,
            wake: None,
        }
    }

    fn slots_to_add(&self, now: Duration) -> Option<u32> {
        let is_near = || {
            summarize(&self.client, context(), client_time(now))
                .is_some_and(|section| is_close(&section, &Profile::default_profile()))
        };
        self.extend_by
            .or_else(|| self.extend_if_close_by.filter(|_| is_near()))
    }
}

fn context() -> PathContext {
    PathContext {
        transport: Transport::Udp,
        udp_blocked: None,
        remote: SocketAddr::from(([192, 0, 2, 1], 443)),
        local_path_mtu: None,
    }
}

pub(crate) fn client_time(now: Duration) -> MonotonicTime {
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
                    if event == ClientEvent::StreamEnded
                        && let Some(slots) = self.slots_to_add(now)
                    {
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
pub(crate) struct ServerEnd {
    pub(crate) responder: Responder,
    /// Answers nothing from this time on.
    pub(crate) dies_at: Option<Duration>,
    /// Spoils the server's times, as a broken or lying server does.
    pub(crate) lies: bool,
    queue: VecDeque<Vec<u8>>,
}

impl ServerEnd {
    pub(crate) fn new(limits: Limits) -> Self {
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
pub(crate) struct Run {
    pub(crate) link: Duplex,
    pub(crate) client: ClientEnd,
    pub(crate) server: ServerEnd,
    /// When it ended.
    pub(crate) ended: Duration,
}

impl Run {
    pub(crate) fn section(&self) -> Option<PathSection> {
        summarize(&self.client.client, context(), client_time(self.ended))
    }
}

/// A client's configuration as the path probe's.
pub(crate) fn config(seed: u64, slots: u32) -> ClientConfig {
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
pub(crate) fn measure(up: LinkConfig, down: LinkConfig, seed: u64, slots: u32) -> Run {
    measure_with(
        up,
        down,
        seed,
        ClientEnd::new(config(seed, slots)),
        ServerEnd::new(Limits::default()),
    )
}

/// As [`measure`], with ends of one's own.
pub(crate) fn measure_with(
    up: LinkConfig,
    down: LinkConfig,
    seed: u64,
    mut client: ClientEnd,
    mut server: ServerEnd,
) -> Run {
    let mut link = Duplex::new(up, down, seed);
    let ended = link.run(
        Duration::ZERO,
        Duration::from_mins(1),
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
