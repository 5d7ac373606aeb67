//! The WebSocket of session control.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures_util::{SinkExt as _, StreamExt as _, stream::SplitSink, stream::SplitStream};
use greenroom_protocol::session::message::{
    ClientMessage, MAX_CLIENT_MESSAGE_BYTES, Refusal, RefusalCode, ServerMessage,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::service::{Control, Participation};
use super::store::Subscription;
use crate::clock::{self, Clock};

/// A connection that was opened ahead may be silent for so long before it asks to join.
const FIRST_MESSAGE: Duration = Duration::from_secs(30);
/// After so long without a message a connection is closed: five heartbeats.
const SILENCE: Duration = Duration::from_secs(10);
/// Longest time one message takes to be written.
const WRITE: Duration = Duration::from_secs(10);
/// Messages that a client may send in a second; beyond that it is read more slowly.
const MESSAGES_PER_SECOND: u32 = 50;

type Sink = SplitSink<WebSocket, Message>;
type Stream = SplitStream<WebSocket>;

/// Why a connection is closed, as its client reads it.
struct Close(u16, &'static str);

/// Serves one connection to its end.
pub(crate) async fn serve(
    control: Arc<Control>,
    ip: IpAddr,
    socket: WebSocket,
    stop: CancellationToken,
) {
    let (mut sink, mut stream) = socket.split();
    let close = tokio::select! {
        close = converse(&control, ip, &mut sink, &mut stream) => close,
        () = stopped(&stop) => Some(Close(close_code::AWAY, "the server is stopping")),
    };
    if let Some(Close(code, reason)) = close {
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        // Whether the client hears it does not matter: the connection is closed next.
        let _ = timeout(WRITE, sink.send(Message::Close(Some(frame)))).await;
    }
}

/// The clients are told by their sessions first.
async fn stopped(stop: &CancellationToken) {
    stop.cancelled().await;
    clock::wait(Duration::from_millis(100)).await;
}

async fn converse(
    control: &Control,
    ip: IpAddr,
    sink: &mut Sink,
    stream: &mut Stream,
) -> Option<Close> {
    let first = match timeout(FIRST_MESSAGE, next(stream)).await {
        Ok(Ok(message)) => message,
        Ok(Err(close)) => return close,
        Err(_elapsed) => return Some(Close(close_code::POLICY, "nothing was said")),
    };
    let admitted = match first {
        ClientMessage::Join(request) => control.join(request, ip, true).await,
        ClientMessage::Resume { ticket } => {
            // One who was away when the session ended for them still learns why.
            if let Some(ended) = control.epitaph(&ticket) {
                let _ = say(sink, &ended).await;
                return Some(Close(close_code::NORMAL, "the session is over"));
            }
            control.resume(ticket).await
        }
        ClientMessage::Heartbeat | ClientMessage::Act { .. } => {
            let words = "the first message asks to join or to resume";
            Err(Refusal::new(RefusalCode::BadMessage, words))
        }
    };
    let (who, admitted, subscription) = match admitted {
        Ok(admitted) => admitted,
        Err(error) => {
            let _ = say(sink, &ServerMessage::Refused { error }).await;
            return Some(Close(close_code::NORMAL, "refused"));
        }
    };
    let welcome = ServerMessage::Admitted(Box::new(admitted));
    let close = match say(sink, &welcome).await {
        Ok(()) => participate(control, &who, subscription, sink, stream).await,
        Err(close) => close,
    };
    control.disconnected(&who).await;
    close
}

/// Tells changes and takes messages until the client leaves or has to.
async fn participate(
    control: &Control,
    who: &Participation,
    mut subscription: Subscription,
    sink: &mut Sink,
    stream: &mut Stream,
) -> Option<Close> {
    let mut pace = Pace::new();
    loop {
        tokio::select! {
            delivery = subscription.deliveries.recv() => {
                let delivery = delivery?;
                subscription.backlog.taken();
                if let Err(close) = write(sink, Message::text(&*delivery.text)).await {
                    return close;
                }
                if delivery.last {
                    return Some(Close(close_code::NORMAL, "the session is over"));
                }
                if let Err(close) = catch_up(control, who, &subscription, sink).await {
                    return close;
                }
            }
            message = timeout(SILENCE, next(stream)) => {
                let message = match message {
                    Ok(Ok(message)) => message,
                    Ok(Err(close)) => return close,
                    Err(_elapsed) => return Some(Close(close_code::POLICY, "nothing was heard")),
                };
                pace.keep().await;
                if let Err(close) = take(control, who, message, sink).await {
                    return close;
                }
            }
        }
    }
}

/// Sends the whole list when changes were left out and everything before them was read.
async fn catch_up(
    control: &Control,
    who: &Participation,
    subscription: &Subscription,
    sink: &mut Sink,
) -> Result<(), Option<Close>> {
    if !subscription.deliveries.is_empty() {
        return Ok(());
    }
    // First, so that a change that is left out from now on is noticed.
    if !subscription.backlog.lagged.swap(false, Ordering::AcqRel) {
        return Ok(());
    }
    match control.snapshot(who).await {
        Some(snapshot) => say(sink, &ServerMessage::Snapshot(snapshot)).await,
        None => Ok(()),
    }
}

async fn take(
    control: &Control,
    who: &Participation,
    message: ClientMessage,
    sink: &mut Sink,
) -> Result<(), Option<Close>> {
    match message {
        ClientMessage::Heartbeat => {
            control.heard(who).await;
            Ok(())
        }
        ClientMessage::Act { request, action } => {
            control.heard(who).await;
            let answer = match control.act(who, action).await {
                Ok(()) => ServerMessage::Done { request },
                Err(error) => ServerMessage::Denied { request, error },
            };
            say(sink, &answer).await
        }
        ClientMessage::Join(_) | ClientMessage::Resume { .. } => {
            let words = "this connection has joined already";
            let error = Refusal::new(RefusalCode::BadMessage, words);
            say(sink, &ServerMessage::Refused { error }).await?;
            Err(Some(Close(close_code::POLICY, words)))
        }
    }
}

/// The next message. Its error is the end: `None` when the client closed.
async fn next(stream: &mut Stream) -> Result<ClientMessage, Option<Close>> {
    loop {
        let message = match stream.next().await {
            None | Some(Ok(Message::Close(_))) => return Err(None),
            Some(Err(_broken)) => return Err(Some(Close(close_code::POLICY, "broken frame"))),
            Some(Ok(message)) => message,
        };
        match message {
            Message::Text(text) => {
                return serde_json::from_str(&text).map_err(|_error| {
                    Some(Close(close_code::INVALID, "not a message of this protocol"))
                });
            }
            Message::Binary(_) => return Err(Some(Close(close_code::UNSUPPORTED, "not text"))),
            // Answered by the library.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => {}
        }
    }
}

async fn say(sink: &mut Sink, message: &ServerMessage) -> Result<(), Option<Close>> {
    // Made of plain data, which always becomes JSON.
    let text = serde_json::to_string(message).unwrap_or_default();
    write(sink, Message::text(text)).await
}

async fn write(sink: &mut Sink, message: Message) -> Result<(), Option<Close>> {
    match timeout(WRITE, sink.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_closed)) => Err(None),
        Err(_elapsed) => Err(Some(Close(close_code::POLICY, "messages are not read"))),
    }
}

/// Bounds how fast messages of one client are taken: each may be told to everybody.
struct Pace {
    clock: Clock,
    second: u64,
    taken: u32,
}

impl Pace {
    fn new() -> Self {
        Self {
            clock: Clock::start(),
            second: 0,
            taken: 0,
        }
    }

    async fn keep(&mut self) {
        let elapsed = self.clock.elapsed();
        if elapsed.as_secs() != self.second {
            self.second = elapsed.as_secs();
            self.taken = 0;
        }
        self.taken += 1;
        if self.taken > MESSAGES_PER_SECOND {
            let left = Duration::from_secs(self.second + 1).saturating_sub(elapsed);
            clock::wait(left).await;
        }
    }
}

/// Largest message that is read.
pub(crate) const MAX_MESSAGE: usize = MAX_CLIENT_MESSAGE_BYTES;
