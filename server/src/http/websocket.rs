//! The WebSocket that carries the datagrams of clients that UDP does not reach.
//!
//! One binary message is one datagram. Answers leave before the packets of a load, and of those no
//! more are made before the last ones were taken: TCP sets the pace. Little is queued here, and
//! when that is full, a client that does not read is not read from either.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, WebSocket, close_code},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use tokio::time::{timeout, timeout_at};

use super::{
    app::{App, Peer, unavailable},
    conversation::{Incoming, Outbox, Reason, Stuck},
    slots::Slot,
};
use crate::{
    clock,
    config::limits::{WEBSOCKET_SEND, WEBSOCKET_SLACK},
};

/// Read buffer of one WebSocket: a few datagrams.
const READ_BUFFER: usize = 8 * 1024;
/// Longest write buffer of one WebSocket; replies are flushed one by one.
const WRITE_BUFFER: usize = 16 * 1024;

/// The place of the TCP connection, kept as long as the WebSocket on it.
pub(super) type ConnectionSlot = Arc<Slot>;

/// Answers `GET /measure`.
pub(super) async fn upgrade(
    State(app): State<Arc<App>>,
    Extension(Peer(peer)): Extension<Peer>,
    Extension(connection): Extension<ConnectionSlot>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if app.is_draining() {
        return unavailable("the server is stopping");
    }
    let client = app.client(peer, &headers);
    let Some(slot) = app.websockets.take(Some(client.ip())) else {
        let text = "too many WebSockets are open, from this address or in all\n";
        return (StatusCode::TOO_MANY_REQUESTS, text).into_response();
    };
    let largest = usize::from(app.limits.measure.max_datagram_bytes);
    let tasks = app.websocket_tasks.clone();
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_message_size(largest)
        .max_frame_size(largest)
        .on_upgrade(move |socket| {
            tasks.track_future(async move {
                serve(&app, client, socket).await;
                drop((slot, connection));
            })
        })
}

async fn serve(app: &App, client: SocketAddr, mut socket: WebSocket) {
    let longest = Duration::from_millis(app.limits.measure.max_session_ms.into());
    let end = clock::deadline_in(longest + WEBSOCKET_SLACK);
    let reason = tokio::select! {
        biased;
        () = app.stop.cancelled() => Some((close_code::AWAY, "the server is stopping")),
        reason = timeout_at(end, converse(app, client, &mut socket)) => {
            reason.unwrap_or(Some((close_code::POLICY, "the session is over")))
        }
    };
    if let Some((code, reason)) = reason {
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        // Whether the client hears it does not matter: the connection is closed next.
        let _ = timeout(
            WEBSOCKET_SEND,
            socket.send(axum::extract::ws::Message::Close(Some(frame))),
        )
        .await;
    }
}

/// Answers messages and sends loads until the client leaves (`None`) or has to.
async fn converse(app: &App, client: SocketAddr, socket: &mut WebSocket) -> Option<Reason> {
    let (sink, stream) = socket.split();
    let mut outbox = Outbox::new(app, client, sink);
    let mut incoming = Incoming::new(app, stream);
    loop {
        let room = outbox.has_room();
        // Neither direction goes first: a flood in one must not hold up the other.
        tokio::select! {
            stepped = outbox.step() => match stepped {
                Ok(()) => {}
                Err(Stuck::Left) => return None,
                Err(Stuck::NotRead) => return Some((close_code::POLICY, "replies are not read")),
            },
            datagram = incoming.next(), if room => match datagram {
                Ok(datagram) => outbox.answer(&datagram),
                Err(reason) => return reason,
            },
        }
    }
}
