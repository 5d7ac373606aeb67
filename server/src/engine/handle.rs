//! The engine at work: its rooms behind one lock, its connections, its clock.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes};
use greenroom_protocol::livekit::proto::{
    CreateRoomRequest, DeleteRoomRequest, ListParticipantsRequest, ListRoomsRequest,
    MuteRoomTrackRequest, ParticipantInfo, Room, RoomParticipantIdentity, SendDataRequest,
    SignalRequest, TrackInfo, UpdateParticipantRequest, UpdateRoomMetadataRequest,
};
use tokio::{
    sync::{broadcast, mpsc},
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    config::EngineConfig,
    core::{
        effect::{ConnId, Effect, Effects, Now, PeerId, TransportEvent},
        participant::Joining,
        rooms::{Broken, JoinRefusal, Place, Rooms},
    },
    error::EngineError,
    event::{EngineEvent, EngineEvents},
    http,
    room_service::{Reply, RoomService},
    transport::driver::{Transport, TransportSink},
};
use crate::clock;

/// How often what is due is looked for.
const TICK: Duration = Duration::from_millis(250);
/// Longest wait for connections to end once all were sent away.
const STOPPING: Duration = Duration::from_secs(1);

/// A running engine. Cheap to clone; all clones are the same engine.
///
/// It ends by [`stop`](Self::stop), or once the last clone and the last connection are gone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// Knows who may be in a room, beyond what a token says: a token cannot be taken back.
pub trait Guard: fmt::Debug + Send + Sync {
    /// Whether `identity` may be in `room` now.
    fn expects<'a>(
        &'a self,
        room: &'a str,
        identity: &'a str,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>>;
}

/// How full an engine is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineFigures {
    /// Rooms.
    pub rooms: usize,
    /// Participants of all rooms, with those whose connection is lost.
    pub participants: usize,
    /// Signalling connections.
    pub connections: usize,
    /// Peer connections: at most two of a participant.
    pub peer_connections: usize,
}

impl Engine {
    /// Listens on the UDP port that `config` names, and begins.
    ///
    /// To be called within a tokio runtime with time enabled. The engine listens on no TCP port:
    /// [`router`](Self::router) is to be served.
    ///
    /// # Errors
    /// When the UDP port cannot be listened on, or the system lacks something.
    pub fn start(config: EngineConfig) -> Result<Self, EngineError> {
        let seed = getrandom::u64().map_err(|source| EngineError::Entropy { source })?;
        let config = Arc::new(config);
        let transport = Transport::bind(&config)?;
        let (events, _) = broadcast::channel(config.limits.max_waiting_events.max(1));
        let shared = Arc::new(Shared {
            hub: Mutex::new(Hub {
                rooms: Rooms::new(Arc::clone(&config), seed),
                senders: HashMap::new(),
            }),
            config,
            events,
            transport,
            tasks: TaskTracker::new(),
            guard: OnceLock::new(),
            stop: CancellationToken::new(),
        });
        let sink: Weak<dyn TransportSink> = Arc::<Shared>::downgrade(&shared);
        shared.transport.run(sink)?;
        shared
            .tasks
            .spawn(tick(Arc::downgrade(&shared), shared.stop.child_token()));
        Ok(Self { shared })
    }

    /// From now on asks `guard` before it lets somebody in; the first guard stays.
    pub fn set_guard(&self, guard: Arc<dyn Guard>) {
        let _stays = self.shared.guard.set(guard);
    }

    /// The routes of signalling (`/rtc`, `/rtc/validate`) and of the `RoomService` (`/twirp/…`).
    pub fn router(&self) -> Router {
        http::router(Arc::clone(&self.shared))
    }

    /// Where media is listened on.
    pub fn udp_addr(&self) -> SocketAddr {
        self.shared.transport.address()
    }

    /// What happens from now on.
    pub fn events(&self) -> EngineEvents {
        EngineEvents::new(self.shared.events.subscribe())
    }

    /// How full the engine is.
    pub fn figures(&self) -> EngineFigures {
        let hub = self.shared.lock();
        EngineFigures {
            rooms: hub.rooms.n_rooms(),
            participants: hub.rooms.n_participants(),
            connections: hub.senders.len(),
            peer_connections: self.shared.transport.n_legs(),
        }
    }

    /// Sends everybody away with reason `SERVER_SHUTDOWN`, lets nobody in any more, and frees the
    /// UDP port. Returns when all connections have ended, at the latest after a second.
    ///
    /// # Cancel safety
    /// Dropping the future leaves connections to end by themselves.
    pub async fn stop(&self) {
        self.shared.act(|rooms, _, out| rooms.stop(out));
        self.shared.stop.cancel();
        self.shared.tasks.close();
        if timeout(STOPPING, self.shared.tasks.wait()).await.is_err() {
            tracing::info!("connections of the engine did not end in time");
        }
        self.shared.transport.stop();
    }
}

/// Without what the rooms hold.
impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("udp", &self.udp_addr())
            .field("figures", &self.figures())
            .finish_non_exhaustive()
    }
}

/// What connections, requests and the transport share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Arc<EngineConfig>,
    hub: Mutex<Hub>,
    events: broadcast::Sender<EngineEvent>,
    transport: Transport,
    pub(super) tasks: TaskTracker,
    pub(super) guard: OnceLock<Arc<dyn Guard>>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Hub {
    rooms: Rooms,
    senders: HashMap<ConnId, mpsc::Sender<Bytes>>,
}

impl Shared {
    /// Nothing that is done under the lock waits, and what panics under it, by a defect, leaves
    /// rooms that are still good for the others.
    fn lock(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the rooms, and all that follows from it, in order.
    fn act<T>(&self, action: impl FnOnce(&mut Rooms, Now, &mut Effects) -> T) -> T {
        let mut hub = self.lock();
        let now = now();
        let mut effects = Effects::default();
        let result = action(&mut hub.rooms, now, &mut effects);
        self.carry_out(&mut hub, effects, now);
        result
    }

    fn carry_out(&self, hub: &mut Hub, mut effects: Effects, now: Now) {
        while !effects.0.is_empty() {
            let mut stuck = Vec::new();
            for effect in effects.0.drain(..) {
                match effect {
                    Effect::Send { to, frame } => hub.send(&to, &frame, &mut stuck),
                    Effect::HangUp(conn) => {
                        hub.senders.remove(&conn);
                    }
                    Effect::Transport(peer, command) => self.transport.command(peer, command),
                    Effect::Data {
                        to,
                        reliable,
                        packet,
                    } => self.transport.send(to, reliable, packet),
                    // Nobody may be listening.
                    Effect::Event(event) => drop(self.events.send(*event)),
                }
            }
            for conn in stuck {
                tracing::info!("a client that does not read is cut off");
                hub.rooms.disconnected(conn, now, &mut effects);
            }
        }
    }

    /// Whether somebody would get in.
    pub(super) fn admits(&self, joining: &Joining) -> Result<(), JoinRefusal> {
        self.lock().rooms.admits(joining)
    }

    /// Lets somebody in: the connection, and the frames to send on it until they end.
    pub(super) fn join(
        &self,
        joining: Joining,
    ) -> Result<(ConnId, mpsc::Receiver<Bytes>), JoinRefusal> {
        let mut hub = self.lock();
        let now = now();
        let mut effects = Effects::default();
        let conn = hub.rooms.join(joining, now, &mut effects)?;
        let (sender, receiver) = mpsc::channel(self.config.limits.max_waiting_messages.max(8));
        hub.senders.insert(conn, sender);
        self.carry_out(&mut hub, effects, now);
        Ok((conn, receiver))
    }

    pub(super) fn receive(&self, conn: ConnId, request: SignalRequest) -> Result<(), Broken> {
        self.act(|rooms, now, out| rooms.receive(conn, request, now, out))
    }

    pub(super) fn heard(&self, conn: ConnId) {
        self.act(|rooms, now, _| rooms.heard(conn, now));
    }

    pub(super) fn disconnected(&self, conn: ConnId) {
        self.act(|rooms, now, out| rooms.disconnected(conn, now, out));
    }
}

impl Hub {
    fn send(&self, to: &[ConnId], frame: &Bytes, stuck: &mut Vec<ConnId>) {
        for conn in to {
            let Some(sender) = self.senders.get(conn) else {
                continue;
            };
            if sender.try_send(frame.clone()).is_err() && !stuck.contains(conn) {
                stuck.push(*conn);
            }
        }
    }
}

impl TransportSink for Shared {
    fn happened(&self, peer: PeerId, event: TransportEvent) {
        self.act(|rooms, now, out| rooms.transported(peer, event, now, out));
    }
}

fn now() -> Now {
    Now {
        instant: Instant::now(),
        unix: clock::unix_time(),
    }
}

/// Has the rooms look at the clock, as long as there are any.
async fn tick(shared: Weak<Shared>, stop: CancellationToken) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let Some(shared) = shared.upgrade() else {
            return;
        };
        shared.act(Rooms::tick);
    }
}

/// Answered at once, under the lock.
macro_rules! at_once {
    ($self:ident, $action:expr) => {{
        let answer = $self.act($action);
        Box::pin(async move { answer })
    }};
}

impl RoomService for Shared {
    fn create_room(&self, request: CreateRoomRequest) -> Reply<'_, Room> {
        at_once!(self, |rooms, now, _| rooms.create_room(request, now))
    }

    fn list_rooms(&self, request: ListRoomsRequest) -> Reply<'_, Vec<Room>> {
        at_once!(self, |rooms, _, _| Ok(rooms.list_rooms(&request.names)))
    }

    fn delete_room(&self, request: DeleteRoomRequest) -> Reply<'_, ()> {
        at_once!(self, |rooms, _, out| rooms.delete_room(&request.room, out))
    }

    fn list_participants(
        &self,
        request: ListParticipantsRequest,
    ) -> Reply<'_, Vec<ParticipantInfo>> {
        at_once!(self, |rooms, _, _| rooms.list_participants(&request.room))
    }

    fn get_participant(&self, request: RoomParticipantIdentity) -> Reply<'_, ParticipantInfo> {
        at_once!(self, |rooms, _, _| rooms.get_participant(&place(request)))
    }

    fn remove_participant(&self, request: RoomParticipantIdentity) -> Reply<'_, ()> {
        at_once!(self, |rooms, now, out| rooms.remove_participant(
            &place(request),
            now,
            out
        ))
    }

    fn mute_published_track(&self, request: MuteRoomTrackRequest) -> Reply<'_, TrackInfo> {
        at_once!(self, |rooms, now, out| rooms
            .mute_published_track(request, now, out))
    }

    fn update_participant(&self, request: UpdateParticipantRequest) -> Reply<'_, ParticipantInfo> {
        at_once!(self, |rooms, now, out| rooms
            .update_participant(request, now, out))
    }

    fn update_room_metadata(&self, request: UpdateRoomMetadataRequest) -> Reply<'_, Room> {
        at_once!(self, |rooms, _, out| rooms
            .update_room_metadata(request, out))
    }

    fn send_data(&self, request: SendDataRequest) -> Reply<'_, ()> {
        at_once!(self, |rooms, _, out| rooms.send_data(request, out))
    }
}

fn place(request: RoomParticipantIdentity) -> Place {
    Place {
        room: request.room,
        identity: request.identity,
    }
}

impl RoomService for Engine {
    fn create_room(&self, request: CreateRoomRequest) -> Reply<'_, Room> {
        self.shared.create_room(request)
    }

    fn list_rooms(&self, request: ListRoomsRequest) -> Reply<'_, Vec<Room>> {
        self.shared.list_rooms(request)
    }

    fn delete_room(&self, request: DeleteRoomRequest) -> Reply<'_, ()> {
        self.shared.delete_room(request)
    }

    fn list_participants(
        &self,
        request: ListParticipantsRequest,
    ) -> Reply<'_, Vec<ParticipantInfo>> {
        self.shared.list_participants(request)
    }

    fn get_participant(&self, request: RoomParticipantIdentity) -> Reply<'_, ParticipantInfo> {
        self.shared.get_participant(request)
    }

    fn remove_participant(&self, request: RoomParticipantIdentity) -> Reply<'_, ()> {
        self.shared.remove_participant(request)
    }

    fn mute_published_track(&self, request: MuteRoomTrackRequest) -> Reply<'_, TrackInfo> {
        self.shared.mute_published_track(request)
    }

    fn update_participant(&self, request: UpdateParticipantRequest) -> Reply<'_, ParticipantInfo> {
        self.shared.update_participant(request)
    }

    fn update_room_metadata(&self, request: UpdateRoomMetadataRequest) -> Reply<'_, Room> {
        self.shared.update_room_metadata(request)
    }

    fn send_data(&self, request: SendDataRequest) -> Reply<'_, ()> {
        self.shared.send_data(request)
    }
}
