//! The loop between the machine, its WebSocket and the clock.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use greenroom_protocol::livekit::proto::signal_response::Message as Response;
use greenroom_protocol::livekit::proto::{JoinResponse, ReconnectReason, signal_request};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_util::task::AbortOnDropHandle;

use super::error::{NotSent, SignalError};
use super::machine::{
    Attempt, EndReason, FIRST_RESPONSE_TIMEOUT, Output, Refusal, SignalEvent, SignalMachine,
};
use crate::dial::base_url::BaseUrl;
use crate::dial::dialer::Dialer;
use crate::dial::error::DialError;
use crate::dial::websocket::{Message, Request, WebSocket};

/// The version of LiveKit's protocol that is spoken: the newest one before servers move participants
/// between rooms (16), which is not done here.
const PROTOCOL: &str = "15";

/// Largest message that is taken. The list of 5,000 participants with names and attributes is a few
/// megabytes.
const MAX_MESSAGE_BYTES: usize = 16 * 1_024 * 1_024;
/// What waits to be written at most. Requests are small; an offer with many tracks is some 100 kB.
const MAX_WRITE_BYTES: usize = 4 * 1_024 * 1_024;

/// Longest wait for a frame to be taken by the socket. A path on which this takes longer is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the closing frame to be taken; it is a courtesy.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(250);

/// Events that wait for their reader; behind them the socket is not read.
const EVENTS: usize = 256;
/// Requests that wait for the socket.
const COMMANDS: usize = 256;

/// Where signalling is, and who asks.
#[derive(Clone)]
pub struct SignalConfig {
    /// The deployment.
    pub base: BaseUrl,
    /// LiveKit's access token.
    pub token: String,
}

impl fmt::Debug for SignalConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalConfig")
            .field("base", &self.base)
            .field("token", &"…")
            .finish()
    }
}

/// Signalling that was joined. Dropping it closes the connection without a word; [`SignalClient::leave`]
/// says goodbye.
#[derive(Debug)]
pub struct SignalClient {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<SignalEvent>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug)]
enum Command {
    Request(Box<signal_request::Message>),
    Reconnect(ReconnectReason, bool),
    Recovered,
    Leave,
}

impl SignalClient {
    /// Opens the connection and waits for the `JoinResponse`, ten seconds at most.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses the token, or does not speak LiveKit's protocol.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn connect(
        dialer: &Dialer,
        config: SignalConfig,
    ) -> Result<(JoinResponse, Self), SignalError> {
        let (commands, command_source) = mpsc::channel(COMMANDS);
        let (event_sink, events) = mpsc::channel(EVENTS);
        let (first, joined) = oneshot::channel();
        let server = config.base.to_string();
        let driver = Driver {
            dialer: dialer.clone(),
            config,
            machine: SignalMachine::new(),
            link: Link::None,
            events: event_sink,
            first: Some(first),
            refusal: None,
        };
        let task = AbortOnDropHandle::new(tokio::spawn(driver.run(command_source)));
        // A driver that ended without an answer has panicked; to the caller that is a lost connection.
        let join = joined.await.unwrap_or(Err(SignalError::Ended {
            server,
            reason: EndReason::ConnectionLost,
        }))?;
        let client = Self {
            commands,
            events,
            _task: task,
        };
        Ok((join, client))
    }

    /// The next event; `None` after [`SignalEvent::Ended`].
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next_event(&mut self) -> Option<SignalEvent> {
        self.events.recv().await
    }

    /// Sends a request, or keeps it until the connection is restored.
    ///
    /// # Errors
    /// When too much waits already, or signalling has ended.
    pub fn request(&self, request: signal_request::Message) -> Result<(), NotSent> {
        self.command(Command::Request(Box::new(request)))
    }

    /// Begins anew for media connections that broke: the participant is resumed, or joins anew.
    ///
    /// # Errors
    /// When signalling has ended.
    pub fn reconnect(&self, reason: ReconnectReason, anew: bool) -> Result<(), NotSent> {
        self.command(Command::Reconnect(reason, anew))
    }

    /// Media works again too, so that the next loss is given its full time.
    pub fn recovered(&self) {
        // Without it a later loss is given less time, which is no reason to fail now.
        let _unsent = self.command(Command::Recovered);
    }

    /// Says goodbye and closes; [`SignalEvent::Ended`] follows.
    ///
    /// # Errors
    /// When signalling has ended.
    pub fn leave(&self) -> Result<(), NotSent> {
        self.command(Command::Leave)
    }

    fn command(&self, command: Command) -> Result<(), NotSent> {
        self.commands
            .try_send(command)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => NotSent::QueueFull,
                mpsc::error::TrySendError::Closed(_) => NotSent::Ended,
            })
    }
}

/// Opens a connection to the server ahead of the join, which then finds its name looked up, and TCP and
/// TLS done.
///
/// # Errors
/// When the server cannot be reached; the join will tell the same.
///
/// # Cancel safety
/// Dropping the future ends the exchange.
pub async fn warm_up(dialer: &Dialer, base: &BaseUrl) -> Result<(), DialError> {
    let request = Request {
        path: "/rtc/validate",
        ..Request::default()
    };
    // Without a token the answer is a refusal, and the connection stays open all the same.
    dialer.get_text(base, &request).await.map(|_refusal| ())
}

type Opening = Pin<Box<dyn Future<Output = Result<Box<WebSocket>, SignalError>> + Send>>;

enum Link {
    None,
    Opening(Opening),
    Open(Box<WebSocket>),
}

enum Input {
    Opened(Result<Box<WebSocket>, SignalError>),
    Frame(Option<Message>),
    Tick,
    Command(Option<Command>),
}

struct Driver {
    dialer: Dialer,
    config: SignalConfig,
    machine: SignalMachine,
    link: Link,
    events: mpsc::Sender<SignalEvent>,
    first: Option<oneshot::Sender<Result<JoinResponse, SignalError>>>,
    refusal: Option<SignalError>,
}

impl Driver {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        self.machine.start();
        loop {
            while let Some(output) = self.machine.poll() {
                if !self.perform(output).await {
                    return;
                }
            }
            if self.machine.has_ended() {
                return;
            }
            let wake = self.machine.wake_at();
            let timer = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let input = tokio::select! {
                biased;
                input = next_of(&mut self.link) => input,
                command = commands.recv() => Input::Command(command),
                () = timer => Input::Tick,
            };
            if !self.handle(input) {
                return;
            }
        }
    }

    /// Gives the machine what happened. `false` when nobody is there any more.
    fn handle(&mut self, input: Input) -> bool {
        let now = now();
        match input {
            Input::Opened(Ok(socket)) => {
                self.link = Link::Open(socket);
                self.machine.opened(now);
            }
            Input::Opened(Err(error)) => {
                self.link = Link::None;
                let refusal = if error.is_transient() {
                    Refusal::Unavailable
                } else {
                    Refusal::Denied
                };
                tracing::debug!(%error, "signalling was not opened");
                self.refusal = Some(error);
                self.machine.refused(now, refusal);
            }
            Input::Frame(Some(Message::Binary(bytes))) => self.machine.received(now, &bytes),
            // LiveKit speaks JSON only to whom asked for it.
            Input::Frame(Some(Message::Text(_))) => self.machine.received(now, &[]),
            Input::Frame(Some(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Input::Frame(Some(Message::Close(_)) | None) => {
                self.link = Link::None;
                self.machine.closed(now);
            }
            Input::Tick => self.machine.tick(now),
            Input::Command(None) => return false,
            Input::Command(Some(Command::Request(request))) => {
                if let Err(error) = self.machine.request(*request) {
                    tracing::warn!(%error, "a request is dropped");
                }
            }
            Input::Command(Some(Command::Reconnect(reason, anew))) => {
                self.machine.reconnect(now, reason, anew);
            }
            Input::Command(Some(Command::Recovered)) => self.machine.recovered(),
            Input::Command(Some(Command::Leave)) => self.machine.leave(),
        }
        true
    }

    /// Does what the machine says. `false` when nobody listens any more.
    async fn perform(&mut self, output: Output) -> bool {
        match output {
            Output::Open(attempt) => {
                let opening = open(self.dialer.clone(), self.config.clone(), attempt);
                self.link = Link::Opening(Box::pin(opening));
            }
            Output::Send(frame) => {
                let Link::Open(socket) = &mut self.link else {
                    return true;
                };
                let sent = socket.send(Message::Binary(frame.into()));
                if !matches!(tokio::time::timeout(WRITE_TIMEOUT, sent).await, Ok(Ok(()))) {
                    self.link = Link::None;
                    self.machine.closed(now());
                }
            }
            Output::Close => {
                if let Link::Open(mut socket) = std::mem::replace(&mut self.link, Link::None) {
                    // A courtesy: the server sees the end of the connection anyway.
                    let _late = tokio::time::timeout(CLOSE_TIMEOUT, socket.close()).await;
                }
            }
            Output::Event(SignalEvent::Response(response)) => {
                return match *response {
                    // Tokens are renewed so that a reconnection does not bring one that ran out.
                    Response::RefreshToken(token) => {
                        self.config.token = token;
                        true
                    }
                    response => self.tell(SignalEvent::Response(Box::new(response))).await,
                };
            }
            Output::Event(event) => return self.tell(event).await,
        }
        true
    }

    async fn tell(&mut self, event: SignalEvent) -> bool {
        let Some(first) = self.first.take() else {
            return self.events.send(event).await.is_ok();
        };
        match event {
            SignalEvent::Joined(join) => first.send(Ok(*join)).is_ok(),
            SignalEvent::Ended(reason) => {
                let error = self.why_not_joined(reason);
                // Whoever waits no longer needs no reason.
                let _gone = first.send(Err(error));
                false
            }
            _ => {
                self.first = Some(first);
                true
            }
        }
    }

    fn why_not_joined(&mut self, reason: EndReason) -> SignalError {
        let server = self.config.base.to_string();
        match (self.refusal.take(), reason) {
            (Some(refusal), _) => refusal,
            (None, EndReason::NotLiveKit) => SignalError::NotLiveKit { server },
            (None, EndReason::NoJoinResponse) => SignalError::NoJoinResponse {
                server,
                waited: FIRST_RESPONSE_TIMEOUT,
            },
            (None, reason) => SignalError::Ended { server, reason },
        }
    }
}

async fn next_of(link: &mut Link) -> Input {
    match link {
        Link::None => std::future::pending().await,
        Link::Opening(opening) => Input::Opened(opening.await),
        // An error of the WebSocket is the end of it.
        Link::Open(socket) => Input::Frame(socket.next().await.and_then(Result::ok)),
    }
}

/// Opens the WebSocket; when that fails, asks for the reason.
async fn open(
    dialer: Dialer,
    config: SignalConfig,
    attempt: Attempt,
) -> Result<Box<WebSocket>, SignalError> {
    if !config.token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SignalError::Token {
            server: config.base.to_string(),
        });
    }
    let mut query = vec![
        ("protocol", PROTOCOL),
        ("auto_subscribe", "1"),
        ("adaptive_stream", "0"),
    ];
    let reason_number;
    if let Attempt::Resume { sid, reason } = &attempt {
        reason_number = (*reason as i32).to_string();
        query.push(("reconnect", "1"));
        query.push(("sid", sid));
        query.push(("reconnect_reason", &reason_number));
    }
    let request = Request {
        path: "/rtc",
        query: &query,
        bearer: Some(&config.token),
    };
    let bounds = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
        .max_write_buffer_size(MAX_WRITE_BYTES);
    let opened = dialer
        .open_websocket_as(&config.base, &request, Some(bounds))
        .await;
    match opened {
        Ok(socket) => Ok(Box::new(socket)),
        Err(dial) => {
            let request = Request {
                path: "/rtc/validate",
                query: &query,
                bearer: Some(&config.token),
            };
            let server = config.base.to_string();
            match dialer.get_text(&config.base, &request).await {
                Ok((status @ (400..=407 | 409..=428 | 430..=499), words)) => {
                    Err(SignalError::Denied {
                        server,
                        status,
                        words: one_line(&words),
                    })
                }
                Ok((status @ (408 | 429 | 500..), words)) => Err(SignalError::Unavailable {
                    server,
                    status,
                    words: one_line(&words),
                }),
                // The token is good, or this cannot be asked: then the first error tells more.
                Ok(_) | Err(_) => Err(SignalError::Dial(dial)),
            }
        }
    }
}

/// What a server said, on one line and without control characters.
fn one_line(words: &str) -> String {
    const MOST: usize = 200;
    let plain = words.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(MOST).collect::<String>().trim().to_owned()
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
