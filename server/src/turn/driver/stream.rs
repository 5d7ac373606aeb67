//! Clients over TCP and TLS: a task each, bounded in number, time and memory.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    frames::{self, Frame},
    handle::{Door, RelayThread},
    worker::FromStream,
};
use crate::{
    clock::{self, Clock},
    config::limits::TLS_HANDSHAKE,
    http::slots::{Slot, Slots},
    turn::machine::relay::{Client, MAX_MESSAGE_BYTES, Transport},
};

/// Pause after the system refused to hand a connection over, for want of file descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a connection may be without an allocation: a client on a slow path has made one within
/// a few round trips.
const WITHOUT_ALLOCATION: Duration = Duration::from_secs(15);
/// How long a message may take to arrive once it has begun. Slower is who drips.
const MESSAGE_TIME: Duration = Duration::from_secs(5);
/// Longest wait for a client to take what is sent.
const SEND_TIME: Duration = Duration::from_secs(5);
/// Messages that wait for a client. Those beyond are dropped, as a full queue of a router drops.
const QUEUE_MESSAGES: usize = 512;
/// Bytes that wait for one client.
const QUEUE_BYTES: usize = 256 * 1024;
/// Bytes that wait for all clients together.
const ALL_QUEUES_BYTES: usize = 32 * 1024 * 1024;
/// What a client's packets wait for at the most. A link that is full carries no more for a longer
/// queue, and media that comes later is of no use to anybody.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// Bytes that are written at once.
const WRITE_BYTES: usize = 16 * 1024;
/// Bytes that the system holds for a client beyond what is on its way: without a limit it holds
/// megabytes, which are seconds of a slow link.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 16 * 1024;
/// Bytes read at once.
const READ_BYTES: usize = MAX_MESSAGE_BYTES;
/// Longest wait for connections to end once they were told to.
const CLOSING: Duration = Duration::from_millis(500);
/// Longest wait for one connection to end that makes room for another.
const ENDING: Duration = Duration::from_millis(200);
/// Of so many eighths of all places, the oldest connection without an allocation gives way: many
/// that do nothing do not keep those out who come to relay.
const CROWDED_EIGHTHS: usize = 6;

/// What all connections share.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    door: Door,
    slots: Arc<Slots>,
    max: usize,
    queued: Arc<AtomicUsize>,
    handshakes_failed: Arc<AtomicU64>,
    numbers: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Streams {
    /// Places for `max` connections, `max_per_address` of one address.
    pub(crate) fn new(
        relay: &RelayThread,
        max: usize,
        max_per_address: usize,
        handshakes_failed: Arc<AtomicU64>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            door: relay.door(),
            slots: Slots::new(max, max_per_address),
            max,
            queued: Arc::default(),
            handshakes_failed,
            numbers: Arc::default(),
            stop,
        }
    }

    /// The places.
    pub(crate) fn slots(&self) -> Arc<Slots> {
        Arc::clone(&self.slots)
    }

    /// Serves a listener until everything is to stop, then ends its connections.
    ///
    /// # Cancel safety
    /// Dropping the future ends every connection at once.
    pub(crate) async fn serve(self, listener: TcpListener, tls: Option<TlsAcceptor>) {
        let mut front = Front {
            streams: self.clone(),
            tls,
            waiting: VecDeque::new(),
            connections: JoinSet::new(),
        };
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(_) = front.connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        front.make_room().await;
                        front.admit(stream, peer);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        clock::wait(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        let mut connections = front.connections;
        let all_end = async { while connections.join_next().await.is_some() {} };
        if timeout(CLOSING, all_end).await.is_err() {
            connections.shutdown().await;
        }
    }
}

struct Front {
    streams: Streams,
    tls: Option<TlsAcceptor>,
    /// Connections, the oldest first, that had no allocation when they were last looked at.
    waiting: VecDeque<Waiting>,
    connections: JoinSet<()>,
}

struct Waiting {
    proven: Arc<AtomicBool>,
    end: CancellationToken,
}

impl Front {
    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let address = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let Some(slot) = self.streams.slots.take(Some(address.ip())) else {
            return;
        };
        let Ok(server) = stream.local_addr() else {
            return;
        };
        let transport = match self.tls {
            Some(_) => Transport::Tls,
            None => Transport::Tcp,
        };
        let connection = Connection {
            client: Client {
                transport,
                address,
                server_ip: server.ip().to_canonical(),
                connection: self.streams.numbers.fetch_add(1, Ordering::Relaxed) + 1,
            },
            door: self.streams.door.clone(),
            queued: Arc::clone(&self.streams.queued),
            proven: Arc::default(),
            end: self.streams.stop.child_token(),
            _slot: slot,
        };
        self.waiting.push_back(Waiting {
            proven: Arc::clone(&connection.proven),
            end: connection.end.clone(),
        });
        let tls = self.tls.clone();
        let handshakes_failed = Arc::clone(&self.streams.handshakes_failed);
        self.connections.spawn(async move {
            // Each packet matters by itself.
            let _ = stream.set_nodelay(true);
            // Where it cannot be limited, packets wait longer.
            #[cfg(target_os = "linux")]
            let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES);
            let Some(tls) = tls else {
                return connection.serve(stream).await;
            };
            let end = connection.end.clone();
            let accepted = tokio::select! {
                () = end.cancelled() => return,
                accepted = timeout(TLS_HANDSHAKE, tls.accept(stream)) => accepted,
            };
            match accepted {
                Ok(Ok(stream)) => connection.serve(stream).await,
                Ok(Err(_)) | Err(_) => {
                    handshakes_failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }

    /// Ends the oldest connection that does nothing, when places become few; when there are none,
    /// waits until it has ended.
    async fn make_room(&mut self) {
        if !self.end_oldest() {
            return;
        }
        let has_room = || self.streams.slots.n_taken() < self.streams.max;
        let ended = async { while !has_room() && self.connections.join_next().await.is_some() {} };
        let _busy = timeout(ENDING, ended).await;
    }

    /// Tells the oldest connection that does nothing to end, when places are few; false when none
    /// was told.
    fn end_oldest(&mut self) -> bool {
        // Each ended connection holds its end: only those that are alive still share it.
        let is_alive = |waiting: &Waiting| Arc::strong_count(&waiting.proven) > 1;
        if self.waiting.len() > 2 * self.streams.max {
            self.waiting.retain(is_alive);
        }
        if self.streams.slots.n_taken() < self.streams.max * CROWDED_EIGHTHS / 8 {
            return false;
        }
        while let Some(oldest) = self.waiting.pop_front() {
            let is_idle = is_alive(&oldest) && !oldest.proven.load(Ordering::Acquire);
            if is_idle && !oldest.end.is_cancelled() {
                oldest.end.cancel();
                return true;
            }
        }
        false
    }
}

/// The relay's end of a connection.
#[derive(Debug)]
pub(super) struct ToStream {
    messages: mpsc::Sender<Queued>,
    turn: Arc<Turn>,
    queued: Arc<AtomicUsize>,
    queued_by_all: Arc<AtomicUsize>,
    proven: Arc<AtomicBool>,
}

/// A message, and when it was queued, by the connection's clock.
type Queued = (Duration, Vec<u8>);

/// Whose turn it is to be written.
#[derive(Debug)]
struct Turn {
    clock: Clock,
    /// When the message that is being written was queued, in nanoseconds; [`IDLE`] when there is
    /// none.
    queued_ns: AtomicU64,
}

const IDLE: u64 = u64::MAX;

impl Turn {
    fn new() -> Self {
        Self {
            clock: Clock::start(),
            queued_ns: AtomicU64::new(IDLE),
        }
    }

    /// How long the message that is being written has waited by now.
    fn waits(&self, now: Duration) -> Duration {
        match self.queued_ns.load(Ordering::Relaxed) {
            IDLE => Duration::ZERO,
            queued => now.saturating_sub(Duration::from_nanos(queued)),
        }
    }

    fn begin(&self, queued: Duration) {
        let ns = u64::try_from(queued.as_nanos()).unwrap_or(IDLE - 1);
        self.queued_ns.store(ns, Ordering::Relaxed);
    }

    fn end(&self) {
        self.queued_ns.store(IDLE, Ordering::Relaxed);
    }
}

impl ToStream {
    /// Queues a message; false when there is no room. A peer's packet is not queued behind one that
    /// waits for too long already; an answer of the relay is.
    pub(super) fn send(&self, message: Vec<u8>) -> bool {
        let n = message.len();
        let now = self.turn.clock.elapsed();
        if self.turn.waits(now) > LONGEST_WAIT && is_of_a_peer(&message) {
            return false;
        }
        let fits = self.queued.load(Ordering::Relaxed) + n <= QUEUE_BYTES
            && self.queued_by_all.load(Ordering::Relaxed) + n <= ALL_QUEUES_BYTES;
        if !fits {
            return false;
        }
        self.queued.fetch_add(n, Ordering::Relaxed);
        self.queued_by_all.fetch_add(n, Ordering::Relaxed);
        let sent = self.messages.try_send((now, message)).is_ok();
        if !sent {
            self.queued.fetch_sub(n, Ordering::Relaxed);
            self.queued_by_all.fetch_sub(n, Ordering::Relaxed);
        }
        sent
    }

    /// Whether the connection is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.messages.is_closed()
    }

    /// Whether the client has an allocation, and so may stay.
    pub(super) fn set_proven(&self, proven: bool) {
        self.proven.store(proven, Ordering::Release);
    }
}

/// A message of a channel, or a Data indication (RFC 8656 §12.4, §11.4).
fn is_of_a_peer(message: &[u8]) -> bool {
    const DATA_INDICATION: [u8; 2] = [0x00, 0x17];
    message.first().is_some_and(|first| first >> 6 == 0b01) || message.starts_with(&DATA_INDICATION)
}

struct Connection {
    client: Client,
    door: Door,
    queued: Arc<AtomicUsize>,
    proven: Arc<AtomicBool>,
    end: CancellationToken,
    _slot: Slot,
}

impl Connection {
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(self, stream: S) {
        let (messages, mut from_relay) = mpsc::channel(QUEUE_MESSAGES);
        let turn = Arc::new(Turn::new());
        let to_stream = ToStream {
            messages,
            turn: Arc::clone(&turn),
            queued: Arc::default(),
            queued_by_all: Arc::clone(&self.queued),
            proven: Arc::clone(&self.proven),
        };
        let queued = Arc::clone(&to_stream.queued);
        if !(self.door.send(FromStream::Opened(self.client, to_stream))).await {
            return;
        }
        // Also when this future is dropped.
        let _tells = TellsEnd(self.door.clone(), self.client);
        let (reader, writer) = tokio::io::split(stream);
        let done = |n: usize| {
            queued.fetch_sub(n, Ordering::Relaxed);
            self.queued.fetch_sub(n, Ordering::Relaxed);
        };
        tokio::select! {
            () = self.end.cancelled() => {}
            () = self.read(reader) => {}
            () = write(writer, &mut from_relay, &turn, &done) => {}
        }
        from_relay.close();
        while let Ok((_, message)) = from_relay.try_recv() {
            done(message.len());
        }
    }

    /// Reads messages until the stream ends, is no stream of messages, or takes too long.
    async fn read(&self, mut reader: impl AsyncRead + Unpin) {
        let mut buffer = Vec::with_capacity(2 * READ_BYTES);
        let mut patience = Patience::new();
        loop {
            let deadline = patience.deadline(&self.proven, !buffer.is_empty());
            buffer.reserve(READ_BYTES);
            match timeout_at(deadline, reader.read_buf(&mut buffer)).await {
                Ok(Ok(n)) if n > 0 => {}
                Ok(_) => return,
                Err(_) if patience.is_over(&self.proven, !buffer.is_empty()) => return,
                Err(_) => continue,
            }
            let Some(n_done) = self.pass_on(&buffer).await else {
                return;
            };
            if n_done > 0 {
                buffer.drain(..n_done);
                patience.message_came();
            }
        }
    }

    /// Passes the whole messages on; how many bytes they took, or `None` when the stream is of no
    /// use any more.
    async fn pass_on(&self, buffer: &[u8]) -> Option<usize> {
        let mut n_done = 0;
        loop {
            match frames::first(&buffer[n_done..]) {
                Frame::Partial => return Some(n_done),
                Frame::Garbage => return None,
                Frame::Whole(n) => {
                    let message = buffer[n_done..n_done + n].to_vec();
                    n_done += n;
                    let message = FromStream::Message(self.client, message);
                    if !self.door.send(message).await {
                        return None;
                    }
                }
            }
        }
    }
}

/// How long a client is waited for.
struct Patience {
    unproven_until: Instant,
    message_until: Option<Instant>,
}

impl Patience {
    fn new() -> Self {
        Self {
            unproven_until: clock::deadline_in(WITHOUT_ALLOCATION),
            message_until: None,
        }
    }

    fn message_came(&mut self) {
        self.message_until = None;
    }

    /// When to look again.
    fn deadline(&mut self, proven: &AtomicBool, has_begun: bool) -> Instant {
        if proven.load(Ordering::Acquire) {
            self.unproven_until = clock::deadline_in(WITHOUT_ALLOCATION);
        }
        if has_begun {
            let until =
                (self.message_until).get_or_insert_with(|| clock::deadline_in(MESSAGE_TIME));
            return self.unproven_until.min(*until);
        }
        self.unproven_until
    }

    /// Whether the deadline was one: a client with an allocation may be silent.
    fn is_over(&self, proven: &AtomicBool, has_begun: bool) -> bool {
        let now = clock::deadline_in(Duration::ZERO);
        let message_late = has_begun && self.message_until.is_some_and(|until| now >= until);
        message_late || (now >= self.unproven_until && !proven.load(Ordering::Acquire))
    }
}

/// Tells the relay that the connection is gone. When the relay is behind, it sees for itself with
/// its next tick.
struct TellsEnd(Door, Client);

impl Drop for TellsEnd {
    fn drop(&mut self) {
        self.0.try_send(FromStream::Closed(self.1));
    }
}

/// Writes what the relay sends until it ends or the client takes nothing.
async fn write(
    mut writer: impl AsyncWrite + Unpin,
    from_relay: &mut mpsc::Receiver<Queued>,
    turn: &Turn,
    done: &impl Fn(usize),
) {
    let mut bytes = Vec::new();
    while let Some((queued, message)) = from_relay.recv().await {
        turn.begin(queued);
        bytes.clear();
        bytes.extend_from_slice(&message);
        while bytes.len() < WRITE_BYTES {
            match from_relay.try_recv() {
                Ok((_, message)) => bytes.extend_from_slice(&message),
                Err(_) => break,
            }
        }
        let written = timeout(SEND_TIME, async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        });
        let written = written.await;
        turn.end();
        done(bytes.len());
        if !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_stream() -> (ToStream, mpsc::Receiver<Queued>, Arc<Turn>) {
        let (messages, from_relay) = mpsc::channel(QUEUE_MESSAGES);
        let turn = Arc::new(Turn::new());
        let to_stream = ToStream {
            messages,
            turn: Arc::clone(&turn),
            queued: Arc::default(),
            queued_by_all: Arc::default(),
            proven: Arc::default(),
        };
        (to_stream, from_relay, turn)
    }

    const CHANNEL_DATA: [u8; 8] = [0x40, 0, 0, 4, 1, 2, 3, 4];
    const DATA_INDICATION: [u8; 4] = [0x00, 0x17, 0, 0];
    const ANSWER: [u8; 4] = [0x01, 0x04, 0, 0];

    #[tokio::test]
    async fn packets_of_peers_do_not_queue_behind_one_that_waits_for_long() {
        let (to_stream, _from_relay, turn) = to_stream();
        turn.begin(turn.clock.elapsed());
        for message in [&CHANNEL_DATA[..], &DATA_INDICATION, &ANSWER] {
            assert!(to_stream.send(message.to_vec()));
        }
        clock::wait(LONGEST_WAIT + Duration::from_millis(20)).await;
        assert!(!to_stream.send(CHANNEL_DATA.to_vec()));
        assert!(!to_stream.send(DATA_INDICATION.to_vec()));
        assert!(to_stream.send(ANSWER.to_vec()));
        turn.end();
        assert!(to_stream.send(CHANNEL_DATA.to_vec()));
    }

    /// A client that reads slowly gets packets that waited for less than half a second.
    #[tokio::test]
    async fn a_slow_client_gets_fresh_packets() {
        let (to_stream, mut from_relay, turn) = to_stream();
        let (mut near, far) = tokio::io::duplex(4 * 1024);
        let clock = turn.clock;
        let produce = async {
            // 4 MB/s for a second.
            for _ in 0..1000 {
                let mut message = vec![0x40, 0];
                let now = u64::try_from(clock.elapsed().as_micros()).unwrap();
                message.extend(now.to_be_bytes());
                message.resize(4 * 1024, 0);
                to_stream.send(message);
                clock::wait(Duration::from_millis(1)).await;
            }
        };
        let consume = async {
            let mut oldest = Duration::ZERO;
            let mut message = [0; 4 * 1024];
            loop {
                near.read_exact(&mut message).await.unwrap();
                let [_, _, at @ ..] = *message.first_chunk::<10>().unwrap();
                let at = Duration::from_micros(u64::from_be_bytes(at));
                oldest = oldest.max(clock.elapsed().saturating_sub(at));
                // 200 kB/s.
                if timeout(Duration::from_millis(20), std::future::pending::<()>())
                    .await
                    .is_err()
                    && clock.elapsed() > Duration::from_secs(1)
                {
                    return oldest;
                }
            }
        };
        let oldest = tokio::select! {
            oldest = async { tokio::join!(produce, consume).1 } => oldest,
            () = write(far, &mut from_relay, &turn, &|_| {}) => unreachable!("the client is there"),
        };
        // Without the bound 256 KiB take 1.3 s.
        assert!(oldest < Duration::from_millis(900), "{oldest:?}");
        assert!(oldest > LONGEST_WAIT / 2, "{oldest:?}");
    }
}
