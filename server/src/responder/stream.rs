//! The responder of clients that UDP does not reach: the same datagrams as WebSocket messages.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use greenroom_protocol::measure::{
    responder::{Arrival, Handled, Responder, ResponderConfig, stamp_departure},
    time::MonotonicTime,
};
use greenroom_reports::model::path::ClockSource;

use super::figures::Figures;
use crate::{clock::Clock, config::limits::EXPIRY_TICK};

/// One machine for every WebSocket, so that its limits hold over all of them.
#[derive(Debug)]
pub(crate) struct StreamResponder {
    clock: Clock,
    largest: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    responder: Responder,
    figures: Figures,
    next_expiry: MonotonicTime,
}

impl StreamResponder {
    /// A responder without sessions.
    pub(crate) fn new(config: &ResponderConfig, clock: Clock) -> Self {
        Self {
            clock,
            largest: usize::from(config.limits.max_datagram_bytes),
            inner: Mutex::new(Inner {
                responder: Responder::new(config),
                figures: Figures::default(),
                next_expiry: MonotonicTime::default(),
            }),
        }
    }

    /// Answers one message; `reply` holds the answer when it returns true. Its departure is to be
    /// stamped with [`Self::stamp`].
    pub(crate) fn answer(&self, from: SocketAddr, message: &[u8], reply: &mut Vec<u8>) -> bool {
        let reading = self.clock.read();
        let arrival = Arrival {
            from,
            at: reading.monotonic,
            clock: ClockSource::User,
            wall_unix_ns: reading.wall_unix_ns(),
        };
        let mut inner = self.lock();
        inner.expire(reading.monotonic);
        inner.figures.bytes_in += message.len() as u64;
        if message.len() > self.largest {
            inner.figures.oversized += 1;
            return false;
        }
        inner.figures.user_stamps += 1;
        if inner.responder.handle(arrival, message, reply) == Handled::Silent {
            return false;
        }
        inner.figures.bytes_out += reply.len() as u64;
        true
    }

    /// Writes the departure time into an answer that leaves now.
    pub(crate) fn stamp(&self, reply: &mut [u8]) {
        stamp_departure(reply, self.clock.now());
    }

    /// How long until a load has packets for this client; `None` while there is no load.
    pub(crate) fn next_packets_in(&self, to: SocketAddr) -> Option<Duration> {
        let due = self.lock().responder.next_egress_to(to)?;
        Some(due.since(self.clock.now()))
    }

    /// Writes packets of a load that are due into `packets`, each of the size returned; `None`
    /// when none are.
    pub(crate) fn packets_to(&self, to: SocketAddr, packets: &mut Vec<u8>) -> Option<usize> {
        let mut inner = self.lock();
        let now = self.clock.now();
        let egress = inner.responder.poll_egress_to(now, to, packets)?;
        inner.figures.bytes_out += packets.len() as u64;
        Some(usize::from(egress.segment_bytes))
    }

    /// What it did so far.
    pub(crate) fn figures(&self) -> Figures {
        let mut inner = self.lock();
        inner.expire(self.clock.now());
        let mut figures = inner.figures;
        figures.update(&inner.responder);
        figures
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The machine's state is sound after each datagram, also after one that panicked.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn expire(&mut self, now: MonotonicTime) {
        if now >= self.next_expiry {
            self.next_expiry = now.after(EXPIRY_TICK);
            self.responder.expire(now);
        }
    }
}
