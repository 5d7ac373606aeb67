//! What a stream's thread and its owner tell each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::error::DeviceError;

/// Counters that callbacks write and the owner reads.
#[derive(Debug, Default)]
pub(in crate::audio) struct Counters {
    xruns: AtomicU64,
    failure: OnceLock<DeviceError>,
}

impl Counters {
    /// Samples were lost. Never blocks.
    pub(in crate::audio) fn count_xrun(&self) {
        self.xruns.fetch_add(1, Ordering::Relaxed);
    }

    /// How often samples were lost.
    pub(in crate::audio) fn xruns(&self) -> u64 {
        self.xruns.load(Ordering::Relaxed)
    }

    /// Forgets the xruns of a buffer that was too small.
    pub(in crate::audio) fn forget_xruns(&self) {
        self.xruns.store(0, Ordering::Relaxed);
    }

    /// Nothing will come any more. The first reason stays.
    pub(in crate::audio) fn fail(&self, error: DeviceError) {
        // A later reason is a consequence of the first.
        let _later = self.failure.set(error);
    }

    /// Why nothing will come any more.
    pub(in crate::audio) fn failure(&self) -> Option<&DeviceError> {
        self.failure.get()
    }
}

/// How a stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// It was opened and nothing came yet.
    Starting,
    /// Callbacks come.
    Running,
    /// No callback came for too long. They may come again.
    Stalled,
    /// Nothing will come any more.
    Ended(DeviceError),
}

/// The state of a stream, shared between its owner and those who ask.
#[derive(Debug)]
pub(in crate::audio) struct Shared<T>(Arc<Mutex<T>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Shared<T> {
    pub(in crate::audio) fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    /// Reads or changes it. Nobody holds it for longer than a copy takes.
    pub(in crate::audio) fn with<R>(&self, read: impl FnOnce(&mut T) -> R) -> R {
        // Whoever panicked while holding it left a state that is merely old.
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
