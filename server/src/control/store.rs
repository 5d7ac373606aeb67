//! Where sessions are kept, and how their changes reach who is connected.
//!
//! A step over a session is one transaction, so that the election of a host is atomic. In memory
//! here; a store that several servers share runs the same steps, again where another server was
//! faster, and delivers to the connections of all of them.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use greenroom_protocol::session::message::ServerMessage;
use greenroom_protocol::session::{EndReason, Topic};
use tokio::sync::mpsc;

use super::session::{Command, Effect, Session, Tell};

/// Frames that wait for a connection that reads slowly; it is sent the whole list then.
const MAX_WAITING: usize = 512;

/// Ends that are remembered, about a hundred bytes each.
const MAX_EPITAPHS: usize = 20_000;

/// Which session: topics of two applications are never the same session.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionKey {
    /// Key of the application.
    pub(crate) app: String,
    /// Its topic.
    pub(crate) topic: Topic,
}

impl SessionKey {
    /// Room of the session in the engine. An application's key holds no slash.
    pub(crate) fn room(&self) -> String {
        format!("{}/{}", self.app, self.topic.key())
    }
}

/// What cannot be awaited by name.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What one transaction does with a session. `None` is that there is none; it stays there when it is
/// over. May run more than once.
pub(crate) type Step<'a> = dyn FnMut(&mut Option<Session>) -> Vec<Effect> + Send + 'a;

/// The store cannot be reached.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the store of sessions does not answer: {0}")]
pub(crate) struct StoreError(pub(crate) String);

/// A store.
pub(crate) trait SessionStore: Send + Sync + std::fmt::Debug {
    /// Runs a step, tells its effects to all connections of the session in order, and gives back what
    /// the engine is to do.
    fn transact<'a>(
        &'a self,
        key: &'a SessionKey,
        step: &'a mut Step<'a>,
    ) -> BoxFuture<'a, Result<Vec<Command>, StoreError>>;

    /// From now on delivers what is told to the holder of a ticket, given by its hash.
    fn subscribe(&self, key: &SessionKey, ticket: [u8; 32]) -> Subscription;

    /// What the holder of a ticket was told, or would have been, as the session ended for them.
    fn epitaph(&self, ticket: &[u8; 32]) -> Option<ServerMessage>;

    /// How many sessions.
    fn count(&self) -> BoxFuture<'_, Result<usize, StoreError>>;

    /// All sessions.
    fn keys(&self) -> BoxFuture<'_, Result<Vec<SessionKey>, StoreError>>;
}

/// What a connection is sent.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// JSON of a [`ServerMessage`].
    pub(crate) text: Arc<str>,
    /// Whether nothing comes after it.
    pub(crate) last: bool,
}

/// What one connection gets.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// What is delivered.
    pub(crate) deliveries: mpsc::UnboundedReceiver<Delivery>,
    /// Shared with who delivers.
    pub(crate) backlog: Arc<Backlog>,
    inner: Arc<Inner>,
    key: SessionKey,
    number: u64,
}

/// How much waits for a connection.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    waiting: AtomicU64,
    /// Changes were left out.
    pub(crate) lagged: AtomicBool,
}

impl Backlog {
    /// A delivery was taken.
    pub(crate) fn taken(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut sessions = self.inner.lock();
        if let Some(kept) = sessions.get_mut(&self.key) {
            kept.subscribers.remove(&self.number);
            if kept.is_empty() {
                sessions.remove(&self.key);
            }
        }
    }
}

/// Sessions of this process alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryStore {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: Mutex<HashMap<SessionKey, Kept>>,
    epitaphs: Mutex<Epitaphs>,
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct Kept {
    session: Option<Session>,
    subscribers: HashMap<u64, Subscriber>,
}

/// Why sessions ended, for the tickets that did; the oldest are forgotten first.
#[derive(Debug, Default)]
struct Epitaphs {
    by_ticket: HashMap<[u8; 32], (EndReason, Option<Arc<str>>)>,
    order: VecDeque<[u8; 32]>,
}

impl Epitaphs {
    fn write(&mut self, ticket: [u8; 32], reason: EndReason, text: Option<Arc<str>>) {
        if self.by_ticket.insert(ticket, (reason, text)).is_none() {
            self.order.push_back(ticket);
        }
        if self.order.len() > MAX_EPITAPHS
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_ticket.remove(&oldest);
        }
    }
}

#[derive(Debug)]
struct Subscriber {
    /// Whether what the session tells is theirs already.
    listens: bool,
    ticket: [u8; 32],
    sender: mpsc::UnboundedSender<Delivery>,
    backlog: Arc<Backlog>,
}

impl Inner {
    fn epitaphs(&self) -> MutexGuard<'_, Epitaphs> {
        self.epitaphs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers of an effect what who is away would miss.
    fn remember(&self, effect: &Effect) {
        match effect {
            Effect::Tell {
                ticket,
                tell: Tell::Ended(reason),
            } => self.epitaphs().write(*ticket, *reason, None),
            Effect::EndedForAll {
                tickets,
                reason,
                text,
            } => {
                let text: Option<Arc<str>> = text.as_deref().map(Arc::from);
                let mut epitaphs = self.epitaphs();
                for ticket in tickets {
                    epitaphs.write(*ticket, *reason, text.clone());
                }
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, Kept>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_empty(&self) -> bool {
        self.session.is_none() && self.subscribers.is_empty()
    }

    fn tell(&mut self, effect: Effect) -> Option<Command> {
        match effect {
            Effect::Changed { revision, change } => {
                self.send(None, &ServerMessage::Changed { revision, change }, false);
            }
            Effect::Tell {
                ticket,
                tell: Tell::Notice(notice),
            } => self.send(Some(&ticket), &ServerMessage::Notice(notice), false),
            Effect::Tell {
                ticket,
                tell: Tell::Ended(reason),
            } => {
                let message = ServerMessage::Ended { reason, text: None };
                self.send(Some(&ticket), &message, true);
            }
            Effect::Tell {
                ticket,
                tell: Tell::Refused(error),
            } => self.send(Some(&ticket), &ServerMessage::Refused { error }, true),
            Effect::Listen { ticket } => {
                let asking = self.subscribers.values_mut();
                asking
                    .filter(|one| one.ticket == ticket)
                    .for_each(|one| one.listens = true);
            }
            Effect::EndedForAll { reason, text, .. } => {
                self.send(None, &ServerMessage::Ended { reason, text }, true);
            }
            Effect::Engine(command) => return Some(command),
        }
        None
    }

    fn send(&self, to: Option<&[u8; 32]>, message: &ServerMessage, last: bool) {
        let meant =
            |one: &&Subscriber| one.listens && to.is_none_or(|ticket| one.ticket == *ticket);
        let mut subscribers = self.subscribers.values().filter(meant).peekable();
        if subscribers.peek().is_none() {
            return;
        }
        // Made of plain data, which always becomes JSON.
        let text: Arc<str> = serde_json::to_string(message).unwrap_or_default().into();
        let droppable = matches!(message, ServerMessage::Changed { .. });
        for subscriber in subscribers {
            subscriber.send(&text, last, droppable);
        }
    }
}

impl Subscriber {
    /// Changes are left out for who does not read; the whole list makes up for them.
    fn send(&self, text: &Arc<str>, last: bool, droppable: bool) {
        let waiting = self.backlog.waiting.load(Ordering::Relaxed);
        let most = if droppable {
            MAX_WAITING
        } else {
            2 * MAX_WAITING
        };
        if waiting >= most as u64 && !last {
            self.backlog.lagged.store(true, Ordering::Release);
            return;
        }
        self.backlog.waiting.fetch_add(1, Ordering::Relaxed);
        let text = Arc::clone(text);
        // A connection that ended takes itself off the list.
        let _ = self.sender.send(Delivery { text, last });
    }
}

impl SessionStore for MemoryStore {
    fn transact<'a>(
        &'a self,
        key: &'a SessionKey,
        step: &'a mut Step<'a>,
    ) -> BoxFuture<'a, Result<Vec<Command>, StoreError>> {
        Box::pin(async move {
            let mut sessions = self.inner.lock();
            let kept = sessions.entry(key.clone()).or_default();
            let effects = step(&mut kept.session);
            let commands = effects
                .into_iter()
                .inspect(|effect| self.inner.remember(effect))
                .filter_map(|effect| kept.tell(effect))
                .collect();
            if kept.session.as_ref().is_some_and(Session::is_over) {
                kept.session = None;
            }
            if kept.is_empty() {
                sessions.remove(key);
            }
            Ok(commands)
        })
    }

    fn subscribe(&self, key: &SessionKey, ticket: [u8; 32]) -> Subscription {
        let number = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let (sender, deliveries) = mpsc::unbounded_channel();
        let backlog = Arc::<Backlog>::default();
        let subscriber = Subscriber {
            listens: false,
            ticket,
            sender,
            backlog: Arc::clone(&backlog),
        };
        let mut sessions = self.inner.lock();
        let kept = sessions.entry(key.clone()).or_default();
        kept.subscribers.insert(number, subscriber);
        Subscription {
            deliveries,
            backlog,
            inner: Arc::clone(&self.inner),
            key: key.clone(),
            number,
        }
    }

    fn epitaph(&self, ticket: &[u8; 32]) -> Option<ServerMessage> {
        let epitaphs = self.inner.epitaphs();
        let (reason, text) = epitaphs.by_ticket.get(ticket)?;
        Some(ServerMessage::Ended {
            reason: *reason,
            text: text.as_deref().map(str::to_owned),
        })
    }

    fn count(&self) -> BoxFuture<'_, Result<usize, StoreError>> {
        // With those of which only a connection is left, for a moment.
        Box::pin(async move { Ok(self.inner.lock().len()) })
    }

    fn keys(&self) -> BoxFuture<'_, Result<Vec<SessionKey>, StoreError>> {
        Box::pin(async move {
            let sessions = self.inner.lock();
            let there = sessions.iter().filter(|(_, kept)| kept.session.is_some());
            Ok(there.map(|(key, _)| key.clone()).collect())
        })
    }
}
