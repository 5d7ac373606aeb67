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
use crate::peer::config::PeerConfig;
use crate::peer::media_peer::{DataChannelKind, IceServer, MediaPeer, PeerEvent, PeerRole};
use crate::peer::prepared::PreparedPublisher;
use crate::peer::webrtc_peer::{PeerEvents, WebRtcPeer};
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
    pub(super) outlets: Outlets,
    pub(super) publisher_config: PeerConfig,
    pub(super) signal: SignalClient,
    pub(super) publisher: (Arc<WebRtcPeer>, PeerEvents),
    pub(super) subscriber: Option<(Arc<WebRtcPeer>, PeerEvents)>,
    pub(super) plan: Plan,
    pub(super) offer_id: u32,
    /// The publisher has an offer that was not sent.
    pub(super) fresh_offer: bool,
    pub(super) ice_servers: Vec<IceServer>,
    /// The server lets nobody connect directly.
    pub(super) relay_only: bool,
    /// What a full reconnection was answered with, until it is told.
    pub(super) rejoined: Option<Box<JoinResponse>>,
    /// By the ids that we gave the tracks.
    pub(super) announced: HashMap<String, Named>,
    /// What the server knows of our tracks, for a resumption.
    pub(super) published: HashMap<String, proto::TrackPublishedResponse>,
    pub(super) joining: Option<Joining>,
    /// What is told before the join is complete, and belongs behind it.
    pub(super) early: Vec<EngineEvent>,
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
pub(super) enum Flow {
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

    pub(super) fn show_publisher(&self) {
        let publisher = Arc::downgrade(&self.publisher.0);
        self.outlets.publisher.send_replace(Some(publisher));
    }

    pub(super) fn send(&self, request: Request) {
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

    pub(super) async fn end(&mut self, reason: EndReason) -> Flow {
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

fn target_of(role: PeerRole) -> SignalTarget {
    match role {
        PeerRole::Publisher => SignalTarget::Publisher,
        PeerRole::Subscriber => SignalTarget::Subscriber,
    }
}

pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
