//! A thread that somebody owns.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a thread may take to end. It is left alone after that: a sound server or a driver that
/// hangs holds it, and it ends by itself when that goes on or goes away.
const END_WAIT: Duration = Duration::from_millis(200);

/// The thread's end of the control: waits to be stopped.
#[derive(Debug)]
pub(crate) struct Stop {
    stopped: Receiver<()>,
    /// Dropping it tells that the thread has ended.
    _alive: SyncSender<()>,
}

impl Stop {
    /// Waits that long; whether the thread is to stop.
    pub(crate) fn wait(&self, wait: Duration) -> bool {
        !matches!(
            self.stopped.recv_timeout(wait),
            Err(RecvTimeoutError::Timeout)
        )
    }
}

/// The owner's end: dropping it stops the thread, and waits for it for a moment.
#[derive(Debug)]
pub(crate) struct Running {
    stop: Option<SyncSender<()>>,
    // A receiver is not `Sync`, and the owner of a stream is.
    ended: Mutex<Receiver<()>>,
}

impl Running {
    /// Starts a thread of this name.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(crate) fn start(
        name: &str,
        work: impl FnOnce(Stop) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let (alive, ended) = sync_channel(0);
        let control = Stop {
            stopped,
            _alive: alive,
        };
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(control))?;
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
