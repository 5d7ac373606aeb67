//! What a stream's thread and its owner tell each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::DeviceError;

/// How long a stream may take to end. Its thread is left alone after that: a sound server that
/// hangs holds it, and it ends by itself when the server goes on or goes away.
const END_WAIT: Duration = Duration::from_millis(200);

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

/// A stream's end of the control: waits to be stopped.
#[derive(Debug)]
pub(in crate::audio) struct Stop {
    stopped: Receiver<()>,
    /// Dropping it tells that the thread has ended.
    _alive: SyncSender<()>,
}

impl Stop {
    /// Waits that long; whether the stream is to stop.
    pub(in crate::audio) fn wait(&self, wait: Duration) -> bool {
        !matches!(
            self.stopped.recv_timeout(wait),
            Err(RecvTimeoutError::Timeout)
        )
    }
}

/// The owner's end: dropping it stops the stream, and waits for it for a moment.
#[derive(Debug)]
pub(in crate::audio) struct Running {
    stop: Option<SyncSender<()>>,
    // A receiver is not `Sync`, and the owner of a stream is.
    ended: Mutex<Receiver<()>>,
}

impl Running {
    /// Starts a thread that runs a stream.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(in crate::audio) fn start(
        name: &str,
        stream: impl FnOnce(Stop) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let (alive, ended) = sync_channel(0);
        let control = Stop {
            stopped,
            _alive: alive,
        };
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || stream(control))?;
        Ok(Self {
            stop: Some(stop),
            ended: Mutex::new(ended),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Disconnected is the end; after the wait the thread is left alone.
        let _ended = ended.recv_timeout(END_WAIT);
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
