//! One connection to session control: messages and pings out, messages in, each within bounds.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use greenroom_protocol::session::message::{CONTROL_PATH, ClientMessage, ServerMessage};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_util::task::AbortOnDropHandle;

use crate::dial::base_url::BaseUrl;
use crate::dial::dialer::Dialer;
use crate::dial::error::DialError;
use crate::dial::websocket::{Message, Request, WebSocket};

/// Largest message that is taken: the list of 5,000 users with long names is a few megabytes.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// What waits to be written at most.
const MAX_WRITE_BYTES: usize = 256 * 1024;
/// Longest wait for a frame to be taken by the socket.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the closing frame to be taken; it is a courtesy.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(250);
/// Messages that wait for the socket.
const OUTGOING: usize = 128;
/// Messages that wait for their reader; behind them the socket is not read.
const INCOMING: usize = 256;

/// Opens the WebSocket of session control.
///
/// # Errors
/// When the server cannot be reached, or does not switch protocols.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub(super) async fn open(dialer: &Dialer, base: &BaseUrl) -> Result<WebSocket, DialError> {
    let request = Request {
        path: CONTROL_PATH,
        ..Request::default()
    };
    let bounds = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_WRITE_BYTES);
    dialer.open_websocket_as(base, &request, Some(bounds)).await
}

/// What came.
#[derive(Debug)]
pub(super) enum Received {
    /// A message.
    Message(Box<ServerMessage>),
    /// A ping or its answer.
    Sign,
    /// The end, and how it came.
    Closed(String),
}

/// A connection in use. Dropping it closes it at once; [`ControlConnection::finish`] writes first what was
/// sent.
#[derive(Debug)]
pub(super) struct ControlConnection {
    outgoing: mpsc::Sender<Outgoing>,
    incoming: mpsc::Receiver<Received>,
    task: AbortOnDropHandle<()>,
}

#[derive(Debug)]
enum Outgoing {
    Text(String),
    Ping,
}

impl ControlConnection {
    /// Uses an open socket.
    pub(super) fn new(socket: WebSocket) -> Self {
        let (outgoing, from_client) = mpsc::channel(OUTGOING);
        let (to_client, incoming) = mpsc::channel(INCOMING);
        let task = tokio::spawn(converse(socket, from_client, to_client));
        Self {
            outgoing,
            incoming,
            task: AbortOnDropHandle::new(task),
        }
    }

    /// Sends a message; `false` when the socket does not keep up, and the connection is as good as lost.
    pub(super) fn send(&self, message: &ClientMessage) -> bool {
        // Plain data, which always becomes JSON.
        let text = serde_json::to_string(message).unwrap_or_default();
        self.outgoing.try_send(Outgoing::Text(text)).is_ok()
    }

    /// Sends a ping.
    pub(super) fn ping(&self) -> bool {
        self.outgoing.try_send(Outgoing::Ping).is_ok()
    }

    /// Writes what was sent, closes, and is done within seconds.
    pub(super) fn finish(self) -> AbortOnDropHandle<()> {
        self.task
    }

    /// What came next.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn receive(&mut self) -> Received {
        let received = self.incoming.recv().await;
        received.unwrap_or_else(|| Received::Closed("it was closed".to_owned()))
    }
}

async fn converse(
    mut socket: WebSocket,
    mut outgoing: mpsc::Receiver<Outgoing>,
    incoming: mpsc::Sender<Received>,
) {
    let end = loop {
        tokio::select! {
            message = outgoing.recv() => {
                let message = match message {
                    Some(Outgoing::Text(text)) => Message::text(text),
                    Some(Outgoing::Ping) => Message::Ping(Vec::new().into()),
                    None => break None,
                };
                match timeout(WRITE_TIMEOUT, socket.send(message)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => break Some(error.to_string()),
                    Err(_elapsed) => break Some("it takes no more messages".to_owned()),
                }
            }
            frame = socket.next() => {
                let received = match frame {
                    Some(Ok(frame)) => read(frame),
                    Some(Err(error)) => Received::Closed(error.to_string()),
                    None => Received::Closed("it was closed".to_owned()),
                };
                let received = match received {
                    Received::Closed(why) => break Some(why),
                    received => received,
                };
                if incoming.send(received).await.is_err() {
                    break None;
                }
            }
        }
    };
    if let Some(why) = end {
        // Nobody may listen any more, which is fine.
        let _gone = incoming.send(Received::Closed(why)).await;
    }
    // Whether the server hears it does not matter: the socket is closed next.
    let _said = timeout(CLOSE_TIMEOUT, socket.close(None)).await;
}

fn read(frame: Message) -> Received {
    match frame {
        Message::Text(text) => match serde_json::from_str(&text) {
            Ok(message) => Received::Message(Box::new(message)),
            // A newer server may say what is not known here; the text may hold secrets and is not told.
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                tracing::debug!(
                    line,
                    column,
                    "a message of session control is not understood"
                );
                Received::Sign
            }
        },
        Message::Close(Some(close)) if !close.reason.is_empty() => {
            let said: String = close.reason.chars().take(200).collect();
            Received::Closed(format!("the server closed it: {said}"))
        }
        Message::Close(_) => Received::Closed("the server closed it".to_owned()),
        _ => Received::Sign,
    }
}
