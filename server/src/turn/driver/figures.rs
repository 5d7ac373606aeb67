//! What the relay did, left by its thread for whoever asks.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use crate::turn::machine::counters::RelayCounters;

/// The figures.
#[derive(Debug, Default)]
pub(crate) struct RelayFigures {
    counters: Mutex<RelayCounters>,
    n_allocations: AtomicUsize,
}

impl RelayFigures {
    /// Leaves new figures, unless somebody is reading the old ones.
    pub(super) fn leave(&self, counters: &RelayCounters, n_allocations: usize) {
        if let Ok(mut held) = self.counters.try_lock() {
            *held = *counters;
        }
        self.n_allocations.store(n_allocations, Ordering::Release);
    }

    /// Counts since the start.
    pub(crate) fn read(&self) -> RelayCounters {
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Allocations open now.
    pub(crate) fn n_allocations(&self) -> usize {
        self.n_allocations.load(Ordering::Acquire)
    }
}
