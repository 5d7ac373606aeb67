//! One of the readers of a capture.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::state::StreamEnd;
use crate::camera::backend::CapturedFrame;

/// Longest queue of a reader. Frames wait for a moment at the most; more would be delay.
const MAX_DEPTH: usize = 32;

/// Takes the frames of a [`SharedCamera`](super::SharedCamera).
///
/// Its queue keeps the latest frames; older ones are dropped, and counted, when it is behind. It
/// slows down nobody else. Dropping it leaves the capture.
#[derive(Debug)]
pub struct CameraReader {
    slot: Arc<Slot>,
}

/// What a reader sees next.
#[derive(Clone, Debug)]
pub enum Received {
    /// A frame.
    Frame(Arc<CapturedFrame>),
    /// Nothing in that time.
    Nothing,
    /// The camera is open, and no frame came for too long; told once each time. It may go on.
    Stalled,
    /// No further frame comes.
    Ended(StreamEnd),
}

impl CameraReader {
    pub(super) fn new(slot: Arc<Slot>) -> Self {
        Self { slot }
    }

    /// Waits for what comes next; frames that came before an end are seen before it.
    pub fn next(&mut self, wait: Duration) -> Received {
        let queue = self.slot.lock();
        let is_idle = |queue: &mut Queue| queue.is_idle();
        let waited = self.slot.ready.wait_timeout_while(queue, wait, is_idle);
        waited.unwrap_or_else(PoisonError::into_inner).0.take()
    }

    /// What is there, without waiting.
    pub fn try_next(&mut self) -> Received {
        self.slot.lock().take()
    }

    /// Frames that were dropped since it was behind.
    pub fn frames_missed(&self) -> u64 {
        self.slot.lock().missed
    }
}

/// Called, on the capture thread, when there is something to see. Must return at once.
pub(super) type Wake = Box<dyn Fn() + Send + Sync>;

/// Where the capture puts what a reader takes.
pub(super) struct Slot {
    depth: usize,
    queue: Mutex<Queue>,
    ready: Condvar,
    wake: Option<Wake>,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = &*self.lock();
        f.debug_struct("Slot")
            .field("depth", &self.depth)
            .field("queue", queue)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Arc<CapturedFrame>>,
    missed: u64,
    is_stalled: bool,
    end: Option<StreamEnd>,
}

impl Queue {
    fn is_idle(&self) -> bool {
        self.frames.is_empty() && !self.is_stalled && self.end.is_none()
    }

    fn take(&mut self) -> Received {
        if let Some(frame) = self.frames.pop_front() {
            return Received::Frame(frame);
        }
        if std::mem::take(&mut self.is_stalled) {
            return Received::Stalled;
        }
        self.end.clone().map_or(Received::Nothing, Received::Ended)
    }
}

impl Slot {
    pub(super) fn new(depth: usize, wake: Option<Wake>) -> Self {
        Self {
            depth: depth.clamp(1, MAX_DEPTH),
            queue: Mutex::default(),
            ready: Condvar::new(),
            wake,
        }
    }

    pub(super) fn put(&self, frame: Arc<CapturedFrame>) {
        self.change(|queue| {
            if queue.frames.len() >= self.depth {
                queue.frames.pop_front();
                queue.missed += 1;
            }
            queue.frames.push_back(frame);
            queue.is_stalled = false;
        });
    }

    pub(super) fn stall(&self) {
        self.change(|queue| queue.is_stalled = true);
    }

    pub(super) fn end(&self, end: StreamEnd) {
        self.change(|queue| queue.end = Some(end));
    }

    fn change(&self, change: impl FnOnce(&mut Queue)) {
        change(&mut self.lock());
        self.ready.notify_one();
        if let Some(wake) = &self.wake {
            wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
