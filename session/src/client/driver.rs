//! The loop between the machine, its two connections and the clock, for one session.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::collections::HashMap;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenroom_protocol::livekit::proto::participant_info::State as ParticipantState;
use greenroom_protocol::livekit::proto::{
    AddTrackRequest, ParticipantInfo, SpeakerInfo, TrackInfo, TrackSource, TrackType,
};
use greenroom_protocol::session::Identity;
use greenroom_protocol::session::message::EngineAccess;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::control::{self, ControlConnection, Received};
use super::error::SessionError;
use super::event::{SessionEvent, SessionState};
use super::machine::{Input, Output};
use super::packet::{Channel, unpack};
use super::shared::{Shared, lock};
use super::stay_awake::{Inhibitor, NotKeptAwake};
use super::warmth::Ready;
use crate::dial::base_url::BaseUrl;
use crate::dial::error::DialError;
use crate::dial::websocket::WebSocket;
use crate::peer::{EngineConnection, EngineEvent, EngineSender, JoinOptions, SendError};
use crate::signal::{EndReason as EngineEnd, SignalConfig};

/// At the end, what was sent has so long to be written.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How the microphone is called in the engine.
const MICROPHONE: &str = "microphone";

type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Drives one session to its end.
pub(super) struct Driver {
    shared: Arc<Shared>,
    ready: Arc<Ready>,
    control: Control,
    engine: Engine,
    awake: Awake,
    announcing: Option<Waiting<Result<TrackInfo, SendError>>>,
    closing: Vec<AbortOnDropHandle<()>>,
    /// Identities by the engine's name of a participation, which is how it tells who speaks.
    participants: HashMap<String, Identity>,
}

enum Control {
    None,
    Opening(Waiting<Result<WebSocket, DialError>>),
    Open(ControlConnection),
}

enum Engine {
    None,
    Joining(Waiting<Result<EngineConnection, SessionError>>),
    Open(EngineConnection),
    Leaving(Waiting<()>),
}

enum Awake {
    NotYet,
    Asking(Waiting<Result<Inhibitor, NotKeptAwake>>),
    /// The lock, where one was given.
    Settled {
        _lock: Option<Inhibitor>,
    },
}

enum Woken {
    Opened(Result<WebSocket, DialError>),
    Received(Received),
    Joined(Result<EngineConnection, SessionError>),
    Engine(Option<EngineEvent>),
    Left,
    Awake(Result<Inhibitor, NotKeptAwake>),
    Announced(Result<TrackInfo, SendError>),
    Notified,
    Tick,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, ready: Arc<Ready>) -> Self {
        Self {
            shared,
            ready,
            control: Control::None,
            engine: Engine::None,
            awake: Awake::NotYet,
            announcing: None,
            closing: Vec::new(),
            participants: HashMap::new(),
        }
    }

    /// Runs until the machine is finished.
    pub(super) async fn run(mut self) {
        loop {
            loop {
                // Bound first: the lock must not be held while the output is acted on.
                let output = lock(&self.shared.machine).poll();
                let Some(output) = output else { break };
                if matches!(output, Output::Finished) {
                    return self.finish().await;
                }
                self.perform(output);
            }
            let woken = self.wait().await;
            self.take(woken);
        }
    }

    async fn finish(self) {
        let written = async {
            for task in self.closing {
                // A task that was aborted has written nothing, which is known.
                let _ended = task.await;
            }
        };
        let _late = timeout(LAST_WORDS, written).await;
        *lock(&self.shared.engine) = None;
        *lock(&self.shared.microphone) = None;
        lock(&self.shared.speaking).clear();
    }

    async fn wait(&mut self) -> Woken {
        let wake_at = lock(&self.shared.machine).wake_at();
        let timer = async {
            match wake_at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => pending().await,
            }
        };
        let control = async {
            match &mut self.control {
                Control::None => pending().await,
                Control::Opening(opening) => Woken::Opened(opening.await),
                Control::Open(connection) => Woken::Received(connection.receive().await),
            }
        };
        let engine = async {
            match &mut self.engine {
                Engine::None => pending().await,
                Engine::Joining(joining) => Woken::Joined(joining.await),
                Engine::Open(connection) => Woken::Engine(connection.next_event().await),
                Engine::Leaving(leaving) => {
                    leaving.await;
                    Woken::Left
                }
            }
        };
        let awake = async {
            match &mut self.awake {
                Awake::Asking(asking) => asking.await,
                Awake::NotYet | Awake::Settled { .. } => pending().await,
            }
        };
        let announced = async {
            match &mut self.announcing {
                Some(announcing) => announcing.await,
                None => pending().await,
            }
        };
        tokio::select! {
            woken = control => woken,
            woken = engine => woken,
            outcome = awake => Woken::Awake(outcome),
            outcome = announced => Woken::Announced(outcome),
            () = self.shared.woken.notified() => Woken::Notified,
            () = timer => Woken::Tick,
        }
    }

    fn take(&mut self, woken: Woken) {
        match woken {
            Woken::Opened(Ok(socket)) => {
                self.control = Control::Open(ControlConnection::new(socket));
                self.tell_machine(Input::ControlOpened);
            }
            Woken::Opened(Err(error)) => {
                self.control = Control::None;
                let error = SessionError::Control(Box::new(error));
                self.tell_machine(Input::ControlFailed(error));
            }
            Woken::Received(received) => self.received(received),
            Woken::Joined(Ok(connection)) => self.engine_joined(connection),
            Woken::Joined(Err(error)) => {
                self.engine = Engine::None;
                self.tell_machine(Input::EngineFailed(error));
            }
            Woken::Engine(event) => self.engine_event(event),
            Woken::Left => {
                self.engine = Engine::None;
                self.tell_machine(Input::EngineLeft);
            }
            Woken::Awake(outcome) => {
                let kept = outcome.map_err(|why| self.shared.tell(SessionEvent::NotKeptAwake(why)));
                self.awake = Awake::Settled { _lock: kept.ok() };
            }
            Woken::Announced(outcome) => self.announced(outcome),
            Woken::Notified => {}
            Woken::Tick => self.tell_machine(Input::Tick),
        }
    }

    fn tell_machine(&self, input: Input) {
        lock(&self.shared.machine).handle(now(), input);
    }

    fn received(&mut self, received: Received) {
        match received {
            Received::Message(message) => self.tell_machine(Input::ControlMessage(message)),
            Received::Sign => self.tell_machine(Input::ControlHeard),
            Received::Closed(why) => {
                self.control = Control::None;
                self.tell_machine(Input::ControlClosed(why));
            }
        }
    }

    fn engine_joined(&mut self, connection: EngineConnection) {
        let sender = connection.sender();
        let muted = lock(&self.shared.microphone).as_ref().map(|one| one.muted);
        if let Some(muted) = muted {
            self.announce(sender.clone(), muted);
        }
        *lock(&self.shared.engine) = Some(sender);
        self.engine = Engine::Open(connection);
        self.tell_machine(Input::EngineJoined);
    }

    fn engine_event(&mut self, event: Option<EngineEvent>) {
        match event {
            None => {
                self.engine_gone();
                self.tell_machine(Input::EngineEnded(EngineEnd::ConnectionLost));
            }
            Some(EngineEvent::Disconnected(reason)) => {
                self.engine_gone();
                self.tell_machine(Input::EngineEnded(reason));
            }
            Some(EngineEvent::Joined(join, _)) => {
                self.participants.clear();
                let own = join.participant.into_iter();
                self.know(own.chain(join.other_participants));
            }
            Some(EngineEvent::ParticipantUpdate(participants)) => {
                self.know(participants.into_iter());
            }
            Some(EngineEvent::Speakers(speakers)) => self.speakers(speakers),
            Some(EngineEvent::Data(_, packet)) => {
                if let Some((channel, message)) = unpack(*packet) {
                    self.shared.tell(match channel {
                        Channel::Chat => SessionEvent::Chat(message),
                        Channel::Command => SessionEvent::Command(message),
                    });
                }
            }
            Some(EngineEvent::Muted { track_sid, muted }) => {
                if let Some(microphone) = &mut *lock(&self.shared.microphone)
                    && microphone.track.as_ref() == Some(&track_sid)
                {
                    // The server may mute; to unmute takes the user's word.
                    microphone.muted |= muted;
                }
            }
            Some(EngineEvent::Reconnecting) => self.tell_machine(Input::EngineReconnecting),
            Some(EngineEvent::Reconnected(join)) => self.engine_back(join.is_some()),
            Some(_) => {}
        }
    }

    fn engine_back(&mut self, anew: bool) {
        if anew {
            let muted = lock(&self.shared.microphone).as_ref().map(|one| one.muted);
            let sender = lock(&self.shared.engine).clone();
            if let (Some(muted), Some(sender)) = (muted, sender) {
                self.announce(sender, muted);
            }
        }
        self.tell_machine(Input::EngineReconnected { anew });
    }

    fn engine_gone(&mut self) {
        self.engine = Engine::None;
        self.announcing = None;
        self.participants.clear();
        *lock(&self.shared.engine) = None;
    }

    fn know(&mut self, participants: impl Iterator<Item = ParticipantInfo>) {
        for participant in participants {
            if participant.state() == ParticipantState::Disconnected {
                self.participants.remove(&participant.sid);
            } else {
                let identity = Identity(participant.identity);
                self.participants.insert(participant.sid, identity);
            }
        }
    }

    /// The engine tells changes alone.
    fn speakers(&mut self, mut changes: Vec<SpeakerInfo>) {
        changes.sort_by(|one, other| other.level.total_cmp(&one.level));
        let mut speaking = lock(&self.shared.speaking);
        let before = speaking.clone();
        let told: Vec<(Identity, bool)> = changes
            .into_iter()
            .filter_map(|change| Some((self.participants.get(&change.sid)?.clone(), change.active)))
            .collect();
        speaking.retain(|who| !told.iter().any(|(other, _)| other == who));
        let begun = told.into_iter().filter(|(_, active)| *active);
        speaking.splice(0..0, begun.map(|(who, _)| who));
        if *speaking != before {
            let identities = speaking.clone();
            drop(speaking);
            self.shared.tell(SessionEvent::Speaking { identities });
        }
    }

    fn announce(&mut self, sender: EngineSender, muted: bool) {
        if let Some(microphone) = &mut *lock(&self.shared.microphone) {
            microphone.track = None;
        }
        self.announcing = Some(Box::pin(announce_microphone(sender, muted)));
    }

    fn announced(&mut self, outcome: Result<TrackInfo, SendError>) {
        self.announcing = None;
        match outcome {
            Ok(track) => {
                if let Some(microphone) = &mut *lock(&self.shared.microphone) {
                    microphone.track = Some(track.sid);
                }
            }
            Err(error) => tracing::warn!(%error, "the microphone was not announced anew"),
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::OpenControl => self.open_control(),
            Output::SendControl(message) => {
                let sent = match &self.control {
                    Control::Open(connection) => connection.send(&message),
                    _ => true,
                };
                self.expect_sent(sent);
            }
            Output::PingControl => {
                let sent = match &self.control {
                    Control::Open(connection) => connection.ping(),
                    _ => true,
                };
                self.expect_sent(sent);
            }
            Output::CloseControl => self.close_control(),
            Output::ConnectEngine(access) => self.connect_engine(access),
            Output::LeaveEngine => self.leave_engine(),
            Output::CloseEngine => self.engine_gone(),
            Output::JoinDone(outcome) => {
                let waiter = lock(&self.shared.waiting).join.take();
                if let Some(waiter) = waiter {
                    // Who gave up waiting needs no answer.
                    let _gone = waiter.send(outcome);
                }
            }
            Output::ActDone(request, outcome) => {
                let waiter = lock(&self.shared.waiting).actions.remove(&request);
                if let Some(waiter) = waiter {
                    let _gone = waiter.send(outcome);
                }
            }
            Output::Event(event) => {
                let joined = matches!(
                    event,
                    SessionEvent::StateChanged {
                        to: SessionState::Joined,
                        ..
                    }
                );
                if joined {
                    self.stay_awake();
                }
                self.shared.tell(event);
            }
            Output::Finished => {}
        }
    }

    fn open_control(&mut self) {
        if let Some(socket) = self.ready.take_socket() {
            self.control = Control::Opening(Box::pin(async { Ok(socket) }));
            return;
        }
        let ready = Arc::clone(&self.ready);
        let opening = async move { control::open(&ready.dialer, &ready.base).await };
        self.control = Control::Opening(Box::pin(opening));
    }

    fn close_control(&mut self) {
        self.closing.retain(|task| !task.is_finished());
        if let Control::Open(connection) = std::mem::replace(&mut self.control, Control::None) {
            self.closing.push(connection.finish());
        }
    }

    /// A queue that is full means that the socket takes nothing any more.
    fn expect_sent(&mut self, sent: bool) {
        if !sent {
            self.control = Control::None;
            let why = "it takes no more messages".to_owned();
            self.tell_machine(Input::ControlClosed(why));
        }
    }

    fn connect_engine(&mut self, access: EngineAccess) {
        let ready = Arc::clone(&self.ready);
        let joining = async move {
            // Another engine than the server's own may play either part of DTLS.
            let own = access.url.is_none();
            let base = match access.url {
                None => ready.base.clone(),
                Some(url) => engine_url(&url)?,
            };
            let prepared = ready.take_publisher().filter(|_| own);
            let options = JoinOptions { dtls_passive: own };
            let config = SignalConfig {
                base,
                token: access.token,
            };
            let joined = EngineConnection::join(&ready.dialer, config, &options, prepared);
            joined
                .await
                .map_err(|error| SessionError::Engine(Box::new(error)))
        };
        self.engine_gone();
        self.engine = Engine::Joining(Box::pin(joining));
    }

    fn leave_engine(&mut self) {
        self.announcing = None;
        *lock(&self.shared.engine) = None;
        let engine = std::mem::replace(&mut self.engine, Engine::None);
        let leaving: Waiting<()> = match engine {
            Engine::Open(connection) => Box::pin(async {
                if let Err(error) = connection.leave().await {
                    tracing::debug!(%error, "the engine was left without a goodbye");
                }
            }),
            _ => Box::pin(async {}),
        };
        self.engine = Engine::Leaving(leaving);
    }

    fn stay_awake(&mut self) {
        if self.ready.options.stay_awake && matches!(self.awake, Awake::NotYet) {
            self.awake = Awake::Asking(Box::pin(Inhibitor::take()));
        }
    }
}

/// Announces a microphone to the engine.
pub(super) async fn announce_microphone(
    sender: EngineSender,
    muted: bool,
) -> Result<TrackInfo, SendError> {
    let request = AddTrackRequest {
        cid: MICROPHONE.to_owned(),
        name: MICROPHONE.to_owned(),
        r#type: TrackType::Audio.into(),
        source: TrackSource::Microphone.into(),
        muted,
        ..AddTrackRequest::default()
    };
    sender.announce_track(request).await
}

/// LiveKit's URLs are those of WebSockets.
fn engine_url(url: &str) -> Result<BaseUrl, SessionError> {
    let http = match url.split_once("://") {
        Some(("ws", rest)) => format!("http://{rest}"),
        Some(("wss", rest)) => format!("https://{rest}"),
        _ => url.to_owned(),
    };
    BaseUrl::parse(&http).map_err(SessionError::EngineUrl)
}

/// The clock of the runtime, which tests can stop.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_named_by_the_url_of_its_websocket() {
        for (url, base) in [
            ("wss://sfu.example", "https://sfu.example"),
            ("ws://[::1]:7880/x", "http://[::1]:7880/x"),
        ] {
            assert_eq!(engine_url(url).unwrap().to_string(), base);
        }
        assert!(engine_url("wss://me:hunter2@sfu").is_err());
    }
}
