//! The relay's thread: receive, hand to the machine, send.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use greenroom_protocol::measure::time::MonotonicTime;
use mio::{Events, Poll, Token};
use quinn_udp::RecvMeta;
use tokio::sync::mpsc;

use super::{
    figures::RelayFigures,
    handle::Signals,
    outbox::{Outbox, Through},
    ports::OpenPorts,
    socket::{Batch, NotSent, RelaySocket, Route},
    stream::ToStream,
};
use crate::{
    clock::{self, Clock},
    turn::machine::{
        counters::Dropped,
        relay::{Client, Handled, MAX_MESSAGE_BYTES, Now, PortId, Relay, Transport},
    },
};

pub(super) const LISTENER: Token = Token(0);
pub(super) const WAKE: Token = Token(1);
/// Tokens that are no relay socket's.
pub(super) const N_TOKENS: usize = 2;
/// Rounds over all sockets that have something, after which other duties are looked at.
const ROUNDS_A_TURN: usize = 16;
/// Full batches of clients' packets that are taken before what they carry is sent: under load,
/// more packets of a flow leave together, while one that comes alone does not wait.
const BATCHES_BEFORE_SENDING: usize = 4;
/// Messages of connections taken in one round.
const MESSAGES_A_ROUND: usize = 64;
/// How often what is over is ended.
const TICK: Duration = Duration::from_secs(1);
/// Pause after an error that is none of the usual, so that it does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(10);
/// Events of one poll. With more sockets ready, the rest comes with the next.
const EVENTS: usize = 256;

/// What a connection's task tells.
#[derive(Debug)]
pub(super) enum FromStream {
    /// There is a connection.
    Opened(Client, ToStream),
    /// It sent a message.
    Message(Client, Vec<u8>),
    /// It is gone.
    Closed(Client),
}

/// The thread's state.
pub(super) struct Worker {
    poll: Poll,
    listener: RelaySocket,
    listens_at: SocketAddr,
    ports: OpenPorts,
    relay: Relay,
    inbox: mpsc::Receiver<FromStream>,
    streams: HashMap<Client, ToStream>,
    figures: Arc<RelayFigures>,
    signals: Arc<Signals>,
    clock: Clock,
    outbox: Outbox,
    reply: Vec<u8>,
    /// Relay sockets that have something, each once.
    ready: VecDeque<PortId>,
    listener_ready: bool,
    next_tick: MonotonicTime,
}

impl Worker {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is told once, by the one caller"
    )]
    pub(super) fn new(
        poll: Poll,
        listener: RelaySocket,
        ports: OpenPorts,
        relay: Relay,
        inbox: mpsc::Receiver<FromStream>,
        figures: Arc<RelayFigures>,
        signals: Arc<Signals>,
        clock: Clock,
    ) -> Self {
        Self {
            poll,
            listens_at: listener.address(),
            listener,
            ports,
            relay,
            inbox,
            streams: HashMap::new(),
            figures,
            signals,
            clock,
            outbox: Outbox::default(),
            reply: Vec::new(),
            ready: VecDeque::new(),
            listener_ready: true,
            next_tick: MonotonicTime::default(),
        }
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut batch = Batch::new();
        let mut more_waits = false;
        while !self.signals.stop.load(Ordering::Acquire) {
            let wait = if more_waits { Duration::ZERO } else { TICK };
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    tracing::warn!(%error, "cannot wait for packets to relay");
                    clock::pause_thread(ERROR_PAUSE);
                }
                _ => {}
            }
            self.note(&events);
            more_waits = self.take_turn(&mut batch);
            self.tick();
            let n_allocations = self.relay.n_allocations();
            self.figures.leave(self.relay.counters(), n_allocations);
        }
    }

    /// Which sockets have something.
    fn note(&mut self, events: &Events) {
        for event in events {
            match event.token() {
                LISTENER => self.listener_ready = true,
                WAKE => {}
                token => {
                    let port = self.ports.of_token(token);
                    self.ready.extend(port.filter(|p| !self.ready.contains(p)));
                }
            }
        }
        // Before the inbox is looked at: what comes later wakes up again.
        self.signals.woken.store(false, Ordering::Release);
    }

    /// Handles what waits, each socket in its turn, up to a bound; true when more waits.
    fn take_turn(&mut self, batch: &mut Batch) -> bool {
        for _ in 0..ROUNDS_A_TURN {
            let now = self.now();
            let messages = self.take_messages(now);
            self.take_listener(now, batch);
            self.take_ports(now, batch);
            if !messages && !self.listener_ready && self.ready.is_empty() {
                return false;
            }
        }
        true
    }

    fn now(&self) -> Now {
        Now {
            monotonic: self.clock.now(),
            unix_s: clock::unix_time().as_secs(),
        }
    }

    fn take_listener(&mut self, now: Now, batch: &mut Batch) {
        if !self.listener_ready {
            return;
        }
        for _ in 0..BATCHES_BEFORE_SENDING {
            self.listener_ready = is_more(self.listener.receive(batch));
            for (packet, meta) in batch.packets() {
                let client = self.client(meta);
                self.take_from_client(now, &client, packet);
            }
            if !self.listener_ready {
                break;
            }
        }
        self.flush();
    }

    fn client(&self, meta: &RecvMeta) -> Client {
        let server_ip = meta.dst_ip.unwrap_or(self.listens_at.ip());
        Client {
            transport: Transport::Udp,
            address: SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port()),
            server_ip: server_ip.to_canonical(),
            connection: 0,
        }
    }

    fn take_from_client(&mut self, now: Now, client: &Client, packet: &[u8]) {
        if packet.len() > MAX_MESSAGE_BYTES {
            self.relay.count_dropped(Dropped::Oversized, 1);
            return;
        }
        let (ports, reply) = (&mut self.ports, &mut self.reply);
        match self.relay.handle(now, client, packet, ports, reply) {
            Handled::Silent => {}
            Handled::Reply => {
                let reply = std::mem::take(&mut self.reply);
                self.send_to_client(client, [&reply, &[]], 0);
                self.reply = reply;
            }
            Handled::Forward(forward) => {
                let route = Route {
                    to: forward.to,
                    source: None,
                };
                let payload = packet.get(forward.payload).unwrap_or_default();
                self.push(Through::Port(forward.port), route, [&[], payload], 0);
            }
        }
    }

    fn take_ports(&mut self, now: Now, batch: &mut Batch) {
        for _ in 0..self.ready.len() {
            let Some(port) = self.ready.pop_front() else {
                return;
            };
            let Some(socket) = self.ports.get(port) else {
                continue;
            };
            if is_more(socket.receive(batch)) {
                self.ready.push_back(port);
            }
            for (packet, meta) in batch.packets() {
                let from = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
                self.take_from_peer(now, port, from, packet);
            }
            self.flush();
        }
    }

    fn take_from_peer(&mut self, now: Now, port: PortId, from: SocketAddr, packet: &[u8]) {
        let to_client = self
            .relay
            .handle_peer(now.monotonic, port, from, packet.len());
        if let Some(to) = to_client {
            self.send_to_client(&to.client, [to.head(), packet], to.n_padding);
        }
    }

    fn send_to_client(&mut self, client: &Client, parts: [&[u8]; 2], n_padding: usize) {
        if client.transport == Transport::Udp {
            let route = Route {
                to: client.address,
                source: Some(client.server_ip).filter(|ip| !ip.is_unspecified()),
            };
            self.push(Through::Listener, route, parts, n_padding);
            return;
        }
        let mut message = parts.concat();
        message.resize(message.len() + n_padding, 0);
        let stream = self.streams.get(client);
        if !stream.is_some_and(|stream| stream.send(message)) {
            self.relay.count_dropped(Dropped::NotSent, 1);
        }
    }

    fn push(&mut self, through: Through, route: Route, parts: [&[u8]; 2], n_padding: usize) {
        self.outbox.push(through, route, parts, n_padding);
        if self.outbox.is_full() {
            self.flush();
        }
    }

    /// Sends what was gathered. What the system does not take is dropped, as by any router.
    fn flush(&mut self) {
        for parcel in self.outbox.parcels() {
            let socket = match parcel.through {
                Through::Listener => Some(&self.listener),
                Through::Port(port) => self.ports.get(port),
            };
            let sent = socket.map_or(Ok(()), |socket| {
                socket.send(parcel.route, &parcel.packets, parcel.segment_bytes)
            });
            if let Err(NotSent(n)) = sent {
                self.relay.count_dropped(Dropped::NotSent, n as u64);
            }
        }
        self.outbox.clear();
    }

    /// Takes messages of connections; true when more may wait.
    fn take_messages(&mut self, now: Now) -> bool {
        for _ in 0..MESSAGES_A_ROUND {
            match self.inbox.try_recv() {
                Ok(FromStream::Opened(client, stream)) => {
                    self.streams.insert(client, stream);
                }
                Ok(FromStream::Message(client, message)) => {
                    self.take_from_client(now, &client, &message);
                    self.tell_whether_proven(&client);
                }
                Ok(FromStream::Closed(client)) => {
                    self.streams.remove(&client);
                    self.relay.disconnected(&client, &mut self.ports);
                }
                Err(_) => {
                    self.flush();
                    return false;
                }
            }
        }
        self.flush();
        true
    }

    fn tell_whether_proven(&self, client: &Client) {
        if let Some(stream) = self.streams.get(client) {
            stream.set_proven(self.relay.has_allocation(client));
        }
    }

    fn tick(&mut self) {
        if self.signals.drain.load(Ordering::Acquire) {
            self.relay.drain();
        }
        let now = self.clock.now();
        if now < self.next_tick {
            return;
        }
        self.next_tick = now.after(TICK);
        self.relay.expire(now, &mut self.ports);
        let (relay, ports) = (&mut self.relay, &mut self.ports);
        self.streams.retain(|client, stream| {
            if stream.is_gone() {
                relay.disconnected(client, ports);
                return false;
            }
            stream.set_proven(relay.has_allocation(client));
            true
        });
    }
}

/// Whether more waits behind what was received.
fn is_more(received: io::Result<bool>) -> bool {
    match received {
        Ok(more) => more,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
        // An earlier packet's ICMP error, mostly: the next call gives packets.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => true,
        Err(error) => {
            tracing::debug!(%error, "cannot receive packets to relay");
            clock::pause_thread(ERROR_PAUSE);
            true
        }
    }
}
