//! What a responder did, for the metrics.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use greenroom_protocol::measure::responder::{Responder, ResponderCounters};

/// Counts of one transport since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// What the protocol's machine counted.
    pub(crate) counters: ResponderCounters,
    /// Sessions open now.
    pub(crate) open_sessions: usize,
    /// Loads that are being sent now.
    pub(crate) loads_sent: usize,
    /// Payload that came in, refused datagrams included.
    pub(crate) bytes_in: u64,
    /// Payload that was sent.
    pub(crate) bytes_out: u64,
    /// Datagrams larger than granted, dropped unread.
    pub(crate) oversized: u64,
    /// Replies and packets of loads that the system did not take.
    pub(crate) send_failures: u64,
    /// Arrivals that the kernel stamped.
    pub(crate) kernel_stamps: u64,
    /// Arrivals that this program stamped.
    pub(crate) user_stamps: u64,
}

impl Figures {
    /// Takes over what the machine counts.
    pub(crate) fn update(&mut self, responder: &Responder) {
        self.counters = responder.counters();
        self.open_sessions = responder.open_sessions();
        self.loads_sent = responder.loads_sent();
    }
}

/// Figures that the responder's thread leaves for whoever asks.
#[derive(Debug, Default)]
pub(crate) struct Published {
    figures: Mutex<Figures>,
    open_sessions: AtomicUsize,
}

impl Published {
    /// Leaves new figures, unless somebody is reading the old ones.
    pub(crate) fn leave(&self, figures: &Figures) {
        if let Ok(mut published) = self.figures.try_lock() {
            *published = *figures;
        }
    }

    /// Leaves the number of open sessions, before the client hears of its own: a server that
    /// stops must not overlook it.
    pub(crate) fn leave_open_sessions(&self, n: usize) {
        self.open_sessions.store(n, Ordering::Release);
    }

    /// The last figures left.
    pub(crate) fn read(&self) -> Figures {
        let mut figures = *self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.open_sessions = self.open_sessions.load(Ordering::Acquire);
        figures
    }
}
