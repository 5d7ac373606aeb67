//! The HTTP side of session control: for clients that bring a LiveKit SDK of their own.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State, WebSocketUpgrade};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use greenroom_protocol::session::message::{
    ACTION_PATH, Action, CONTROL_PATH, JOIN_PATH, JoinRequest, OPENAPI_PATH, Refusal, RefusalCode,
    Ticket,
};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::openapi;
use super::service::Control;
use super::socket::{self, MAX_MESSAGE};
use super::webhook::{WEBHOOK_PATH, WebhookKey};
use crate::http::slots::Slot;

/// Write buffer of one connection.
const WRITE_BUFFER: usize = 256 * 1024;

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    /// Session control.
    pub(crate) control: Arc<Control>,
    /// Tasks of connections.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when everything has to end.
    pub(crate) stop: CancellationToken,
    /// Of a LiveKit cluster that posts what happens.
    pub(crate) webhook: Option<WebhookKey>,
}

/// Who asks, as a proxy that is trusted tells it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientIp(pub(crate) IpAddr);

/// The routes.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(desk: Desk) -> Router<S> {
    Router::new()
        .route(CONTROL_PATH, get(upgrade))
        .route(JOIN_PATH, post(join))
        .route(ACTION_PATH, post(act))
        .route(WEBHOOK_PATH, post(webhook))
        .route(OPENAPI_PATH, get(openapi::document))
        .layer(DefaultBodyLimit::max(MAX_MESSAGE))
        .with_state(desk)
}

async fn upgrade(
    State(desk): State<Desk>,
    Extension(ClientIp(ip)): Extension<ClientIp>,
    Extension(connection): Extension<Arc<Slot>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Desk {
        control,
        tasks,
        stop,
        ..
    } = desk;
    upgrade
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .on_upgrade(move |socket| {
            tasks.track_future(async move {
                socket::serve(control, ip, socket, stop).await;
                drop(connection);
            })
        })
}

async fn join(
    State(desk): State<Desk>,
    Extension(ClientIp(ip)): Extension<ClientIp>,
    body: Bytes,
) -> Response {
    let request: JoinRequest = match read(&body) {
        Ok(request) => request,
        Err(refusal) => return refused(&refusal),
    };
    match desk.control.join(request, ip, false).await {
        Ok((_, admitted, _)) => Json(admitted).into_response(),
        Err(refusal) => refused(&refusal),
    }
}

async fn act(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> Response {
    match try_act(&desk.control, &headers, &body).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refused(&refusal),
    }
}

async fn try_act(control: &Control, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
    let ticket = bearer(headers).ok_or_else(|| {
        let words = "the ticket is missing; it goes into the header Authorization: Bearer";
        Refusal::new(RefusalCode::UnknownTicket, words)
    })?;
    let action: Action = read(body)?;
    let who = control.recognize(&ticket).await?;
    control.act(&who, action).await
}

async fn webhook(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(key) = &desk.webhook else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let authorization = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    match key.read(authorization.unwrap_or_default(), &body) {
        Ok(Some((room, event))) => {
            desk.control.engine_event(&room, event).await;
            StatusCode::OK.into_response()
        }
        Ok(None) => StatusCode::OK.into_response(),
        Err(words) => (StatusCode::UNAUTHORIZED, words).into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<Ticket> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let ticket = text.strip_prefix("Bearer ")?;
    Some(Ticket(ticket.trim().to_owned()))
}

/// What is wrong is told by place and kind, never by the text itself, which may hold secrets.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        let kind = match error.classify() {
            serde_json::error::Category::Data => "has a field that is missing, unknown or wrong",
            _ => "is no JSON",
        };
        let place = format!("line {}, column {}", error.line(), error.column());
        Refusal::new(
            RefusalCode::BadMessage,
            format!("the body {kind} at {place}; {OPENAPI_PATH} describes it"),
        )
    })
}

fn refused(refusal: &Refusal) -> Response {
    let mut response = (status(refusal.code), Json(refusal)).into_response();
    if let Some(wait) = refusal.retry_after_ms {
        let seconds = HeaderValue::from(wait.div_ceil(1000));
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}

const fn status(code: RefusalCode) -> StatusCode {
    match code {
        RefusalCode::InvalidParameter | RefusalCode::BadMessage => StatusCode::BAD_REQUEST,
        RefusalCode::InvalidToken
        | RefusalCode::TokenExpired
        | RefusalCode::TokenNotYetValid
        | RefusalCode::UnknownTicket => StatusCode::UNAUTHORIZED,
        RefusalCode::TopicMismatch
        | RefusalCode::WrongPasscode
        | RefusalCode::RemovedFromSession
        | RefusalCode::HostRequired
        | RefusalCode::HostOrManagerRequired => StatusCode::FORBIDDEN,
        RefusalCode::UnknownUser => StatusCode::NOT_FOUND,
        RefusalCode::NotPossible => StatusCode::CONFLICT,
        RefusalCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        RefusalCode::NotSupported => StatusCode::NOT_IMPLEMENTED,
        RefusalCode::CapacityExceeded | RefusalCode::ServerShutdown => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        RefusalCode::EngineFailed => StatusCode::BAD_GATEWAY,
    }
}
