//! A join, and what is held of the session that follows it.

use std::sync::Weak;
use std::time::Duration;

use bytes::Bytes;
use greenroom_protocol::livekit::proto;
use proto::signal_request::Message as Request;
use proto::{DataPacket, Message as _, TrackInfo};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

use super::driver::{Command, Engine, Joining, Outlets, now};
use super::event::{EngineEvent, JoinError, SendError};
use crate::dial::dialer::Dialer;
use crate::peer::media_peer::{DataChannelKind, MediaPeer};
use crate::peer::prepared::PreparedPublisher;
use crate::peer::webrtc_peer::WebRtcPeer;
use crate::signal::{EndReason, NotSent, SignalClient, SignalConfig};

/// Events that wait for the application.
const EVENTS: usize = 1_024;
/// Commands that wait for the loop.
const COMMANDS: usize = 256;
/// Longest wait for the server to name a track that was announced.
pub(super) const TRACK_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a goodbye.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

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
    /// The end was told.
    ended: bool,
}

/// Sends into a session, beside whoever reads its events. Outlives it, and then fails.
#[derive(Clone, Debug)]
pub struct EngineSender {
    commands: mpsc::Sender<Command>,
    publisher: watch::Receiver<Option<Weak<WebRtcPeer>>>,
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
        let host = config.base.host().to_owned();
        let prepared = prepared.filter(PreparedPublisher::is_fresh);
        let was_prepared = prepared.is_some();
        let publisher = async {
            let made = match prepared {
                Some(prepared) => Ok(prepared),
                None => PreparedPublisher::prepare(&host, options.dtls_passive).await,
            };
            made.map_err(JoinError::Peer)
        };
        let signal = async {
            let joined = SignalClient::connect(dialer, config).await;
            joined
                .map(|joined| (joined, now()))
                .map_err(JoinError::Signal)
        };
        let (((join, signal), signalled), publisher) = tokio::try_join!(signal, publisher)?;
        let timings = JoinTimings {
            signal: signalled - called,
            publisher: Duration::ZERO,
            check_interval: publisher.config.check_interval,
            prepared: was_prepared,
        };
        let (told, joined) = oneshot::channel();
        let joining = Joining {
            called,
            join: Box::new(join),
            timings,
            told,
        };
        let connection = Self::start(server.clone(), signal, publisher, joining);
        let ended = JoinError::Ended {
            server,
            reason: EndReason::ConnectionLost,
        };
        joined.await.unwrap_or(Err(ended))?;
        Ok(connection)
    }

    /// Starts the loop, which tells when the publisher is connected.
    fn start(
        server: String,
        signal: SignalClient,
        publisher: PreparedPublisher,
        joining: Joining,
    ) -> Self {
        let (command_sink, commands) = mpsc::channel(COMMANDS);
        let (event_sink, events) = mpsc::channel(EVENTS);
        let (publisher_sink, publisher_watch) = watch::channel(None);
        let outlets = Outlets {
            server,
            publisher: publisher_sink,
            events: event_sink,
        };
        let engine = Engine::new(outlets, signal, publisher, joining);
        let sender = EngineSender {
            commands: command_sink.clone(),
            publisher: publisher_watch,
        };
        Self {
            commands: command_sink,
            events,
            sender,
            task: AbortOnDropHandle::new(tokio::spawn(engine.run(commands))),
            ended: false,
        }
    }

    /// The next event; `None` after [`EngineEvent::Disconnected`].
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next_event(&mut self) -> Option<EngineEvent> {
        if self.ended {
            return None;
        }
        // A loop that ended without a word has panicked; for the application that is a lost connection.
        let lost = EngineEvent::Disconnected(EndReason::ConnectionLost);
        let event = self.events.recv().await.unwrap_or(lost);
        self.ended = matches!(event, EngineEvent::Disconnected(_));
        Some(event)
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
    /// When the session is over, or the server refuses the track or does not confirm it in time.
    pub async fn announce_track(
        &self,
        request: proto::AddTrackRequest,
    ) -> Result<TrackInfo, SendError> {
        let (named, name) = oneshot::channel();
        self.command(Command::AddTrack(Box::new(request), named))?;
        tokio::time::timeout(TRACK_TIMEOUT, name)
            .await
            .map_err(|_elapsed| SendError::NoTrack)?
            .map_err(|_gone| SendError::NotSent(NotSent::Ended))?
            .map_err(|words| SendError::TrackRefused { words })
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
