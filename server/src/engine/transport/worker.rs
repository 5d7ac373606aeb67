//! The thread of the peer connections: receive, hand on, send, wait.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt, io,
    net::{IpAddr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak, atomic::Ordering},
    time::{Duration, Instant},
};

use axum::body::Bytes;
use mio::{Events, Poll, Token};
use str0m::{
    Input, Rtc, RtcConfig,
    crypto::from_feature_flags,
    net::{Protocol, Receive},
};
use stun_types::{attribute::Username, message::Message};

use super::{
    driver::{Order, Signals, TransportSink},
    leg::{Leg, LegError, LegOutput, Role},
    socket::{Batch, MediaSocket},
};
use crate::{
    clock,
    engine::{
        config::EngineLimits,
        core::effect::{PeerId, TransportCommand, TransportEvent},
    },
};

pub(super) const WAKE: Token = Token(1);
/// Batches of packets that are taken before other duties are looked at.
const BATCHES_A_TURN: usize = 16;
/// Longest sleep.
const IDLE: Duration = Duration::from_secs(1);
/// How long a participant may take to connect, before it counts as one that takes no data.
const MAX_CONNECTING: Duration = Duration::from_secs(30);
/// Pause after an error that is none of the usual, so that it does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// Data that waits for all participants, in bytes, before what is reliable is dropped, too.
const MAX_WAITING_BYTES: usize = 512 * 1024 * 1024;

/// One of a participant's peer connections.
type LegKey = (PeerId, Role);

/// The thread's state.
pub(super) struct Worker {
    poll: Poll,
    socket: MediaSocket,
    candidates: Vec<SocketAddr>,
    signals: Arc<Signals>,
    rtc: RtcConfig,
    max_waiting_bytes: usize,
    legs: HashMap<LegKey, Leg>,
    timers: BTreeSet<(Instant, LegKey)>,
    by_source: HashMap<SocketAddr, LegKey>,
    by_ufrag: HashMap<String, LegKey>,
    /// Data that waits for all participants, in bytes.
    waiting_bytes: usize,
    /// Those who did not answer an offer: they are offered nothing more.
    deaf: HashSet<PeerId>,
}

impl Worker {
    pub(super) fn new(
        poll: Poll,
        socket: MediaSocket,
        candidates: Vec<SocketAddr>,
        signals: Arc<Signals>,
        limits: &EngineLimits,
    ) -> Self {
        let crypto = from_feature_flags();
        let certificate = crypto.dtls_provider.generate_certificate();
        let mut rtc = Rtc::builder()
            .set_crypto_provider(Arc::new(crypto))
            .set_ice_lite(true)
            .set_rtp_mode(true);
        // One for all: making one takes longer than all the rest of a connection.
        if let Some(certificate) = certificate {
            rtc = rtc.set_dtls_cert(certificate);
        }
        Self {
            poll,
            socket,
            candidates,
            signals,
            rtc,
            max_waiting_bytes: limits.max_waiting_data_bytes,
            legs: HashMap::new(),
            timers: BTreeSet::new(),
            by_source: HashMap::new(),
            by_ufrag: HashMap::new(),
            waiting_bytes: 0,
            deaf: HashSet::new(),
        }
    }

    /// Works until it is told to stop.
    pub(super) fn run(mut self: Box<Self>, sink: &Weak<dyn TransportSink>) {
        let mut events = Events::with_capacity(8);
        let mut batch = Batch::new();
        loop {
            let wait = self.timers.first().map_or(IDLE, |(due, _)| {
                due.saturating_duration_since(Instant::now()).min(IDLE)
            });
            if let Err(error) = self.poll.poll(&mut events, Some(wait))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::warn!(%error, "cannot wait for packets of peer connections");
                clock::pause_thread(ERROR_PAUSE);
            }
            if self.signals.stop.load(Ordering::Acquire) {
                self.close_all();
                return;
            }
            let mut out = Told::default();
            for order in self.signals.take() {
                self.obey(order, &mut out);
            }
            let more = self.receive(&mut batch, &mut out);
            self.fire(&mut out);
            self.signals
                .n_legs
                .store(self.legs.len(), Ordering::Relaxed);
            if !out.0.is_empty() {
                let Some(sink) = sink.upgrade() else {
                    self.close_all();
                    return;
                };
                for (peer, event) in out.0 {
                    sink.happened(peer, event);
                }
            }
            if more {
                // The port tells only once that something waits.
                self.wake_soon();
            }
        }
    }

    fn wake_soon(&self) {
        self.signals.wake();
    }

    fn obey(&mut self, order: Order, out: &mut Told) {
        match order {
            Order::Command(peer, TransportCommand::Offer { sdp, id }) => {
                self.take_offer(peer, &sdp, id, out);
            }
            Order::Command(peer, TransportCommand::Answer { sdp, id }) => {
                let key = (peer, Role::Subscriber);
                self.with(key, out, |leg, _| leg.take_answer(&sdp, id));
            }
            Order::Command(peer, TransportCommand::Restart) => {
                self.deaf.remove(&peer);
                if self.legs.contains_key(&(peer, Role::Subscriber)) {
                    self.offer(peer, out);
                }
            }
            Order::Command(peer, TransportCommand::Close) => {
                self.deaf.remove(&peer);
                for role in [Role::Publisher, Role::Subscriber] {
                    self.close((peer, role));
                }
            }
            Order::Data {
                to,
                reliable,
                packet,
            } => {
                for peer in to {
                    self.send(peer, reliable, packet.clone(), out);
                }
            }
        }
    }

    fn take_offer(&mut self, peer: PeerId, sdp: &str, id: u32, out: &mut Told) {
        let key = (peer, Role::Publisher);
        self.ensure(key);
        self.with(key, out, |leg, out| {
            let sdp = leg.take_offer(sdp)?;
            out.0.push((peer, TransportEvent::Answer { sdp, id }));
            Ok(())
        });
    }

    /// Sends data on the connection that is for it, which comes into being now if need be.
    fn send(&mut self, peer: PeerId, reliable: bool, packet: Bytes, out: &mut Told) {
        if self.deaf.contains(&peer) {
            return;
        }
        if reliable && self.waiting_bytes > MAX_WAITING_BYTES {
            tracing::warn!("data is dropped: too much waits for slow participants");
            return;
        }
        let key = (peer, Role::Subscriber);
        if self.ensure(key) {
            self.offer(peer, out);
        }
        self.with(key, out, |leg, _| leg.send(reliable, packet));
    }

    fn offer(&mut self, peer: PeerId, out: &mut Told) {
        self.with((peer, Role::Subscriber), out, |leg, out| {
            if let Some((sdp, id)) = leg.offer() {
                out.0.push((peer, TransportEvent::Offer { sdp, id }));
            }
            Ok(())
        });
    }

    /// Whether the connection had to be made.
    fn ensure(&mut self, key: LegKey) -> bool {
        if self.legs.contains_key(&key) {
            return false;
        }
        let now = Instant::now();
        let leg = Leg::new(&self.rtc, &self.candidates, self.max_waiting_bytes, now);
        self.timers.insert((leg.due, key));
        self.legs.insert(key, leg);
        true
    }

    /// Does something with a connection, then all that it wants done. What fails, or panics, ends
    /// that connection alone.
    fn with(
        &mut self,
        key: LegKey,
        out: &mut Told,
        action: impl FnOnce(&mut Leg, &mut Told) -> Result<(), LegError>,
    ) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        self.timers.remove(&(leg.due, key));
        let before = leg.waiting_bytes;
        let mut wanted = Vec::new();
        let done = catch_unwind(AssertUnwindSafe(|| {
            action(leg, out)?;
            leg.drain(&mut wanted)
        }));
        self.waiting_bytes = self.waiting_bytes + leg.waiting_bytes - before;
        for output in wanted {
            match output {
                LegOutput::Transmit(transmit) => {
                    let source = leg.source_for(transmit.destination);
                    self.socket
                        .send(transmit.destination, source, &transmit.contents);
                }
                LegOutput::Happened(TransportEvent::Connected) if key.1 == Role::Subscriber => {}
                LegOutput::Happened(event) => out.0.push((key.0, event)),
            }
        }
        let failed = match done {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(words(&error)),
            Err(_panic) => Some("a defect of the server".to_owned()),
        };
        if let Some(reason) = failed {
            self.forget(key);
            out.0.push((key.0, TransportEvent::Failed(reason)));
            return;
        }
        if !leg.is_alive() {
            self.forget(key);
            return;
        }
        self.timers.insert((leg.due, key));
        for ufrag in &leg.ufrags {
            if !self.by_ufrag.contains_key(ufrag) {
                self.by_ufrag.insert(ufrag.clone(), key);
            }
        }
        while let Some(ufrag) = leg.spare_ufrag() {
            self.by_ufrag.remove(&ufrag);
        }
        if let Some((source, _)) = leg.sources.back() {
            self.by_source.insert(*source, key);
        }
        while let Some(source) = leg.spare_source() {
            if self.by_source.get(&source) == Some(&key) {
                self.by_source.remove(&source);
            }
        }
    }

    /// Takes what waits at the port; true when more may wait.
    fn receive(&mut self, batch: &mut Batch, out: &mut Told) -> bool {
        for _ in 0..BATCHES_A_TURN {
            match self.socket.receive(batch) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // A client's port is closed, as ICMP tells: of no importance here.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
                    ) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot receive packets of peer connections");
                    clock::pause_thread(ERROR_PAUSE);
                    return true;
                }
            }
            let now = Instant::now();
            for (from, ours, packet) in batch.packets() {
                self.dispatch(from, ours, packet, now, out);
            }
        }
        true
    }

    fn dispatch(
        &mut self,
        from: SocketAddr,
        ours: Option<IpAddr>,
        packet: &[u8],
        now: Instant,
        out: &mut Told,
    ) {
        // IPv4 comes through a socket of both families, too.
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let Some(destination) = self.candidate_for(from, ours) else {
            return;
        };
        let parsed = catch_unwind(|| Receive::new(Protocol::Udp, from, destination, packet));
        let Ok(Ok(received)) = parsed else {
            return;
        };
        let input = Input::Receive(now, received);
        let by_source = self.by_source.get(&from).copied();
        let accepted = |key: &LegKey| {
            let leg = self.legs.get(key);
            leg.is_some_and(|leg| {
                catch_unwind(AssertUnwindSafe(|| leg.accepts(&input))).is_ok_and(|it| it)
            })
        };
        let key = by_source.filter(&accepted).or_else(|| {
            self.by_ufrag
                .get(&ufrag_of(packet)?)
                .copied()
                .filter(&accepted)
        });
        if let Some(key) = key {
            self.with(key, out, |leg, _| leg.receive(input, from, ours));
        }
    }

    /// The address that a client sent to, as it was told to it.
    fn candidate_for(&self, from: SocketAddr, ours: Option<IpAddr>) -> Option<SocketAddr> {
        let ours = ours.map(|ip| ip.to_canonical());
        let candidates = self.candidates.iter().copied();
        let exactly = candidates.clone().find(|it| Some(it.ip()) == ours);
        // Behind a NAT, the address that was told is not one of this machine.
        exactly.or_else(|| {
            let mut candidates = candidates;
            candidates.find(|it| it.is_ipv4() == from.is_ipv4())
        })
    }

    /// Calls those whose time has come.
    fn fire(&mut self, out: &mut Told) {
        let now = Instant::now();
        // Each once: one that wants to be called again at once waits for the next turn.
        let due: Vec<LegKey> = self
            .timers
            .iter()
            .take_while(|(due, _)| *due <= now)
            .map(|(_, key)| *key)
            .collect();
        for key in due {
            let is_late = self.legs.get(&key).is_some_and(|leg| {
                !leg.connected && now.saturating_duration_since(leg.since) >= MAX_CONNECTING
            });
            if is_late {
                if key.1 == Role::Subscriber {
                    tracing::info!("a participant does not connect for data: it gets none");
                    self.deaf.insert(key.0);
                }
                self.forget(key);
                continue;
            }
            self.with(key, out, |leg, _| leg.tick(now));
        }
    }

    /// Ends a connection in good order.
    fn close(&mut self, key: LegKey) {
        // What it still has to tell, nobody wants to know.
        self.with(key, &mut Told::default(), |leg, _| leg.close());
        self.forget(key);
    }

    fn close_all(&mut self) {
        let mut keys: Vec<LegKey> = self.timers.iter().map(|(_, key)| *key).collect();
        keys.sort_unstable();
        for key in keys {
            self.close(key);
        }
    }

    fn forget(&mut self, key: LegKey) {
        let Some(leg) = self.legs.remove(&key) else {
            return;
        };
        self.waiting_bytes = self.waiting_bytes.saturating_sub(leg.waiting_bytes);
        self.timers.remove(&(leg.due, key));
        for ufrag in &leg.ufrags {
            self.by_ufrag.remove(ufrag);
        }
        for (source, _) in &leg.sources {
            if self.by_source.get(source) == Some(&key) {
                self.by_source.remove(source);
            }
        }
        // Not even its end may end others.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(leg)));
    }
}

/// What the sink is to be told.
#[derive(Default)]
struct Told(Vec<(PeerId, TransportEvent)>);

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("candidates", &self.candidates)
            .field("legs", &self.legs.len())
            .finish_non_exhaustive()
    }
}

/// The part of a check's user name that is ours.
///
/// Source: RFC 8445 §7.2.2: `ours:theirs`.
fn ufrag_of(packet: &[u8]) -> Option<String> {
    let message = Message::from_bytes(packet).ok()?;
    let username = message.attribute::<Username>().ok()?;
    Some(username.username().split(':').next()?.to_owned())
}

/// An error and its sources, in one line.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
