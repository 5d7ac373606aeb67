//! One signalling connection.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::ws::{CloseFrame, Message, WebSocket, close_code},
};
use greenroom_protocol::livekit::proto::{
    DisconnectReason, LeaveRequest, Message as _, SignalRequest, SignalResponse, leave_request,
    signal_response,
};
use tokio::{sync::mpsc, time::timeout};

use crate::engine::{core::effect::ConnId, core::participant::Joining, handle::Shared};

/// Serves one connection until it ends.
pub(super) async fn serve(shared: &Arc<Shared>, joining: Joining, mut socket: WebSocket) {
    let (conn, mut frames) = match shared.join(joining) {
        Ok(joined) => joined,
        // Somebody else took the last place since the upgrade.
        Err(refusal) => {
            let reason = refusal.to_string();
            send(shared, &mut socket, refused()).await;
            close(shared, &mut socket, (close_code::POLICY, &reason)).await;
            return;
        }
    };
    let end = converse(shared, conn, &mut frames, &mut socket).await;
    // What is still to be sent is not heard any more when the client left or does not read.
    shared.disconnected(conn);
    if let End::Over(code, reason) = end {
        close(shared, &mut socket, (code, reason)).await;
    }
}

/// How a conversation ends.
enum End {
    /// The client is gone, or does not read.
    Gone,
    /// It is told why.
    Over(u16, &'static str),
}

async fn converse(
    shared: &Arc<Shared>,
    conn: ConnId,
    frames: &mut mpsc::Receiver<Bytes>,
    socket: &mut WebSocket,
) -> End {
    loop {
        tokio::select! {
            biased;
            frame = frames.recv() => {
                let Some(frame) = frame else {
                    return End::Over(close_code::NORMAL, "");
                };
                if !send(shared, socket, Message::Binary(frame)).await {
                    return End::Gone;
                }
            }
            message = socket.recv() => match message {
                Some(Ok(message)) => {
                    if let Err(end) = take(shared, conn, &message) {
                        return end;
                    }
                }
                Some(Err(error)) => return broken(&error),
                None => return End::Gone,
            },
        }
    }
}

fn take(shared: &Shared, conn: ConnId, message: &Message) -> Result<(), End> {
    match message {
        Message::Binary(frame) => {
            let Ok(request) = SignalRequest::decode(frame.clone()) else {
                let text = "the message is no SignalRequest in protobuf";
                return Err(End::Over(close_code::INVALID, text));
            };
            let taken = shared.receive(conn, request);
            taken.map_err(|broken| End::Over(close_code::POLICY, broken.0))
        }
        Message::Text(_) => {
            let text = "messages are protobuf, in binary frames";
            Err(End::Over(close_code::UNSUPPORTED, text))
        }
        Message::Ping(_) | Message::Pong(_) => {
            shared.heard(conn);
            Ok(())
        }
        Message::Close(_) => Err(End::Gone),
    }
}

/// Something other than a message came; one that is too long ends here, too.
fn broken(error: &axum::Error) -> End {
    tracing::debug!(%error, "a signalling connection broke");
    End::Over(close_code::SIZE, "the message is too long, or broken")
}

/// Whether the client took it in time.
async fn send(shared: &Shared, socket: &mut WebSocket, message: Message) -> bool {
    let sent = timeout(shared.config.timeouts.send_timeout, socket.send(message)).await;
    matches!(sent, Ok(Ok(())))
}

async fn close(shared: &Shared, socket: &mut WebSocket, (code, reason): (u16, &str)) {
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    // Whether the client hears it does not matter: the connection is closed next.
    send(shared, socket, Message::Close(Some(frame))).await;
}

fn refused() -> Message {
    let leave = LeaveRequest {
        reason: DisconnectReason::JoinFailure.into(),
        action: leave_request::Action::Disconnect.into(),
        ..LeaveRequest::default()
    };
    let response = SignalResponse {
        message: Some(signal_response::Message::Leave(leave)),
    };
    Message::Binary(response.encode_to_vec().into())
}
