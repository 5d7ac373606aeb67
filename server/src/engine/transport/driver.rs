//! The way to the thread of the peer connections, and back.

use std::{
    collections::VecDeque,
    fmt, io, mem,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use axum::body::Bytes;
use mio::{Poll, Waker};

use super::{
    socket::MediaSocket,
    worker::{WAKE, Worker},
};
use crate::engine::{
    config::EngineConfig,
    core::effect::{PeerId, TransportCommand, TransportEvent},
    error::EngineError,
};

/// Data that waits for the thread, in bytes, before packets are dropped: more than it passes on
/// in a second.
const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;

/// Whoever is told what happens to peer connections. Called on the thread; must not block.
pub(in crate::engine) trait TransportSink: fmt::Debug + Send + Sync {
    fn happened(&self, peer: PeerId, event: TransportEvent);
}

/// The thread of the peer connections.
#[derive(Debug)]
pub(in crate::engine) struct Transport {
    address: SocketAddr,
    signals: Arc<Signals>,
    thread: Mutex<Option<JoinHandle<()>>>,
    worker: Mutex<Option<Box<Worker>>>,
}

/// What both sides look at.
pub(super) struct Signals {
    inbox: Mutex<Inbox>,
    waker: Waker,
    pub(super) stop: AtomicBool,
    pub(super) n_legs: AtomicUsize,
}

/// What the thread is to do.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) orders: VecDeque<Order>,
    bytes: usize,
}

/// One thing that the thread is to do.
#[derive(Debug)]
pub(super) enum Order {
    Command(PeerId, TransportCommand),
    Data {
        to: Vec<PeerId>,
        reliable: bool,
        packet: Bytes,
    },
}

impl Transport {
    /// Binds the port; nothing is received before [`run`](Self::run).
    pub(in crate::engine) fn bind(config: &Arc<EngineConfig>) -> Result<Self, EngineError> {
        let asked = config.udp_listen;
        let cannot_listen = |source| EngineError::Listen {
            address: asked,
            source,
        };
        let socket = UdpSocket::bind(asked).map_err(cannot_listen)?;
        let socket = MediaSocket::new(socket).map_err(cannot_listen)?;
        let address = socket.address();
        let candidates = candidates(config, address)?;
        let set_up = |socket| -> io::Result<(Poll, Waker, MediaSocket)> {
            let mut socket: MediaSocket = socket;
            let poll = Poll::new()?;
            socket.register(poll.registry())?;
            let waker = Waker::new(poll.registry(), WAKE)?;
            Ok((poll, waker, socket))
        };
        let (poll, waker, socket) = set_up(socket).map_err(cannot_listen)?;
        let signals = Arc::new(Signals {
            inbox: Mutex::default(),
            waker,
            stop: AtomicBool::new(false),
            n_legs: AtomicUsize::new(0),
        });
        let limits = &config.limits;
        let worker = Worker::new(poll, socket, candidates, Arc::clone(&signals), limits);
        Ok(Self {
            address,
            signals,
            thread: Mutex::default(),
            worker: Mutex::new(Some(Box::new(worker))),
        })
    }

    /// Starts the thread.
    pub(in crate::engine) fn run(&self, sink: Weak<dyn TransportSink>) -> Result<(), EngineError> {
        let Some(worker) = lock(&self.worker).take() else {
            return Ok(());
        };
        let thread = thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || worker.run(&sink))
            .map_err(|source| EngineError::Thread { source })?;
        *lock(&self.thread) = Some(thread);
        Ok(())
    }

    pub(in crate::engine) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(in crate::engine) fn n_legs(&self) -> usize {
        self.signals.n_legs.load(Ordering::Relaxed)
    }

    pub(in crate::engine) fn command(&self, peer: PeerId, command: TransportCommand) {
        self.signals.order(Order::Command(peer, command));
    }

    pub(in crate::engine) fn send(&self, to: Vec<PeerId>, reliable: bool, packet: Bytes) {
        self.signals.order(Order::Data {
            to,
            reliable,
            packet,
        });
    }

    /// Ends the thread, and frees the port.
    pub(in crate::engine) fn stop(&self) {
        self.signals.stop.store(true, Ordering::Release);
        self.signals.wake();
        lock(&self.worker).take();
        let Some(thread) = lock(&self.thread).take() else {
            return;
        };
        // The last one to hold the engine may be the thread itself, while it tells something.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!("the thread of the peer connections had failed");
        }
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Signals {
    fn order(&self, order: Order) {
        let mut inbox = lock(&self.inbox);
        if let Order::Data { packet, .. } = &order {
            if inbox.bytes + packet.len() > MAX_WAITING_BYTES {
                tracing::warn!("data is dropped: more comes than is passed on");
                return;
            }
            inbox.bytes += packet.len();
        }
        let was_empty = inbox.orders.is_empty();
        inbox.orders.push_back(order);
        drop(inbox);
        if was_empty {
            self.wake();
        }
    }

    /// What is to be done, all of it.
    pub(super) fn take(&self) -> VecDeque<Order> {
        mem::take(&mut *lock(&self.inbox)).orders
    }

    pub(super) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::debug!(%error, "the thread of the peer connections was not woken");
        }
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals")
            .field("n_legs", &self.n_legs)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What clients are told to send to.
fn candidates(
    config: &EngineConfig,
    listening: SocketAddr,
) -> Result<Vec<SocketAddr>, EngineError> {
    if config.advertised.is_empty() {
        if listening.ip().is_unspecified() {
            return Err(EngineError::NoCandidate { address: listening });
        }
        return Ok(vec![listening]);
    }
    let advertised = config
        .advertised
        .iter()
        .map(|address| match address.port() {
            0 => SocketAddr::new(address.ip(), listening.port()),
            _ => *address,
        });
    Ok(advertised.collect())
}
