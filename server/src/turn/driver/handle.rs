//! Start and end of the relay's thread.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
};

use mio::{Poll, Waker};
use tokio::sync::mpsc;

use super::{
    figures::RelayFigures,
    ports::{OpenPorts, PortConfig},
    socket::RelaySocket,
    worker::{FromStream, LISTENER, N_TOKENS, WAKE, Worker},
};
use crate::{
    clock::Clock,
    error::ServeError,
    turn::machine::relay::{Relay, RelayConfig},
};

/// Messages of TCP and TLS clients that wait for the thread; with more, their connections wait.
const INBOX_MESSAGES: usize = 1024;

/// The running relay. Dropping it stops the thread and waits for it.
#[derive(Debug)]
pub(crate) struct RelayThread {
    address: SocketAddr,
    signals: Arc<Signals>,
    to_worker: mpsc::Sender<FromStream>,
    figures: Arc<RelayFigures>,
    thread: Option<JoinHandle<()>>,
}

/// What wakes the thread up, and why.
#[derive(Debug)]
pub(super) struct Signals {
    waker: Waker,
    pub(super) stop: AtomicBool,
    pub(super) drain: AtomicBool,
    /// A wake-up is under way, so that another is not needed.
    pub(super) woken: AtomicBool,
}

impl Signals {
    pub(super) fn wake(&self) {
        if self.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "the relay acts at its next tick only");
        }
    }
}

/// How connections reach the thread.
#[derive(Clone, Debug)]
pub(super) struct Door {
    to_worker: mpsc::Sender<FromStream>,
    signals: Arc<Signals>,
}

impl Door {
    /// Hands something over; waits while the thread is behind. False when it has ended.
    pub(super) async fn send(&self, message: FromStream) -> bool {
        let sent = self.to_worker.send(message).await.is_ok();
        self.signals.wake();
        sent
    }

    /// Hands something over, unless the thread is behind.
    pub(super) fn try_send(&self, message: FromStream) {
        let _full_or_ended = self.to_worker.try_send(message);
        self.signals.wake();
    }
}

impl RelayThread {
    /// Starts the thread on a bound socket.
    pub(crate) fn start(
        socket: UdpSocket,
        config: RelayConfig,
        ports: PortConfig,
        clock: Clock,
    ) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Thread { source };
        let address = socket.local_addr().map_err(failed)?;
        let (to_worker, inbox) = mpsc::channel(INBOX_MESSAGES);
        let figures = Arc::new(RelayFigures::default());
        let prepared = prepare(socket, ports).map_err(failed)?;
        let signals = Arc::new(prepared.signals);
        let worker = Worker::new(
            prepared.poll,
            prepared.listener,
            prepared.ports,
            Relay::new(config),
            inbox,
            Arc::clone(&figures),
            Arc::clone(&signals),
            clock,
        );
        let thread = Builder::new()
            .name("greenroom-relay".into())
            .spawn(move || worker.run())
            .map_err(failed)?;
        Ok(Self {
            address,
            signals,
            to_worker,
            figures,
            thread: Some(thread),
        })
    }

    /// Where it listens over UDP.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it did so far.
    pub(crate) fn figures(&self) -> Arc<RelayFigures> {
        Arc::clone(&self.figures)
    }

    /// How connections reach it.
    pub(super) fn door(&self) -> Door {
        Door {
            to_worker: self.to_worker.clone(),
            signals: Arc::clone(&self.signals),
        }
    }

    /// From now on there are no new allocations.
    pub(crate) fn drain(&self) {
        self.signals.drain.store(true, Ordering::Release);
        self.signals.wake();
    }

    /// Stops the thread, waits for it and frees the ports.
    pub(crate) fn stop(&mut self) {
        self.signals.stop.store(true, Ordering::Release);
        self.signals.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the relay's thread had panicked");
        }
    }
}

impl Drop for RelayThread {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Prepared {
    poll: Poll,
    listener: RelaySocket,
    ports: OpenPorts,
    signals: Signals,
}

fn prepare(socket: UdpSocket, ports: PortConfig) -> io::Result<Prepared> {
    let poll = Poll::new()?;
    let mut listener = RelaySocket::new(socket)?;
    listener.register(poll.registry(), LISTENER)?;
    Ok(Prepared {
        ports: OpenPorts::new(ports, poll.registry().try_clone()?, N_TOKENS),
        listener,
        signals: Signals {
            waker: Waker::new(poll.registry(), WAKE)?,
            stop: AtomicBool::new(false),
            drain: AtomicBool::new(false),
            woken: AtomicBool::new(false),
        },
        poll,
    })
}

const _: () = assert!(LISTENER.0 < N_TOKENS && WAKE.0 < N_TOKENS);
