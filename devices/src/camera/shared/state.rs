//! What capture thread, handle and readers share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::reader::Slot;
use crate::camera::backend::{CapturedFrame, Opened};
use crate::error::DeviceError;

/// Why no further frame comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// This program stopped it.
    Stopped,
    /// The device, and why.
    Failed(DeviceError),
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    stopping: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    opened: Option<Opened>,
    end: Option<StreamEnd>,
    readers: Vec<Weak<Slot>>,
}

impl Shared {
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(super) fn open(&self, opened: Opened) {
        self.lock().opened = Some(opened);
        self.changed.notify_all();
    }

    /// The first end stays.
    pub(super) fn end(&self, end: &StreamEnd) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        state.end = Some(end.clone());
        let readers = std::mem::take(&mut state.readers);
        drop(state);
        self.changed.notify_all();
        for reader in readers.iter().filter_map(Weak::upgrade) {
            reader.end(end.clone());
        }
    }

    pub(super) fn publish(&self, frame: &Arc<CapturedFrame>) {
        self.for_each_reader(|reader| reader.put(Arc::clone(frame)));
    }

    pub(super) fn tell_stalled(&self) {
        self.for_each_reader(Slot::stall);
    }

    /// A slot holds its lock for a moment only, so that no reader keeps another waiting.
    fn for_each_reader(&self, mut tell: impl FnMut(&Slot)) {
        let mut state = self.lock();
        state.readers.retain(|reader| match reader.upgrade() {
            Some(reader) => {
                tell(&reader);
                true
            }
            None => false,
        });
    }

    pub(super) fn add_reader(&self, slot: &Arc<Slot>) {
        let mut state = self.lock();
        match &state.end {
            Some(end) => slot.end(end.clone()),
            None => state.readers.push(Arc::downgrade(slot)),
        }
    }

    /// Waits until it is open, has ended, or the time is over.
    pub(super) fn wait_opened(&self, limit: Duration) -> Option<Result<Opened, StreamEnd>> {
        let is_pending = |state: &mut State| state.opened.is_none() && state.end.is_none();
        let state = self.wait_while(limit, is_pending);
        match (&state.opened, &state.end) {
            (Some(opened), _) => Some(Ok(opened.clone())),
            (None, Some(end)) => Some(Err(end.clone())),
            (None, None) => None,
        }
    }

    /// Whether it ended within that time.
    pub(super) fn wait_ended(&self, limit: Duration) -> bool {
        self.wait_while(limit, |state| state.end.is_none())
            .end
            .is_some()
    }

    fn wait_while(
        &self,
        limit: Duration,
        condition: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'_, State> {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), limit, condition);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; and every value of the state is a good one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
