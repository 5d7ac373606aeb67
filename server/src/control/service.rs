//! Session control as its front ends use it: over sessions, engine, clock and secrets.

use std::fmt;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt as _;
use greenroom_protocol::session::message::{
    Action, Admitted, EngineAccess, HEARTBEAT, JoinRequest, Refusal, RefusalCode, ServerMessage,
    Snapshot, Ticket,
};
use greenroom_protocol::session::token::{self, AppKey, TokenError, Verified};
use greenroom_protocol::session::{Identity, Passcode, Role, Topic};
use sha2::{Digest as _, Sha256};

use super::engine::{Engine, EngineError, EngineEvent, Entry};
use super::session::{Asking, Command, Effect, LiveStreams, Millis, Rules, Seen, Session};
use super::store::{BoxFuture, SessionKey, SessionStore, StoreError, Subscription};
use super::tries::Tries;
use crate::clock::{self, Clock};
use crate::engine::Guard;

/// What the engine has to do in one session is done in order; sessions share so many queues.
const QUEUES: usize = 64;
/// Sessions that are looked at side by side, so that one whose engine is slow holds up no other.
const SIDE_BY_SIDE: usize = 64;
/// Longest time an engine is waited for.
const ENGINE_PATIENCE: Duration = Duration::from_secs(5);

/// Session control.
pub(crate) struct Control {
    store: Arc<dyn SessionStore>,
    engine: Arc<dyn Engine>,
    apps: Vec<AppKey>,
    rules: Rules,
    max_sessions: usize,
    tries: Mutex<Tries>,
    time: Time,
    queues: Vec<tokio::sync::Mutex<()>>,
    next_connection: AtomicU64,
}

/// What it is set up with.
#[derive(Debug)]
pub(crate) struct Setup {
    /// Applications whose tokens are taken.
    pub(crate) apps: Vec<AppKey>,
    /// Rules of all sessions.
    pub(crate) rules: Rules,
    /// Sessions at a time.
    pub(crate) max_sessions: usize,
    /// Wrong passcodes a minute, address and topic.
    pub(crate) passcode_tries_per_minute: u32,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("engine", &self.engine)
            .field("apps", &self.apps)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// A wall clock that is never set back.
#[derive(Clone, Copy, Debug)]
struct Time {
    clock: Clock,
    started: Duration,
}

impl Time {
    fn start() -> Self {
        Self {
            started: clock::unix_time(),
            clock: Clock::start(),
        }
    }

    fn millis(self) -> Millis {
        let now = self.started + self.clock.elapsed();
        Millis::try_from(now.as_millis()).unwrap_or(Millis::MAX)
    }

    /// For tokens, which other machines make: by the clock as it is set.
    fn unix_s() -> u64 {
        clock::unix_time().as_secs()
    }
}

/// Who is connected, as what.
#[derive(Clone, Debug)]
pub(crate) struct Participation {
    /// Session.
    pub(crate) key: SessionKey,
    /// Who.
    pub(crate) identity: Identity,
    /// SHA-256 of the ticket.
    ticket: [u8; 32],
    /// Connection of session control.
    connection: u64,
}

impl Control {
    /// Control over the sessions of a store, on an engine.
    pub(crate) fn new(setup: Setup, store: Arc<dyn SessionStore>, engine: Arc<dyn Engine>) -> Self {
        Self {
            store,
            engine,
            apps: setup.apps,
            rules: setup.rules,
            max_sessions: setup.max_sessions,
            tries: Mutex::new(Tries::new(setup.passcode_tries_per_minute)),
            time: Time::start(),
            queues: (0..QUEUES).map(|_| tokio::sync::Mutex::default()).collect(),
            next_connection: AtomicU64::new(1),
        }
    }

    /// Admits who asks. With `connected`, also takes note of the connection they ask on, and delivers
    /// to it.
    ///
    /// # Errors
    /// Why they may not join.
    pub(crate) async fn join(
        &self,
        request: JoinRequest,
        ip: IpAddr,
        connected: bool,
    ) -> Result<(Participation, Admitted, Subscription), Refusal> {
        let (verified, asking) = self.examine(&request)?;
        let key = SessionKey {
            app: verified.claims.app_key,
            topic: verified.topic,
        };
        let (ticket, asking) = seal(&key, asking)?;
        let now = self.time.millis();
        let connection = self.connection(connected);
        let identity = asking.identity.clone();
        let hash = asking.ticket;
        // First, so that no change falls between the list and what is delivered.
        let subscription = self.store.subscribe(&key, hash);
        let connected = connected.then_some(connection);
        let admission = self.admit(&key, &asking, connected, ip, now).await?;
        let participation = Participation {
            key,
            identity,
            ticket: hash,
            connection,
        };
        let name = asking.name.as_deref();
        let admitted = self.admitted(&participation, admission, name, ticket)?;
        Ok((participation, admitted, subscription))
    }

    async fn admit(
        &self,
        key: &SessionKey,
        asking: &Asking,
        connection: Option<u64>,
        ip: IpAddr,
        now: Millis,
    ) -> Result<Admission, Refusal> {
        let id = random_text()?;
        // The one of who asks is counted already, by what delivers to them.
        let count = self
            .store
            .count()
            .await
            .map_err(|error| store_failed(&error))?;
        let full = count > self.max_sessions;
        let mut outcome = None;
        self.queued(key, &mut |kept| {
            let mut effects = Vec::new();
            if let Some(session) = kept {
                effects.extend(session.tick(&self.rules, now));
            }
            if kept.as_ref().is_none_or(Session::is_over) {
                if full {
                    outcome = Some(Err(too_many_sessions()));
                    return effects;
                }
                *kept = Some(Session::new(id.clone(), key.room()));
            }
            if let Some(session) = kept {
                // Within the step, so that many tries at a time are no way around the limit.
                let mut tries = self.tries();
                if let Err(wait) = tries.allow(ip, key, now) {
                    outcome = Some(Err(too_many_tries(wait)));
                    return effects;
                }
                let role = session.admit(asking.clone(), &self.rules, now, &mut effects);
                if let (Ok(_), Some(connection)) = (&role, connection) {
                    effects.extend(session.connected(&asking.ticket, connection, now));
                }
                if role
                    .as_ref()
                    .is_err_and(|no| no.code == RefusalCode::WrongPasscode)
                {
                    tries.was_wrong(ip, key, now);
                }
                outcome = Some(role.map(|role| Admission::of(session, role)));
            }
            effects
        })
        .await?;
        outcome.unwrap_or_else(|| Err(internal("the session was not kept")))
    }

    /// Lets the holder of a ticket come back on a new connection.
    ///
    /// # Errors
    /// When the ticket is of nobody who is there.
    pub(crate) async fn resume(
        &self,
        ticket: Ticket,
    ) -> Result<(Participation, Admitted, Subscription), Refusal> {
        let key = key_of(&ticket).ok_or_else(unknown_ticket)?;
        let hash = hash_of(&ticket);
        let now = self.time.millis();
        let connection = self.connection(true);
        let subscription = self.store.subscribe(&key, hash);
        let mut found = None;
        self.queued(&key, &mut |kept| {
            let Some(session) = kept else {
                return Vec::new();
            };
            let Some(identity) = session.holder(&hash) else {
                return Vec::new();
            };
            let effects = session.connected(&hash, connection, now);
            let (role, name) = session.called(&identity);
            found = Some((identity, Admission::of(session, role), name));
            effects
        })
        .await?;
        let (identity, admission, name) = found.ok_or_else(unknown_ticket)?;
        let participation = Participation {
            key,
            identity,
            ticket: hash,
            connection,
        };
        let admitted = self.admitted(&participation, admission, name.as_deref(), ticket)?;
        Ok((participation, admitted, subscription))
    }

    /// Why the session is over for who held a ticket, where that is still known.
    pub(crate) fn epitaph(&self, ticket: &Ticket) -> Option<ServerMessage> {
        self.store.epitaph(&hash_of(ticket))
    }

    /// Who holds a ticket, for actions by HTTP.
    ///
    /// # Errors
    /// When the ticket is of nobody who is there.
    pub(crate) async fn recognize(&self, ticket: &Ticket) -> Result<Participation, Refusal> {
        let key = key_of(ticket).ok_or_else(unknown_ticket)?;
        let hash = hash_of(ticket);
        let mut found = None;
        self.at_once(&key, &mut |session| {
            found = session.holder(&hash);
            Vec::new()
        })
        .await;
        Ok(Participation {
            identity: found.ok_or_else(unknown_ticket)?,
            key,
            ticket: hash,
            connection: 0,
        })
    }

    fn examine(&self, request: &JoinRequest) -> Result<(Verified, Asking), Refusal> {
        let invalid = |error| parameter("topic", &error);
        let topic = Topic::new(&request.topic).map_err(invalid)?;
        let passcode = request.passcode.as_deref().map(Passcode::new).transpose();
        let passcode = passcode.map_err(|error| parameter("passcode", &error))?;
        let verified = token::verify(&request.token, &self.apps, Time::unix_s())
            .map_err(|error| bad_token(&error))?;
        if verified.topic != topic {
            return Err(Refusal::new(
                RefusalCode::TopicMismatch,
                format!("the token is for the topic {:?}", verified.claims.tpc),
            ));
        }
        let user_key = verified.claims.user_key.clone();
        let identity = match &user_key {
            Some(key) => Identity(format!("user:{key}")),
            None => Identity(format!("guest:{}", random_text()?)),
        };
        let asking = Asking {
            identity,
            user_key,
            token: verified.fingerprint,
            may_host: verified.claims.is_host(),
            name: request.user_name.clone(),
            passcode,
            idle: request.idle_timeout_minutes,
            ticket: [0; 32],
        };
        Ok((verified, asking))
    }

    fn admitted(
        &self,
        who: &Participation,
        admission: Admission,
        name: Option<&str>,
        ticket: Ticket,
    ) -> Result<Admitted, Refusal> {
        let now_unix_s = Time::unix_s();
        let entry = Entry {
            room: &admission.room,
            identity: &who.identity,
            name,
            role: admission.role,
            may_share: admission.may_share,
            until_unix_s: now_unix_s + self.engine.token_lifetime().as_secs(),
            now_unix_s,
        };
        let token = self
            .engine
            .token(&entry)
            .map_err(|error| engine_failed(&error))?;
        Ok(Admitted {
            session: admission.session,
            identity: who.identity.clone(),
            ticket,
            engine: EngineAccess {
                url: self.engine.url(),
                token,
            },
            snapshot: admission.snapshot,
            heartbeat_ms: u32::try_from(HEARTBEAT.as_millis()).unwrap_or(u32::MAX),
            removed_after_ms: u32::try_from(self.rules.removed_after_ms).unwrap_or(u32::MAX),
        })
    }

    /// Does what a user wants.
    ///
    /// # Errors
    /// Why not.
    pub(crate) async fn act(&self, who: &Participation, action: Action) -> Result<(), Refusal> {
        let now = self.time.millis();
        let mut outcome = Err(unknown_ticket());
        let leaves = matches!(action, Action::Leave);
        let done = self
            .queued(&who.key, &mut |kept| {
                let Some(session) = kept else {
                    return Vec::new();
                };
                if session.holder(&who.ticket).as_ref() != Some(&who.identity) {
                    return Vec::new();
                }
                if leaves {
                    outcome = Ok(());
                    return session.withdraw(&who.identity, &who.ticket, now);
                }
                let streams = LiveStreams::NotSupported;
                match session.act(&who.identity, action.clone(), streams, now) {
                    Ok(effects) => {
                        outcome = Ok(());
                        effects
                    }
                    Err(refusal) => {
                        outcome = Err(refusal);
                        Vec::new()
                    }
                }
            })
            .await;
        outcome.and(done)
    }

    /// A connection was heard from.
    pub(crate) async fn heard(&self, who: &Participation) {
        let now = self.time.millis();
        self.at_once(&who.key, &mut |session| {
            session.heard(&who.identity, who.connection, now)
        })
        .await;
    }

    /// A connection closed.
    pub(crate) async fn disconnected(&self, who: &Participation) {
        let now = self.time.millis();
        self.at_once(&who.key, &mut |session| {
            session.disconnected(&who.identity, who.connection, now)
        })
        .await;
    }

    /// The list, for a connection that missed changes; `None` when the session is over.
    pub(crate) async fn snapshot(&self, who: &Participation) -> Option<Snapshot> {
        let mut snapshot = None;
        self.at_once(&who.key, &mut |session| {
            snapshot = Some(session.snapshot());
            Vec::new()
        })
        .await;
        snapshot
    }

    /// Something happened in a room of the engine.
    pub(crate) async fn engine_event(&self, room: &str, event: EngineEvent) {
        let Some(key) = self.key_of_room(room) else {
            return;
        };
        let now = self.time.millis();
        let outcome = self
            .queued(&key, &mut |kept| match (kept, event.clone()) {
                (Some(session), EngineEvent::Seen(seen)) => session.seen(seen, now),
                (Some(session), EngineEvent::Gone { identity, sid, why }) => {
                    session.gone(&identity, &sid, why, now)
                }
                (Some(session), EngineEvent::Closed) => session.room_closed(now),
                // Somebody in a room of which there is no session (any more).
                (None, EngineEvent::Seen(seen)) => {
                    let identity = seen.identity;
                    vec![Effect::Engine(Command::Remove { identity })]
                }
                (None, EngineEvent::Gone { .. } | EngineEvent::Closed) => Vec::new(),
            })
            .await;
        log(&key, outcome);
    }

    /// Whether the engine may let somebody in: they have a place, or are on the list. Rooms that are
    /// no sessions are whose key to the engine made them.
    async fn expects(&self, room: &str, identity: &str) -> bool {
        let Some(key) = self.key_of_room(room) else {
            return true;
        };
        let mut expected = false;
        self.at_once(&key, &mut |session| {
            expected = session.expects(identity);
            Vec::new()
        })
        .await;
        expected
    }

    /// Compares all sessions with what the engine sees.
    pub(crate) async fn reconcile(&self) {
        for key in self.keys().await {
            let room = key.room();
            let asked = self.time.millis();
            let everybody = self.engine.everybody(&room);
            match tokio::time::timeout(ENGINE_PATIENCE, everybody).await {
                Ok(Ok(all)) => self.compare(&key, &all, asked).await,
                // Nobody is in a room that is not there.
                Ok(Err(EngineError::NotThere(_))) => self.compare(&key, &[], asked).await,
                Ok(Err(error)) => {
                    let error = error.to_string();
                    tracing::warn!(room, error, "the engine does not tell who is there");
                }
                Err(_elapsed) => tracing::warn!(room, "the engine does not answer"),
            }
        }
    }

    async fn compare(&self, key: &SessionKey, all: &[Seen], asked: Millis) {
        let now = self.time.millis();
        self.for_session(key, &mut |session| {
            session.reconcile(all.to_vec(), asked, now)
        })
        .await;
    }

    /// What time does, to be called about twice a second.
    pub(crate) async fn tick(&self) {
        let now = self.time.millis();
        let keys = futures_util::stream::iter(self.keys().await);
        keys.for_each_concurrent(SIDE_BY_SIDE, |key| async move {
            self.for_session(&key, &mut |session| session.tick(&self.rules, now))
                .await;
        })
        .await;
    }

    /// Ends all sessions, since the server stops.
    pub(crate) async fn shut_down(&self) {
        let keys = futures_util::stream::iter(self.keys().await);
        keys.for_each_concurrent(SIDE_BY_SIDE, |key| async move {
            self.for_session(&key, &mut Session::shut_down).await;
        })
        .await;
    }

    /// Sessions now, and users in them.
    pub(crate) async fn count(&self) -> (usize, usize) {
        let keys = self.keys().await;
        let mut users = 0;
        for key in &keys {
            self.at_once(key, &mut |session| {
                users += session.n_users();
                Vec::new()
            })
            .await;
        }
        (keys.len(), users)
    }

    async fn keys(&self) -> Vec<SessionKey> {
        self.store.keys().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot list the sessions");
            Vec::new()
        })
    }

    /// A step over a session that gives the engine nothing to do, so that it waits for no engine.
    async fn at_once(
        &self,
        key: &SessionKey,
        step: &mut (dyn FnMut(&mut Session) -> Vec<Effect> + Send),
    ) {
        let outcome = self
            .store
            .transact(key, &mut |kept| {
                kept.as_mut().map(&mut *step).unwrap_or_default()
            })
            .await;
        match outcome {
            Ok(commands) if commands.is_empty() => {}
            Ok(_) => tracing::error!("a step that has nothing for the engine gave it something"),
            Err(error) => log(key, Err(store_failed(&error))),
        }
    }

    /// A step over a session that is there; failures are logged.
    async fn for_session(
        &self,
        key: &SessionKey,
        step: &mut (dyn FnMut(&mut Session) -> Vec<Effect> + Send),
    ) {
        let outcome = self
            .queued(key, &mut |kept| {
                kept.as_mut().map(&mut *step).unwrap_or_default()
            })
            .await;
        log(key, outcome);
    }

    /// A step, and after it what the engine is to do, in the order of the steps.
    async fn queued(
        &self,
        key: &SessionKey,
        step: &mut (dyn FnMut(&mut Option<Session>) -> Vec<Effect> + Send),
    ) -> Result<(), Refusal> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        let queue = usize::try_from(hash % QUEUES as u64).unwrap_or_default();
        let _turn = match self.queues.get(queue) {
            Some(queue) => Some(queue.lock().await),
            None => None,
        };
        let commands = self
            .store
            .transact(key, step)
            .await
            .map_err(|error| store_failed(&error))?;
        let mut outcome = Ok(());
        for command in commands {
            let done = self.command(&key.room(), &command).await;
            // An engine that does not answer would be waited for once for each command.
            let gives_up = matches!(done, Err(EngineError::Silent));
            outcome = outcome.and(done.map_err(|error| engine_failed(&error)));
            if gives_up {
                break;
            }
        }
        outcome
    }

    async fn command(&self, room: &str, command: &Command) -> Result<(), EngineError> {
        match tokio::time::timeout(ENGINE_PATIENCE, self.engine.run(room, command)).await {
            Ok(Ok(()) | Err(EngineError::NotThere(_))) => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(_elapsed) => Err(EngineError::Silent),
        }
    }

    fn key_of_room(&self, room: &str) -> Option<SessionKey> {
        let (app, topic) = room.split_once('/')?;
        self.apps.iter().find(|known| known.key() == app)?;
        Some(SessionKey {
            app: app.to_owned(),
            topic: Topic::from_key(topic)?,
        })
    }

    /// Connections are numbered from 1; who joins by HTTP has none.
    fn connection(&self, connected: bool) -> u64 {
        if connected {
            self.next_connection.fetch_add(1, Ordering::Relaxed)
        } else {
            0
        }
    }

    fn tries(&self) -> MutexGuard<'_, Tries> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guard for Control {
    fn expects<'a>(&'a self, room: &'a str, identity: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(self.expects(room, identity))
    }
}

/// What a session says to who is let in.
#[derive(Debug)]
struct Admission {
    session: String,
    room: String,
    role: Role,
    may_share: bool,
    snapshot: Snapshot,
}

impl Admission {
    fn of(session: &Session, role: Role) -> Self {
        Self {
            session: session.id.clone(),
            room: session.room.clone(),
            role,
            may_share: session.may_share(role),
            snapshot: session.snapshot(),
        }
    }
}

/// A new ticket, which tells the session it is for.
fn seal(key: &SessionKey, mut asking: Asking) -> Result<(Ticket, Asking), Refusal> {
    let session = URL_SAFE_NO_PAD.encode(key.room());
    let secret = URL_SAFE_NO_PAD.encode(random::<32>()?);
    let ticket = Ticket(format!("{session}.{secret}"));
    asking.ticket = hash_of(&ticket);
    Ok((ticket, asking))
}

fn hash_of(ticket: &Ticket) -> [u8; 32] {
    Sha256::digest(ticket.0.as_bytes()).into()
}

fn key_of(ticket: &Ticket) -> Option<SessionKey> {
    let (session, _) = ticket.0.split_once('.')?;
    let room = String::from_utf8(URL_SAFE_NO_PAD.decode(session).ok()?).ok()?;
    let (app, topic) = room.split_once('/')?;
    Some(SessionKey {
        app: app.to_owned(),
        topic: Topic::from_key(topic)?,
    })
}

fn random<const N: usize>() -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_error| internal("the system gives no random bytes"))?;
    Ok(bytes)
}

fn random_text() -> Result<String, Refusal> {
    Ok(URL_SAFE_NO_PAD.encode(random::<12>()?))
}

fn log(key: &SessionKey, outcome: Result<(), Refusal>) {
    if let Err(refusal) = outcome {
        tracing::warn!(app = key.app, topic = %key.topic, error = %refusal, "session control");
    }
}

fn internal(words: &str) -> Refusal {
    Refusal::new(RefusalCode::EngineFailed, words)
}

fn unknown_ticket() -> Refusal {
    Refusal::new(
        RefusalCode::UnknownTicket,
        "the ticket is of nobody who is in a session; join again",
    )
}

fn parameter(name: &str, error: &dyn fmt::Display) -> Refusal {
    Refusal::new(RefusalCode::InvalidParameter, format!("{name}: {error}"))
}

fn bad_token(error: &TokenError) -> Refusal {
    let code = match error {
        TokenError::Expired { .. } => RefusalCode::TokenExpired,
        TokenError::NotYetValid { .. } => RefusalCode::TokenNotYetValid,
        _ => RefusalCode::InvalidToken,
    };
    Refusal::new(code, error.to_string())
}

fn too_many_sessions() -> Refusal {
    let words = "this server has as many sessions as it takes; try again later";
    Refusal::new(RefusalCode::CapacityExceeded, words)
}

fn too_many_tries(wait: Duration) -> Refusal {
    let seconds = wait.as_secs() + 1;
    Refusal {
        code: RefusalCode::RateLimited,
        message: format!("too many wrong passcodes from this address; try again in {seconds} s"),
        retry_after_ms: u32::try_from(wait.as_millis()).ok(),
    }
}

fn engine_failed(error: &EngineError) -> Refusal {
    Refusal::new(
        RefusalCode::EngineFailed,
        format!("the engine did not do it: {error}"),
    )
}

fn store_failed(error: &StoreError) -> Refusal {
    Refusal::new(RefusalCode::EngineFailed, error.to_string())
}
