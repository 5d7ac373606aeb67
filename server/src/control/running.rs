//! Session control while the server runs: what feeds it, and what ends with it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use greenroom_protocol::livekit::grants::ApiKey;
use greenroom_protocol::livekit::proto::DisconnectReason;
use greenroom_protocol::session::Identity;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::engine::EngineEvent;
use super::rooms::{Rooms, seen};
use super::routes::{self, Desk};
use super::service::{Control, Setup};
use super::session::{Gone, Millis, Rules};
use super::store::MemoryStore;
use super::webhook::WebhookKey;
use crate::clock;
use crate::config::session::SessionConfig;
use crate::engine::Guard;
use crate::engine::event::{EngineEventKind, EngineEvents};
use crate::engine::room_service::RoomService;

/// How often time is looked at. With the silence below: a user who is gone shows within 5 s.
const TICK: Duration = Duration::from_millis(500);
/// Two heartbeats of a client may be missed.
const SILENCE_MS: Millis = 4_200;
/// Longest time that telling all sessions of the end may take.
const SHUTDOWN: Duration = Duration::from_secs(1);
/// How often a cluster is asked who is there: its webhooks may be lost, and tell no mute.
const POLL: Duration = Duration::from_secs(2);

/// Session control that runs.
#[derive(Clone, Debug)]
pub(crate) struct Sessions {
    control: Arc<Control>,
    tasks: TaskTracker,
    stop: CancellationToken,
    webhook: Option<WebhookKey>,
}

/// What it runs on.
#[derive(Debug)]
pub(crate) struct Engines {
    /// Acts on rooms.
    pub(crate) service: Arc<dyn RoomService>,
    /// Mints tokens of users.
    pub(crate) api_key: ApiKey,
    /// Where clients reach the engine; `None` is this server.
    pub(crate) url: Option<String>,
    /// Tells what happens; `None` of a cluster, which posts it and is polled.
    pub(crate) events: Option<EngineEvents>,
    /// Of the cluster that posts.
    pub(crate) webhook: Option<WebhookKey>,
}

impl Sessions {
    /// Starts it; its tasks run on the runtime until `stop`.
    pub(crate) fn start(config: &SessionConfig, engines: Engines, stop: CancellationToken) -> Self {
        let rooms = Rooms {
            service: engines.service,
            api_key: engines.api_key,
            url: engines.url,
        };
        let setup = Setup {
            apps: config.apps.clone(),
            rules: rules(config),
            max_sessions: config.max_sessions,
            passcode_tries_per_minute: config.passcode_tries_per_minute,
        };
        let store = Arc::new(MemoryStore::default());
        let sessions = Self {
            control: Arc::new(Control::new(setup, store, Arc::new(rooms))),
            tasks: TaskTracker::new(),
            stop,
            webhook: engines.webhook,
        };
        sessions.spawn(tick(Arc::clone(&sessions.control)));
        match engines.events {
            Some(events) => sessions.spawn(follow(Arc::clone(&sessions.control), events)),
            None => sessions.spawn(poll(Arc::clone(&sessions.control))),
        }
        sessions
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// The routes.
    pub(crate) fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        routes::router(Desk {
            control: Arc::clone(&self.control),
            tasks: self.tasks.clone(),
            stop: self.stop.clone(),
            webhook: self.webhook.clone(),
        })
    }

    /// Session control as the guard of an embedded engine: who was removed has a token that is good
    /// for minutes, and must not get in by it even for a moment.
    pub(crate) fn guard(&self) -> Arc<dyn Guard> {
        Arc::clone(&self.control) as Arc<dyn Guard>
    }

    /// Sessions now, and users in them.
    pub(crate) async fn count(&self) -> (usize, usize) {
        self.control.count().await
    }

    /// Tells everybody that the server stops.
    pub(crate) async fn shut_down(&self) {
        if tokio::time::timeout(SHUTDOWN, self.control.shut_down())
            .await
            .is_err()
        {
            tracing::warn!("not all sessions were told in time that the server stops");
        }
    }

    /// Waits until nothing of it runs; to be called after the stop.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn rules(config: &SessionConfig) -> Rules {
    let ms = |span: Duration| Millis::try_from(span.as_millis()).unwrap_or(Millis::MAX);
    Rules {
        max_users: config.max_users_per_session,
        reservation_ms: ms(config.reservation),
        silence_ms: SILENCE_MS,
        removed_after_ms: ms(config.removed_after),
    }
}

async fn tick(control: Arc<Control>) {
    loop {
        clock::wait(TICK).await;
        control.tick().await;
    }
}

async fn poll(control: Arc<Control>) {
    loop {
        clock::wait(POLL).await;
        control.reconcile().await;
    }
}

/// Follows the embedded engine.
async fn follow(control: Arc<Control>, mut events: EngineEvents) {
    while let Some(event) = events.recv().await {
        let room = event.room;
        match event.kind {
            EngineEventKind::ParticipantJoined(info)
            | EngineEventKind::ParticipantUpdated(info)
            | EngineEventKind::ConnectionResumed(info) => {
                if let Some(seen) = seen(&info) {
                    control.engine_event(&room, EngineEvent::Seen(seen)).await;
                }
            }
            EngineEventKind::ConnectionLost(info) => {
                control
                    .engine_event(&room, gone(info.identity, info.sid, Gone::Lost))
                    .await;
            }
            EngineEventKind::ParticipantLeft { info, reason } => {
                let why = match reason {
                    DisconnectReason::ClientInitiated => Gone::Left,
                    _ => Gone::Lost,
                };
                control
                    .engine_event(&room, gone(info.identity, info.sid, why))
                    .await;
            }
            EngineEventKind::RoomFinished => {
                control.engine_event(&room, EngineEvent::Closed).await;
            }
            EngineEventKind::Lagged { missed } => {
                tracing::warn!(
                    missed,
                    "events of the engine were missed; asking who is there"
                );
                control.reconcile().await;
            }
        }
    }
}

fn gone(identity: String, sid: String, why: Gone) -> EngineEvent {
    EngineEvent::Gone {
        identity: Identity(identity),
        sid,
        why,
    }
}
