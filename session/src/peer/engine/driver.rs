//! The loop between signalling, the two peer connections and the application.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use greenroom_protocol::livekit::proto;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use proto::{DataPacket, JoinResponse, Message as _, SignalTarget, TrackInfo};
use tokio::sync::{mpsc, oneshot, watch};

use super::connection::JoinTimings;
use super::event::{EngineEvent, JoinError};
use super::plan::{Plan, Step};
use crate::peer::media_peer::{
    DataChannelKind, IceServer, MediaPeer, PeerError, PeerEvent, PeerRole,
};
use crate::peer::prepared::PreparedPublisher;
use crate::peer::webrtc_peer::{PeerConfig, PeerEvents, WebRtcPeer};
use crate::signal::{EndReason, SignalClient, SignalEvent};

/// Events that are kept until the join is complete. With more, the join reads no further, and fails in
/// time.
const MAX_EARLY: usize = 1_024;
/// Tracks that wait for their names at a time.
const MAX_ANNOUNCED: usize = 64;

#[derive(Debug)]
pub(super) enum Command {
    Request(Box<Request>),
    AddTrack(Box<proto::AddTrackRequest>, Named),
    Leave,
}

pub(super) struct Joining {
    pub(super) called: Instant,
    pub(super) join: Box<JoinResponse>,
    pub(super) timings: JoinTimings,
    pub(super) told: oneshot::Sender<Result<(), JoinError>>,
}

/// Who waits for the name of a track, or the words of a refusal.
pub(super) type Named = oneshot::Sender<Result<TrackInfo, String>>;

/// Where what happens is told.
pub(super) struct Outlets {
    /// The server's base URL, for people.
    pub(super) server: String,
    pub(super) publisher: watch::Sender<Option<Weak<WebRtcPeer>>>,
    pub(super) events: mpsc::Sender<EngineEvent>,
}

pub(super) struct Engine {
    outlets: Outlets,
    publisher_config: PeerConfig,
    signal: SignalClient,
    publisher: (Arc<WebRtcPeer>, PeerEvents),
    subscriber: Option<(Arc<WebRtcPeer>, PeerEvents)>,
    plan: Plan,
    offer_id: u32,
    /// The publisher has an offer that was not sent.
    fresh_offer: bool,
    ice_servers: Vec<IceServer>,
    /// The server lets nobody connect directly.
    relay_only: bool,
    /// What a full reconnection was answered with, until it is told.
    rejoined: Option<Box<JoinResponse>>,
    /// By the ids that we gave the tracks.
    announced: HashMap<String, Named>,
    /// What the server knows of our tracks, for a resumption.
    published: HashMap<String, proto::TrackPublishedResponse>,
    joining: Option<Joining>,
    /// What is told before the join is complete, and belongs behind it.
    early: Vec<EngineEvent>,
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
    /// Just joined by signalling.
    pub(super) fn new(
        outlets: Outlets,
        signal: SignalClient,
        publisher: PreparedPublisher,
        joining: Joining,
    ) -> Self {
        Self {
            outlets,
            publisher_config: publisher.config,
            signal,
            publisher: (Arc::new(publisher.peer), publisher.events),
            subscriber: None,
            plan: Plan::new(now()),
            offer_id: 0,
            fresh_offer: true,
            ice_servers: Vec::new(),
            relay_only: false,
            rejoined: None,
            announced: HashMap::new(),
            published: HashMap::new(),
            joining: Some(joining),
            early: Vec::new(),
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        if let Some(mut joining) = self.joining.take() {
            self.take_ice_servers(&mut joining.join).await;
            self.joining = Some(joining);
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
            event = self.signal.next_event(), if self.early.len() < MAX_EARLY => {
                Woken::Signal(event)
            }
            event = self.publisher.1.next() => Woken::Peer(PeerRole::Publisher, event),
            event = subscriber, if self.early.len() < MAX_EARLY => {
                Woken::Peer(PeerRole::Subscriber, event)
            }
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
                        server: self.outlets.server.clone(),
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
                self.use_ice_servers(&resumed.ice_servers).await;
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
                if let Some(refused) = self.refused_track(&response) {
                    // Whoever announced it may have given up.
                    let _gone = refused.send(Err(response.message));
                    return Flow::On;
                }
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
            let _gone = waiting.send(Ok(track));
        }
        self.plan.negotiate(now());
    }

    /// Who waits for a track that the server refuses.
    fn refused_track(&mut self, response: &proto::RequestResponse) -> Option<Named> {
        use proto::request_response::{Reason, Request};
        let Some(Request::AddTrack(track)) = &response.request else {
            return None;
        };
        let fine = [Reason::Ok, Reason::Queued].map(i32::from);
        let refused = !fine.contains(&response.reason);
        refused.then(|| self.announced.remove(&track.cid)).flatten()
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
                }));
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
        peer.set_ice_servers(self.ice_servers.clone(), self.relay_only)
            .await?;
        let peer = Arc::new(peer);
        self.subscriber = Some((Arc::clone(&peer), events));
        Ok(peer)
    }

    /// Begins anew with new peer connections, for a participant that the server has made anew.
    async fn rejoin(&mut self, mut join: Box<JoinResponse>) -> Flow {
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
        self.take_ice_servers(&mut join).await;
        self.show_publisher();
        self.plan.rejoined(now());
        self.rejoined = Some(join);
        Flow::On
    }

    /// Uses the servers of a join, and takes their passwords out, which the application does not need.
    async fn take_ice_servers(&mut self, join: &mut JoinResponse) {
        let forced = i32::from(proto::ClientConfigSetting::Enabled);
        let configuration = join.client_configuration.as_ref();
        self.relay_only = configuration.is_some_and(|it| it.force_relay == forced);
        if self.relay_only && self.fresh_offer {
            // What was prepared has gathered this machine's own addresses already.
            match WebRtcPeer::open(&self.publisher_config).await {
                Ok((peer, events)) => self.publisher = (Arc::new(peer), events),
                Err(error) => tracing::warn!(%error, "the prepared publisher is used"),
            }
            self.fresh_offer = false;
        }
        self.use_ice_servers(&join.ice_servers).await;
        for server in &mut join.ice_servers {
            server.credential.clear();
        }
    }

    /// Servers without which a direct connection may still come about, so a fault of them is no end.
    async fn use_ice_servers(&mut self, servers: &[proto::IceServer]) {
        if servers.is_empty() && !self.relay_only {
            return;
        }
        self.ice_servers = servers.iter().map(ice_server).collect();
        let peer = Arc::clone(&self.publisher.0);
        let set = peer.set_ice_servers(self.ice_servers.clone(), self.relay_only);
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
        self.outlets.publisher.send_replace(Some(publisher));
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
        for event in std::mem::take(&mut self.early) {
            if self.tell(event).await == Flow::End {
                return Flow::End;
            }
        }
        Flow::On
    }

    async fn tell(&mut self, event: EngineEvent) -> Flow {
        if self.joining.is_some() {
            self.early.push(event);
            return Flow::On;
        }
        match self.outlets.events.send(event).await {
            Ok(()) => Flow::On,
            Err(_nobody) => Flow::End,
        }
    }

    /// Tells what is out of date soon, and is left out when the application does not keep up.
    fn tell_if_room(&self, event: EngineEvent) {
        if self.joining.is_some() {
            return;
        }
        if self.outlets.events.try_send(event).is_err() {
            tracing::debug!("the application does not keep up; an event is left out");
        }
    }

    async fn end(&mut self, reason: EndReason) -> Flow {
        if let Some(joining) = self.joining.take() {
            let server = self.outlets.server.clone();
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

pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
