//! What the client's methods and its driver share.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use greenroom_protocol::session::Identity;
use tokio::sync::{Notify, broadcast, oneshot};

use super::error::SessionError;
use super::event::SessionEvent;
use super::machine::Machine;
use crate::peer::EngineSender;

/// Events that wait for who reads them.
const EVENTS: usize = 1024;

/// Who waits for an outcome.
pub(super) type Waiter = oneshot::Sender<Result<(), SessionError>>;

/// The machine, and who waits for it. Locks are held for moments; where two are, `machine` is the
/// second.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) machine: Mutex<Machine>,
    /// The machine has something to do.
    pub(super) woken: Notify,
    pub(super) events: broadcast::Sender<SessionEvent>,
    pub(super) waiting: Mutex<Waiting>,
    pub(super) engine: Mutex<Option<EngineSender>>,
    pub(super) speaking: Mutex<Vec<Identity>>,
    pub(super) microphone: Mutex<Option<Microphone>>,
}

/// Callers that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) join: Option<Waiter>,
    pub(super) actions: HashMap<u64, Waiter>,
}

/// The microphone that was announced to the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Microphone {
    /// What the engine calls it; `None` while it is announced anew.
    pub(super) track: Option<String>,
    pub(super) muted: bool,
}

impl Shared {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            machine: Mutex::new(Machine::new(seed)),
            woken: Notify::new(),
            events: broadcast::channel(EVENTS).0,
            waiting: Mutex::default(),
            engine: Mutex::default(),
            speaking: Mutex::default(),
            microphone: Mutex::default(),
        }
    }

    /// Tells everybody who listens.
    pub(super) fn tell(&self, event: SessionEvent) {
        // Nobody listens when that fails.
        let _nobody = self.events.send(event);
    }
}

/// What a thread that panicked held is still whole: nothing here is changed in two steps.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
