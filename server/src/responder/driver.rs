//! The thread that owns the UDP socket: receive, hand to the machine, stamp, send.
//!
//! A thread of its own rather than a task: what the server adds to a round trip must not depend on
//! what else the runtime has to do.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use greenroom_protocol::measure::{
    responder::{Arrival, Handled, Responder, ResponderConfig, stamp_departure, stamp_path_mtu},
    time::MonotonicTime,
};
use greenroom_reports::model::path::ClockSource;
use mio::{Events, Poll, Token, Waker};
use tokio::sync::oneshot;

use super::{
    figures::{Figures, Published},
    path_mtu::PathMtuLookup,
    sending::Sender,
    socket::{Batch, MeasureSocket, Received},
    timer::WakeUp,
};
use crate::{
    clock::{self, Clock, Reading},
    config::limits::EXPIRY_TICK,
    error::ServeError,
    metrics::Turnaround,
};

const SOCKET: Token = Token(0);
const STOP: Token = Token(1);
const TIMER: Token = Token(2);
/// Batches after which a busy responder looks at its other duties.
const BATCHES_A_TURN: usize = 16;
/// Pause after a receive error that is none of the usual, so that it does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// The running responder. Dropping it stops the thread and waits for it, which takes a
/// millisecond at most.
#[derive(Debug)]
pub(crate) struct UdpResponder {
    address: SocketAddr,
    published: Arc<Published>,
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
    ended: Option<oneshot::Receiver<()>>,
}

impl UdpResponder {
    /// Starts the thread on a bound socket.
    pub(crate) fn start(
        socket: UdpSocket,
        config: &ResponderConfig,
        clock: Clock,
        turnaround: Turnaround,
    ) -> Result<Self, ServeError> {
        let prepared = prepare(socket).map_err(|source| ServeError::Thread { source })?;
        let published = Arc::new(Published::default());
        let stop = Arc::new(AtomicBool::new(false));
        let (alive, ended) = oneshot::channel();
        let worker = Worker {
            socket: prepared.socket,
            poll: prepared.poll,
            responder: Responder::new(config),
            largest: usize::from(config.limits.max_datagram_bytes),
            clock,
            turnaround,
            figures: Figures::default(),
            published: Arc::clone(&published),
            stop: Arc::clone(&stop),
            path_mtu: PathMtuLookup::default(),
            reply: Vec::with_capacity(super::socket::BUFFER_BYTES),
            sender: Sender::default(),
            timer: prepared.timer,
            next_expiry: MonotonicTime::default(),
            _alive: alive,
        };
        let thread = Builder::new()
            .name("greenroom-udp".into())
            .spawn(move || worker.run())
            .map_err(|source| ServeError::Thread { source })?;
        Ok(Self {
            address: prepared.address,
            published,
            stop,
            waker: prepared.waker,
            thread: Some(thread),
            ended: Some(ended),
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it did so far.
    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published)
    }

    /// Waits until the thread has ended.
    ///
    /// # Cancel safety
    /// Cancelling loses nothing.
    pub(crate) async fn ended(&mut self) {
        if let Some(ended) = &mut self.ended {
            // The sender is dropped with the thread, and never sends.
            let _ = ended.await;
            self.ended = None;
        }
    }

    /// Stops the thread, waits for it and frees the port.
    pub(crate) fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "the UDP responder stops at its next tick only");
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the UDP responder's thread had panicked");
        }
    }
}

impl Drop for UdpResponder {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Prepared {
    socket: MeasureSocket,
    address: SocketAddr,
    poll: Poll,
    waker: Arc<Waker>,
    timer: WakeUp,
}

fn prepare(socket: UdpSocket) -> io::Result<Prepared> {
    let address = socket.local_addr()?;
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), STOP)?);
    let timer = WakeUp::new(poll.registry(), TIMER)?;
    let mut socket = MeasureSocket::new(socket)?;
    socket.register(poll.registry(), SOCKET)?;
    Ok(Prepared {
        socket,
        address,
        poll,
        waker,
        timer,
    })
}

struct Worker {
    socket: MeasureSocket,
    poll: Poll,
    responder: Responder,
    largest: usize,
    clock: Clock,
    turnaround: Turnaround,
    figures: Figures,
    published: Arc<Published>,
    stop: Arc<AtomicBool>,
    path_mtu: PathMtuLookup,
    reply: Vec<u8>,
    sender: Sender,
    timer: WakeUp,
    next_expiry: MonotonicTime,
    /// Dropped when the thread ends, however it ends.
    _alive: oneshot::Sender<()>,
}

impl Worker {
    fn run(mut self) {
        let mut events = Events::with_capacity(8);
        let mut batch = Batch::new();
        let mut more_waits = false;
        while !self.stop.load(Ordering::Acquire) {
            let wait = if more_waits {
                Duration::ZERO
            } else {
                self.wait()
            };
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    tracing::warn!(%error, "cannot wait for datagrams");
                    clock::pause_thread(ERROR_PAUSE);
                }
                _ => {}
            }
            more_waits = self.take_turn(&mut batch);
            self.expire();
            self.figures.update(&self.responder);
            self.published.leave(&self.figures);
        }
    }

    /// How long nothing is to be done unless something comes in.
    fn wait(&mut self) -> Duration {
        let due = self.sender.next_at(&self.responder);
        self.timer.set(self.clock.now(), due, EXPIRY_TICK)
    }

    /// Answers what waits and sends what is due, in turn, up to a bound; true when more waits.
    /// A burst takes some ten microseconds, so an echo does not wait for a load.
    fn take_turn(&mut self, batch: &mut Batch) -> bool {
        for _ in 0..BATCHES_A_TURN {
            let received = match self.socket.receive(batch) {
                Ok(()) => {
                    self.answer_batch(batch);
                    true
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
                Err(error) => {
                    tracing::debug!(%error, "cannot receive a datagram");
                    clock::pause_thread(ERROR_PAUSE);
                    return true;
                }
            };
            let sent = self.sender.send_due(
                self.clock.now(),
                &mut self.responder,
                &self.socket,
                &mut self.figures,
            );
            if !received && !sent {
                return false;
            }
        }
        true
    }

    fn answer_batch(&mut self, batch: &Batch) {
        let reading = self.clock.read();
        for received in batch.datagrams() {
            self.answer(reading, &received);
        }
    }

    fn answer(&mut self, reading: Reading, received: &Received<'_>) {
        self.figures.bytes_in += received.bytes.len() as u64;
        if received.bytes.len() > self.largest {
            self.figures.oversized += 1;
            return;
        }
        let arrival = self.arrival(reading, received);
        let handled = self
            .responder
            .handle(arrival, received.bytes, &mut self.reply);
        self.published
            .leave_open_sessions(self.responder.open_sessions());
        match handled {
            Handled::Silent => return,
            Handled::Reply => self.sender.learn(&self.responder, received),
            Handled::ReplyReceipt => {
                if let Some(bytes) = self.path_mtu.ask(arrival.from) {
                    stamp_path_mtu(&mut self.reply, bytes);
                }
            }
        }
        let departure = self.clock.now();
        stamp_departure(&mut self.reply, departure);
        match self.socket.send(received.meta, &self.reply) {
            Ok(()) => self.figures.bytes_out += self.reply.len() as u64,
            // Too large for the interface, no buffer, no route: to the client it is loss.
            Err(_) => self.figures.send_failures += 1,
        }
        self.turnaround.observe(departure.since(arrival.at));
    }

    fn arrival(&mut self, reading: Reading, received: &Received<'_>) -> Arrival {
        let (at, clock) = reading.arrival(received.stamp());
        match clock {
            ClockSource::KernelReceive => self.figures.kernel_stamps += 1,
            ClockSource::User => self.figures.user_stamps += 1,
        }
        Arrival {
            from: received.from(),
            at,
            clock,
            wall_unix_ns: reading.wall_unix_ns(),
        }
    }

    fn expire(&mut self) {
        let now = self.clock.now();
        if now >= self.next_expiry {
            self.next_expiry = now.after(EXPIRY_TICK);
            self.responder.expire(now);
            self.published
                .leave_open_sessions(self.responder.open_sessions());
        }
    }
}
