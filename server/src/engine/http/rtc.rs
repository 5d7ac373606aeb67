//! `GET /rtc`, and what clients ask when it does not work.

use std::sync::Arc;

use axum::{
    Router,
    extract::{
        DefaultBodyLimit, State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection,
    },
    http::{HeaderMap, StatusCode, Uri, header::ACCESS_CONTROL_ALLOW_ORIGIN},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use greenroom_protocol::livekit::proto::ClientInfo;

use super::{
    socket,
    token::{grants_of, query_value},
    twirp,
};
use crate::engine::{
    core::{participant::Joining, rooms::JoinRefusal},
    handle::Shared,
};

/// Read buffer of one signalling connection: the usual message.
const READ_BUFFER: usize = 4 * 1024;

/// The engine's routes.
pub(in crate::engine) fn router(shared: Arc<Shared>) -> Router {
    // Metadata is the longest part of a request.
    let longest = shared.config.limits.max_message_bytes;
    Router::new()
        .route("/rtc", get(upgrade))
        .route("/rtc/validate", get(validate))
        .route("/rtc/v1", any(no_v1))
        .route("/rtc/v1/validate", any(no_v1))
        .route("/twirp/livekit.RoomService/{method}", post(twirp::answer))
        .layer(DefaultBodyLimit::max(longest))
        .with_state(shared)
}

/// Clients of LiveKit try version 1 first; a 404 is how they learn that version 0 is spoken here.
async fn no_v1() -> Response {
    text(
        StatusCode::NOT_FOUND,
        "version 1 of the protocol is not spoken here; version 0 is, at /rtc",
    )
}

async fn validate(State(shared): State<Arc<Shared>>, headers: HeaderMap, uri: Uri) -> Response {
    match admit(&shared, &headers, &uri).await {
        Ok(_) => text(StatusCode::OK, "success"),
        Err((status, reason)) => text(status, &reason),
    }
}

async fn upgrade(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let joining = match admit(&shared, &headers, &uri).await {
        Ok(joining) => joining,
        Err((status, reason)) => return text(status, &reason),
    };
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let longest = shared.config.limits.max_message_bytes;
    let tasks = shared.tasks.clone();
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(longest)
        .max_frame_size(longest)
        .on_upgrade(move |socket| {
            tasks.track_future(async move { socket::serve(&shared, joining, socket).await })
        })
}

/// Who wants in, or why it does not get in.
async fn admit(
    shared: &Shared,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Joining, (StatusCode, String)> {
    let grants = grants_of(&shared.config, headers, uri)
        .map_err(|error| (StatusCode::UNAUTHORIZED, error.to_string()))?;
    let number = |name| query_value(uri, name).and_then(|value| value.parse().ok());
    let returns = query_value(uri, "reconnect").is_some_and(|it| it == "1" || it == "true");
    let sid = query_value(uri, "sid").unwrap_or_default();
    let joining = Joining {
        grants,
        client: ClientInfo {
            protocol: number("protocol").unwrap_or_default(),
            client_protocol: number("client_protocol").unwrap_or_default(),
            ..ClientInfo::default()
        },
        resume: returns.then_some(sid),
    };
    if let Err(refusal) = shared.admits(&joining) {
        return Err((status_of(&refusal), refusal.to_string()));
    }
    let expected = match shared.guard.get() {
        Some(guard) => {
            guard
                .expects(&joining.grants.video.room, &joining.grants.identity)
                .await
        }
        None => true,
    };
    if expected {
        return Ok(joining);
    }
    let words = "nobody of that identity is expected in the room (any more)";
    Err((StatusCode::FORBIDDEN, words.to_owned()))
}

fn status_of(refusal: &JoinRefusal) -> StatusCode {
    match refusal {
        JoinRefusal::NoGrant | JoinRefusal::RoomFull(_) => StatusCode::FORBIDDEN,
        JoinRefusal::NoIdentity | JoinRefusal::TooLong(_) => StatusCode::BAD_REQUEST,
        JoinRefusal::NoRoom(_) => StatusCode::NOT_FOUND,
        JoinRefusal::ServerFull | JoinRefusal::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Readable for pages of any origin: a browser's client tells the user.
fn text(status: StatusCode, text: &str) -> Response {
    let headers = [(ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    (status, headers, text.to_owned()).into_response()
}
