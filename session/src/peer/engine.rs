//! A join, and the session that follows it.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use proto::{DataPacket, JoinResponse, ParticipantInfo, SignalTarget, TrackInfo};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

use super::media_peer::{
    DataChannelKind, IceServer, MediaPeer, PeerError, PeerEvent, PeerRole, PeerState,
};
pub use super::plan::PUBLISHER_TIMEOUT;
use super::plan::{Plan, Step};
use super::prepared::PreparedPublisher;
use super::webrtc_peer::{PeerConfig, PeerEvents, WebRtcPeer};
use crate::dial::dialer::Dialer;
use crate::signal::{EndReason, NotSent, SignalClient, SignalConfig, SignalError, SignalEvent};

/// Events that wait for the application.
const EVENTS: usize = 1_024;
/// Commands that wait for the loop.
const COMMANDS: usize = 256;
/// Longest wait for the server to name a track that was announced.
const TRACK_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a goodbye.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Tracks that wait for their names at a time.
const MAX_ANNOUNCED: usize = 64;

/// How to join.
#[derive(Clone, Debug, Default)]
pub struct JoinOptions {
    /// The server is an engine of this project, which takes the part of the DTLS client at our word and
    /// begins a round trip earlier.
    pub dtls_passive: bool,
}

/// How long the parts of a join took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinTimings {
    /// From the call to the `JoinResponse`.
    pub signal: Duration,
    /// From the call to the connected publisher: ICE and DTLS stand.
    pub publisher: Duration,
    /// The stack's time between two connectivity checks, at which its layers hand over: without it the
    /// figures of two joins cannot be compared.
    pub check_interval: Duration,
    /// The publisher was made before the call.
    pub prepared: bool,
}

/// What the session tells.
#[derive(Debug)]
#[non_exhaustive]
pub enum EngineEvent {
    /// Signalling is joined and the publisher connected.
    Joined(Box<JoinResponse>, JoinTimings),
    /// Participants came, changed or left.
    ParticipantUpdate(Vec<ParticipantInfo>),
    /// The room changed.
    RoomUpdate(Box<proto::Room>),
    /// A message of another participant, or of the server.
    Data(DataChannelKind, Box<DataPacket>),
    /// Who began or ceased to speak.
    Speakers(Vec<proto::SpeakerInfo>),
    /// How well participants are connected.
    Quality(Vec<proto::ConnectionQualityInfo>),
    /// The server muted one of our tracks, or asks to unmute it. A mute is acknowledged already; the track
    /// has to fall silent.
    Muted {
        /// Our track.
        track_sid: String,
        /// Muted, or asked to unmute.
        muted: bool,
    },
    /// The server took one of our tracks off.
    TrackUnpublished {
        /// Our track.
        track_sid: String,
    },
    /// An answer to a request with a number.
    RequestResponse(Box<proto::RequestResponse>),
    /// A round trip of the signalling connection.
    Rtt(Duration),
    /// Something is lost and is being restored.
    Reconnecting,
    /// Everything is back. With a `JoinResponse` the participant is a new one, and tracks have to be
    /// announced again.
    Reconnected(Option<Box<JoinResponse>>),
    /// The end; nothing follows.
    Disconnected(EndReason),
}

/// Why a join failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// Signalling was not joined.
    #[error("cannot join the session")]
    Signal(#[source] SignalError),
    /// This machine could not make a peer connection.
    #[error("cannot make the connection for media")]
    Peer(#[source] PeerError),
    /// ICE or DTLS did not come about.
    #[error(
        "signalling with {server} works, but no media connection came about within {} s ({}); \
         a firewall may block UDP, and the server may offer no relay",
        .waited.as_secs(),
        last_state(*.state)
    )]
    NoMedia {
        /// The server's base URL.
        server: String,
        /// How long was waited.
        waited: Duration,
        /// How far it came.
        state: PeerState,
    },
    /// Signalling ended before media stood.
    #[error("{server} ended the join before media was connected ({reason})")]
    Ended {
        /// The server's base URL.
        server: String,
        /// Why.
        reason: EndReason,
    },
}

fn last_state(state: PeerState) -> &'static str {
    match state {
        PeerState::New => "the server did not answer the offer",
        PeerState::Connecting => "connectivity checks or the DTLS handshake were not completed",
        PeerState::Connected => "it was connected and lost again",
        PeerState::Disconnected => "it was connected and nothing was heard any more",
        PeerState::Failed => "no connectivity check was answered",
        PeerState::Closed => "the server closed it",
    }
}

/// What a session that was joined could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// It is over, or being restored and too much waits.
    #[error("cannot reach the server")]
    NotSent(#[source] NotSent),
    /// The media connection did not take it.
    #[error("cannot send data")]
    Peer(#[source] PeerError),
    /// The server did not name the track in time.
    #[error("the server did not confirm the track within {} s", TRACK_TIMEOUT.as_secs())]
    NoTrack,
}

/// Leaving took too long to be confirmed; the connection is closed all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the goodbye was not sent within {} s; the connection is closed", LEAVE_TIMEOUT.as_secs())]
pub struct LeaveError;

/// A session that was joined. Dropping it ends its tasks and closes its sockets without a word;
/// [`EngineConnection::leave`] says goodbye.
#[derive(Debug)]
pub struct EngineConnection {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<EngineEvent>,
    sender: EngineSender,
    task: AbortOnDropHandle<()>,
}

/// Sends into a session, beside whoever reads its events. Outlives it, and then fails.
#[derive(Clone, Debug)]
pub struct EngineSender {
    commands: mpsc::Sender<Command>,
    publisher: watch::Receiver<Option<std::sync::Weak<WebRtcPeer>>>,
}

#[derive(Debug)]
enum Command {
    Request(Box<Request>),
    AddTrack(Box<proto::AddTrackRequest>, oneshot::Sender<TrackInfo>),
    Leave,
}

impl EngineConnection {
    /// Joins: signalling, then the publisher, of which a prepared one is used if it is fresh. Waits twenty
    /// seconds at most. The first event is [`EngineEvent::Joined`].
    ///
    /// # Errors
    /// When the server refuses, or signalling or media do not come about.
    ///
    /// # Cancel safety
    /// Dropping the future closes everything.
    pub async fn join(
        dialer: &Dialer,
        config: SignalConfig,
        options: &JoinOptions,
        prepared: Option<PreparedPublisher>,
    ) -> Result<Self, JoinError> {
        let called = now();
        let server = config.base.to_string();
        let prepared = prepared.filter(PreparedPublisher::is_fresh);
        let was_prepared = prepared.is_some();
        let host = config.base.host().to_owned();
        let publisher = async {
            match prepared {
                Some(prepared) => Ok(prepared),
                None => PreparedPublisher::prepare(&host, options.dtls_passive).await,
            }
        };
        let signal = SignalClient::connect(dialer, config);
        let (signal, publisher) = tokio::join!(signal, publisher);
        let (join, signal) = signal.map_err(JoinError::Signal)?;
        let publisher = publisher.map_err(JoinError::Peer)?;
        let signalled = now();
        let (command_sink, commands) = mpsc::channel(COMMANDS);
        let (event_sink, events) = mpsc::channel(EVENTS);
        let (joined_sink, joined) = oneshot::channel();
        let (publisher_sink, publisher_watch) = watch::channel(None);
        let timings = JoinTimings {
            signal: signalled - called,
            publisher: Duration::ZERO,
            check_interval: publisher.config.check_interval,
            prepared: was_prepared,
        };
        let engine = Engine {
            server: server.clone(),
            publisher_config: publisher.config.clone(),
            signal,
            publisher: (Arc::new(publisher.peer), publisher.events),
            subscriber: None,
            plan: Plan::new(signalled),
            offer_id: 0,
            fresh_offer: true,
            ice_servers: Vec::new(),
            rejoined: None,
            announced: HashMap::new(),
            published: HashMap::new(),
            publisher_sink,
            events: event_sink,
            joining: Some(Joining {
                called,
                join: Box::new(join),
                timings,
                told: joined_sink,
            }),
        };
        let task = AbortOnDropHandle::new(tokio::spawn(engine.run(commands)));
        let ended = JoinError::Ended {
            server,
            reason: EndReason::ConnectionLost,
        };
        joined.await.unwrap_or(Err(ended))?;
        let sender = EngineSender {
            commands: command_sink.clone(),
            publisher: publisher_watch,
        };
        Ok(Self {
            commands: command_sink,
            events,
            sender,
            task,
        })
    }

    /// The next event; `None` after [`EngineEvent::Disconnected`].
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next_event(&mut self) -> Option<EngineEvent> {
        self.events.recv().await
    }

    /// What sends into this session beside whoever reads its events.
    pub fn sender(&self) -> EngineSender {
        self.sender.clone()
    }

    /// Says goodbye, and closes in any case.
    ///
    /// # Errors
    /// When the goodbye was not sent within two seconds.
    ///
    /// # Cancel safety
    /// Dropping the future closes everything.
    pub async fn leave(mut self) -> Result<(), LeaveError> {
        let goodbye = async {
            // A session that has ended needs no goodbye.
            if self.commands.send(Command::Leave).await.is_ok() {
                while self.events.recv().await.is_some() {}
            }
            let _ended = (&mut self.task).await;
        };
        let said = tokio::time::timeout(LEAVE_TIMEOUT, goodbye).await;
        said.map_err(|_elapsed| LeaveError)
    }
}

impl EngineSender {
    /// Sends a packet; the server stamps who sent it, and delivers it to the destinations that it names,
    /// or to everyone.
    ///
    /// # Errors
    /// When the session is over, the packet is too large, or the channel does not take it in time.
    pub async fn send_data(
        &self,
        kind: DataChannelKind,
        packet: DataPacket,
    ) -> Result<(), SendError> {
        let publisher = self.publisher.borrow().clone();
        let publisher = publisher
            .and_then(|publisher| publisher.upgrade())
            .ok_or(SendError::NotSent(NotSent::Ended))?;
        let message = Bytes::from(packet.encode_to_vec());
        publisher.send(kind, message).await.map_err(SendError::Peer)
    }

    /// Announces a track and gives the server's description of it. Media follows by negotiation.
    ///
    /// # Errors
    /// When the session is over, or the server does not confirm it in time, as for want of a permission.
    pub async fn announce_track(
        &self,
        request: proto::AddTrackRequest,
    ) -> Result<TrackInfo, SendError> {
        let (named, name) = oneshot::channel();
        self.command(Command::AddTrack(Box::new(request), named))?;
        tokio::time::timeout(TRACK_TIMEOUT, name)
            .await
            .map_err(|_elapsed| SendError::NoTrack)?
            .map_err(|_gone| SendError::NoTrack)
    }

    /// Tells the server that a track of ours is muted or not.
    ///
    /// # Errors
    /// When the session is over, or too much waits.
    pub fn set_muted(&self, track_sid: &str, muted: bool) -> Result<(), SendError> {
        self.request(Request::Mute(proto::MuteTrackRequest {
            sid: track_sid.to_owned(),
            muted,
        }))
    }

    /// Sends any other request of LiveKit's protocol.
    ///
    /// # Errors
    /// When the session is over, or too much waits.
    pub fn request(&self, request: Request) -> Result<(), SendError> {
        self.command(Command::Request(Box::new(request)))
    }

    fn command(&self, command: Command) -> Result<(), SendError> {
        let sent = self.commands.try_send(command);
        sent.map_err(|error| {
            SendError::NotSent(match error {
                mpsc::error::TrySendError::Full(_) => NotSent::QueueFull,
                mpsc::error::TrySendError::Closed(_) => NotSent::Ended,
            })
        })
    }
}

struct Joining {
    called: Instant,
    join: Box<JoinResponse>,
    timings: JoinTimings,
    told: oneshot::Sender<Result<(), JoinError>>,
}

/// One announced track: whoever waits for its name.
type Announced = HashMap<String, oneshot::Sender<TrackInfo>>;

struct Engine {
    server: String,
    publisher_config: PeerConfig,
    signal: SignalClient,
    publisher: (Arc<WebRtcPeer>, PeerEvents),
    subscriber: Option<(Arc<WebRtcPeer>, PeerEvents)>,
    plan: Plan,
    offer_id: u32,
    /// The publisher has an offer that was not sent.
    fresh_offer: bool,
    ice_servers: Vec<IceServer>,
    /// What a full reconnection was answered with, until it is told.
    rejoined: Option<Box<JoinResponse>>,
    announced: Announced,
    /// What the server knows of our tracks, for a resumption.
    published: HashMap<String, proto::TrackPublishedResponse>,
    publisher_sink: watch::Sender<Option<std::sync::Weak<WebRtcPeer>>>,
    events: mpsc::Sender<EngineEvent>,
    joining: Option<Joining>,
}

/// What woke the loop.
enum Woken {
    Signal(Option<SignalEvent>),
    Peer(PeerRole, PeerEvent),
    Command(Option<Command>),
    Tick,
}

/// Whether the loop goes on.
#[derive(PartialEq, Eq)]
enum Flow {
    On,
    End,
}

impl Engine {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        if let Some(joining) = &self.joining {
            let join = joining.join.clone();
            self.use_ice_servers(&join.ice_servers, &join).await;
        }
        self.show_publisher();
        loop {
            while let Some(step) = self.plan.poll() {
                if self.step(step).await == Flow::End {
                    return self.close().await;
                }
            }
            let woken = self.wait(&mut commands).await;
            if self.handle(woken).await == Flow::End {
                return self.close().await;
            }
        }
    }

    async fn wait(&mut self, commands: &mut mpsc::Receiver<Command>) -> Woken {
        let wake = self.plan.wake_at();
        let timer = async {
            match wake {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let subscriber = async {
            match &mut self.subscriber {
                Some((_, events)) => events.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = self.signal.next_event() => Woken::Signal(event),
            event = self.publisher.1.next() => Woken::Peer(PeerRole::Publisher, event),
            event = subscriber => Woken::Peer(PeerRole::Subscriber, event),
            command = commands.recv() => Woken::Command(command),
            () = timer => Woken::Tick,
        }
    }

    async fn handle(&mut self, woken: Woken) -> Flow {
        match woken {
            Woken::Signal(Some(event)) => self.signalled(event).await,
            Woken::Signal(None) => self.end(EndReason::ConnectionLost).await,
            Woken::Peer(role, event) => self.peer_event(role, event).await,
            Woken::Command(Some(command)) => {
                self.command(command);
                Flow::On
            }
            // Nobody can command any more, which is so only when the session was dropped.
            Woken::Command(None) => Flow::End,
            Woken::Tick => {
                self.plan.tick(now());
                Flow::On
            }
        }
    }

    async fn step(&mut self, step: Step) -> Flow {
        match step {
            Step::Offer { restart_ice } => self.send_offer(restart_ice).await,
            Step::SyncState => self.sync_state().await,
            Step::Reconnect(reason, anew) => {
                if let Err(error) = self.signal.reconnect(reason, anew) {
                    tracing::debug!(%error, "the connection is not restored");
                }
            }
            Step::TellJoined => return self.tell_joined().await,
            Step::TellReconnecting => return self.tell(EngineEvent::Reconnecting).await,
            Step::TellReconnected => {
                self.signal.recovered();
                let rejoined = self.rejoined.take();
                return self.tell(EngineEvent::Reconnected(rejoined)).await;
            }
            Step::FailJoin => {
                if let Some(joining) = self.joining.take() {
                    let error = JoinError::NoMedia {
                        server: self.server.clone(),
                        waited: now() - joining.called,
                        state: self.publisher.0.state(),
                    };
                    // Whoever waits no longer needs no reason.
                    let _gone = joining.told.send(Err(error));
                }
                return Flow::End;
            }
        }
        Flow::On
    }

    async fn signalled(&mut self, event: SignalEvent) -> Flow {
        match event {
            SignalEvent::Response(response) => return self.respond(*response).await,
            SignalEvent::Rtt(rtt) => {
                self.tell_if_room(EngineEvent::Rtt(rtt));
            }
            SignalEvent::Reconnecting { .. } => self.plan.signal_lost(),
            SignalEvent::Resumed(resumed) => {
                self.use_ice_servers(&resumed.ice_servers, &JoinResponse::default())
                    .await;
                self.plan.resumed(now());
            }
            SignalEvent::Joined(join) => return self.rejoin(join).await,
            SignalEvent::Ended(reason) => return self.end(reason).await,
        }
        Flow::On
    }

    async fn respond(&mut self, response: Response) -> Flow {
        match response {
            Response::Answer(answer) => self.take_answer(answer).await,
            Response::Offer(offer) => self.answer(offer).await,
            Response::Trickle(trickle) => self.take_candidate(trickle).await,
            Response::TrackPublished(published) => self.track_published(published),
            Response::Update(update) => {
                return self
                    .tell(EngineEvent::ParticipantUpdate(update.participants))
                    .await;
            }
            Response::RoomUpdate(update) => {
                if let Some(room) = update.room {
                    return self.tell(EngineEvent::RoomUpdate(Box::new(room))).await;
                }
            }
            Response::SpeakersChanged(changed) => {
                return self.tell(EngineEvent::Speakers(changed.speakers)).await;
            }
            Response::ConnectionQuality(quality) => {
                return self.tell(EngineEvent::Quality(quality.updates)).await;
            }
            Response::Mute(mute) => return self.muted(mute).await,
            Response::TrackUnpublished(gone) => {
                let track_sid = gone.track_sid;
                self.published.remove(&track_sid);
                return self.tell(EngineEvent::TrackUnpublished { track_sid }).await;
            }
            Response::RequestResponse(response) => {
                let event = EngineEvent::RequestResponse(Box::new(response));
                return self.tell(event).await;
            }
            // What concerns media that is not sent or received yet.
            _ => {}
        }
        Flow::On
    }

    /// A server's mute is acknowledged with one of ours, as LiveKit's clients do.
    async fn muted(&mut self, mute: proto::MuteTrackRequest) -> Flow {
        if mute.muted {
            self.send(Request::Mute(mute.clone()));
        }
        let event = EngineEvent::Muted {
            track_sid: mute.sid,
            muted: mute.muted,
        };
        self.tell(event).await
    }

    fn track_published(&mut self, published: proto::TrackPublishedResponse) {
        let waiting = self.announced.remove(&published.cid);
        let Some(track) = published.track.clone() else {
            return;
        };
        if self.published.len() < MAX_ANNOUNCED {
            self.published.insert(track.sid.clone(), published);
        }
        if let Some(waiting) = waiting {
            // Whoever announced it may have given up.
            let _gone = waiting.send(track);
        }
        self.plan.negotiate(now());
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Request(request) => {
                self.send(*request);
            }
            Command::AddTrack(request, named) => {
                self.announced.retain(|_, waiting| !waiting.is_closed());
                if self.announced.len() < MAX_ANNOUNCED {
                    self.announced.insert(request.cid.clone(), named);
                    self.send(Request::AddTrack(*request));
                }
            }
            Command::Leave => {
                // Its end follows as an event; without a connection there is nobody to tell.
                let _ended = self.signal.leave();
            }
        }
    }

    async fn peer_event(&mut self, role: PeerRole, event: PeerEvent) -> Flow {
        match event {
            PeerEvent::State(state) => self.plan.peer_state(now(), role, state),
            PeerEvent::Candidate(candidate_init) => {
                self.send(Request::Trickle(proto::TrickleRequest {
                    candidate_init,
                    target: target_of(role).into(),
                    r#final: false,
                }))
            }
            PeerEvent::Data(kind, message) => match DataPacket::decode(message) {
                Ok(packet) => {
                    let event = EngineEvent::Data(kind, Box::new(packet));
                    if kind == DataChannelKind::Reliable {
                        return self.tell(event).await;
                    }
                    self.tell_if_room(event);
                }
                Err(error) => tracing::debug!(%error, "a data packet cannot be read"),
            },
        }
        Flow::On
    }

    async fn send_offer(&mut self, restart_ice: bool) {
        let peer = Arc::clone(&self.publisher.0);
        let offer = if std::mem::take(&mut self.fresh_offer) && !restart_ice {
            match peer.local_description().await {
                Some(offer) => Ok(offer),
                None => peer.offer(false).await,
            }
        } else {
            peer.offer(restart_ice).await
        };
        match offer {
            Ok(sdp) => {
                self.offer_id = self.offer_id.wrapping_add(1).max(1);
                self.send(Request::Offer(description("offer", sdp, self.offer_id)));
            }
            // The wait for its answer ends, and what follows then begins anew.
            Err(error) => tracing::warn!(%error, "no offer is made"),
        }
    }

    async fn take_answer(&mut self, answer: proto::SessionDescription) {
        // Servers of before LiveKit 1.9 number nothing.
        if answer.id != 0 && answer.id != self.offer_id {
            return;
        }
        match self.publisher.0.take_answer(answer.sdp).await {
            Ok(()) => self.plan.answered(now()),
            Err(error) => {
                tracing::warn!(%error, "an answer of the server is not taken");
                self.plan.not_taken(PeerRole::Publisher);
            }
        }
    }

    async fn answer(&mut self, offer: proto::SessionDescription) {
        let answered = match self.subscriber().await {
            Ok(peer) => peer.answer(offer.sdp).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(sdp) => self.send(Request::Answer(description("answer", sdp, offer.id))),
            Err(error) => {
                tracing::warn!(%error, "an offer of the server is not answered");
                self.plan.not_taken(PeerRole::Subscriber);
            }
        }
    }

    async fn take_candidate(&mut self, trickle: proto::TrickleRequest) {
        if trickle.candidate_init.is_empty() {
            return;
        }
        let peer = if trickle.target == i32::from(SignalTarget::Subscriber) {
            self.subscriber().await
        } else {
            Ok(Arc::clone(&self.publisher.0))
        };
        let taken = match peer {
            Ok(peer) => peer.add_candidate(&trickle.candidate_init).await,
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            tracing::warn!(%error, "a candidate of the server is not taken");
        }
    }

    /// The subscriber, which is made when the server first speaks of it.
    async fn subscriber(&mut self) -> Result<Arc<WebRtcPeer>, PeerError> {
        if let Some((peer, _)) = &self.subscriber {
            return Ok(Arc::clone(peer));
        }
        let config = PeerConfig {
            role: PeerRole::Subscriber,
            ..self.publisher_config.clone()
        };
        let (peer, events) = WebRtcPeer::open(&config).await?;
        peer.set_ice_servers(self.ice_servers.clone(), false)
            .await?;
        let peer = Arc::new(peer);
        self.subscriber = Some((Arc::clone(&peer), events));
        Ok(peer)
    }

    /// Begins anew with new peer connections, for a participant that the server has made anew.
    async fn rejoin(&mut self, join: Box<JoinResponse>) -> Flow {
        self.subscriber = None;
        self.announced.clear();
        self.published.clear();
        match PreparedPublisher::from_config(self.publisher_config.clone()).await {
            Ok(prepared) => self.publisher = (Arc::new(prepared.peer), prepared.events),
            Err(error) => {
                tracing::warn!(%error, "no publisher can be made");
                return self.end(EndReason::ConnectionLost).await;
            }
        }
        self.fresh_offer = true;
        self.show_publisher();
        self.use_ice_servers(&join.ice_servers, &join).await;
        self.plan.rejoined(now());
        self.rejoined = Some(join);
        Flow::On
    }

    /// Servers without which a direct connection may still come about, so a fault of them is no end.
    async fn use_ice_servers(&mut self, servers: &[proto::IceServer], join: &JoinResponse) {
        let forced = i32::from(proto::ClientConfigSetting::Enabled);
        let configuration = join.client_configuration.as_ref();
        let relay_only = configuration.is_some_and(|it| it.force_relay == forced);
        if servers.is_empty() && !relay_only {
            return;
        }
        self.ice_servers = servers.iter().map(ice_server).collect();
        let peer = Arc::clone(&self.publisher.0);
        let set = peer.set_ice_servers(self.ice_servers.clone(), relay_only);
        if let Err(error) = set.await {
            tracing::warn!(%error, "the server's STUN and TURN servers are not used");
        }
    }

    /// What this side has, by which the server sees what was lost.
    async fn sync_state(&mut self) {
        let mut publish_tracks: Vec<_> = self.published.values().cloned().collect();
        publish_tracks.sort_by(|a, b| a.cid.cmp(&b.cid));
        let answer = match &self.subscriber {
            Some((peer, _)) => peer.local_description().await,
            None => None,
        };
        let offer = self.publisher.0.local_description().await;
        let channel = |kind: &DataChannelKind| proto::DataChannelInfo {
            label: kind.label().to_owned(),
            id: 0,
            target: SignalTarget::Publisher.into(),
        };
        self.send(Request::SyncState(proto::SyncState {
            answer: answer.map(|sdp| description("answer", sdp, 0)),
            offer: offer.map(|sdp| description("offer", sdp, 0)),
            subscription: Some(proto::UpdateSubscription {
                subscribe: false,
                ..Default::default()
            }),
            publish_tracks,
            data_channels: DataChannelKind::ALL.iter().map(channel).collect(),
            ..Default::default()
        }));
    }

    fn show_publisher(&self) {
        let publisher = Arc::downgrade(&self.publisher.0);
        self.publisher_sink.send_replace(Some(publisher));
    }

    fn send(&self, request: Request) {
        if let Err(error) = self.signal.request(request) {
            tracing::debug!(%error, "a request is dropped");
        }
    }

    async fn tell_joined(&mut self) -> Flow {
        let Some(joining) = self.joining.take() else {
            return Flow::On;
        };
        let mut timings = joining.timings;
        timings.publisher = now() - joining.called;
        let event = EngineEvent::Joined(joining.join, timings);
        if self.tell(event).await == Flow::End || joining.told.send(Ok(())).is_err() {
            return Flow::End;
        }
        Flow::On
    }

    async fn tell(&self, event: EngineEvent) -> Flow {
        match self.events.send(event).await {
            Ok(()) => Flow::On,
            Err(_nobody) => Flow::End,
        }
    }

    /// Tells what is out of date soon, and is left out when the application does not keep up.
    fn tell_if_room(&self, event: EngineEvent) {
        if self.events.try_send(event).is_err() {
            tracing::debug!("the application does not keep up; an event is left out");
        }
    }

    async fn end(&mut self, reason: EndReason) -> Flow {
        if let Some(joining) = self.joining.take() {
            let server = self.server.clone();
            // Whoever waits no longer needs no reason.
            let _gone = joining.told.send(Err(JoinError::Ended { server, reason }));
            return Flow::End;
        }
        self.tell(EngineEvent::Disconnected(reason)).await;
        Flow::End
    }

    async fn close(self) {
        let subscriber = async {
            if let Some((peer, _)) = &self.subscriber {
                peer.close().await;
            }
        };
        tokio::join!(self.publisher.0.close(), subscriber);
    }
}

fn description(r#type: &str, sdp: String, id: u32) -> proto::SessionDescription {
    proto::SessionDescription {
        r#type: r#type.to_owned(),
        sdp,
        id,
        ..Default::default()
    }
}

fn target_of(role: PeerRole) -> SignalTarget {
    match role {
        PeerRole::Publisher => SignalTarget::Publisher,
        PeerRole::Subscriber => SignalTarget::Subscriber,
    }
}

fn ice_server(server: &proto::IceServer) -> IceServer {
    IceServer {
        urls: server.urls.clone(),
        username: server.username.clone(),
        credential: server.credential.clone(),
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
