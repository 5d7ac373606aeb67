//! Routes and their answers.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE,
            RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::{self, Next},
    response::{Html, IntoResponse, Json, Response},
    routing::get,
};
use greenroom_protocol::discovery::{DISCOVERY_PATH, Discovery};
use greenroom_protocol::session::message::{ACTION_PATH, CONTROL_PATH, JOIN_PATH, OPENAPI_PATH};
use ipnet::IpNet;
use serde_json::json;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{client, page, slots::Slots, websocket};
use crate::{
    clock, config::limits::ServeLimits, control::routes::ClientIp, metrics::Metrics,
    responder::stream::StreamResponder, turn::service::RelayMinter,
};

/// Path of the WebSocket.
pub(crate) const WEBSOCKET_PATH: &str = "/measure";

/// Seconds after which a client may ask a stopping or full server again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("10");

/// The peer of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct App {
    /// The discovery document, but for the time and the relay.
    pub(crate) discovery: Discovery,
    /// Makes the document's credentials of the relay, when there is one.
    pub(crate) relay: Option<RelayMinter>,
    /// The URL when a request does not tell it.
    pub(crate) fallback_url: String,
    /// The URL that the operator gave.
    pub(crate) public_url: Option<String>,
    /// Whether clients come over TLS.
    pub(crate) tls: bool,
    /// Who may read `/metrics` on the main listener.
    pub(crate) metrics_access: MetricsAccess,
    /// Proxies that are believed.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Limits.
    pub(crate) limits: ServeLimits,
    /// Metrics.
    pub(crate) metrics: Metrics,
    /// The WebSocket responder.
    pub(crate) stream: Arc<StreamResponder>,
    /// TCP connections.
    pub(crate) connections: Arc<Slots>,
    /// WebSocket connections.
    pub(crate) websockets: Arc<Slots>,
    /// The tasks of WebSocket connections.
    pub(crate) websocket_tasks: TaskTracker,
    /// TLS handshakes that failed or took too long.
    pub(crate) handshakes_failed: Arc<AtomicU64>,
    /// Set once the server is to stop: new clients are sent away, those who measure go on.
    pub(crate) draining: AtomicBool,
    /// Cancelled when everything has to end.
    pub(crate) stop: CancellationToken,
}

/// Who may read `/metrics` on the main listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricsAccess {
    /// This machine.
    Local,
    /// Everybody.
    Public,
    /// Nobody; there is a listener for it.
    Elsewhere,
}

impl App {
    /// Whether the server is about to stop.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Whether `peer` is a proxy of the operator's, which stands for many clients.
    pub(crate) fn is_proxy(&self, peer: SocketAddr) -> bool {
        client::is_trusted(peer.ip(), &self.trusted_proxies)
    }

    /// The client behind a request.
    pub(super) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        client::client_address(peer, headers, &self.trusted_proxies)
    }
}

/// The routes of the main listener, with those of the session services that run.
pub(crate) fn router(app: Arc<App>, services: Option<Router<Arc<App>>>) -> Router {
    let tell = middleware::from_fn_with_state(Arc::clone(&app), tell_client);
    // A layer over no routes would be refused.
    let services = services.map_or_else(Router::new, |services| services.route_layer(tell));
    Router::new()
        .merge(services)
        .route("/", get(front_page))
        .route(DISCOVERY_PATH, get(discovery).options(discovery_options))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route(WEBSOCKET_PATH, get(websocket::upgrade))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), observe))
        .with_state(app)
}

/// The routes of the metrics listener.
pub(crate) fn metrics_router(app: Arc<App>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics_text))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), observe))
        .with_state(app)
}

/// Tells the session services who asks; sends new clients away when the server is about to stop.
async fn tell_client(
    State(app): State<Arc<App>>,
    Extension(Peer(peer)): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    if app.is_draining() {
        return unavailable("the server is stopping");
    }
    let client = app.client(peer, request.headers()).ip();
    request.extensions_mut().insert(ClientIp(client));
    next.run(request).await
}

/// Counts the request and adds the headers that every answer has.
async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = known_route(request.uri().path());
    let mut response = next.run(request).await;
    app.metrics.count_request(route, response.status().as_u16());
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The route as a label; requests to anything else share one, so that labels stay few.
fn known_route(path: &str) -> &'static str {
    let known = [
        "/",
        DISCOVERY_PATH,
        "/health",
        "/metrics",
        WEBSOCKET_PATH,
        CONTROL_PATH,
        JOIN_PATH,
        ACTION_PATH,
        OPENAPI_PATH,
        "/rtc",
        "/rtc/validate",
    ];
    known
        .into_iter()
        .find(|route| *route == path)
        .unwrap_or("other")
}

async fn discovery(State(app): State<Arc<App>>) -> Response {
    if app.is_draining() {
        return unavailable("the server is stopping");
    }
    let now = clock::unix_time().as_millis();
    let document = Discovery {
        server_time_unix_ms: i64::try_from(now).unwrap_or(i64::MAX),
        relay: app.relay.as_ref().and_then(RelayMinter::mint),
        ..app.discovery.clone()
    };
    ([(ACCESS_CONTROL_ALLOW_ORIGIN, "*")], Json(document)).into_response()
}

async fn discovery_options() -> Response {
    let headers = [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

async fn health(State(app): State<Arc<App>>) -> Response {
    if app.is_draining() {
        let body = Json(json!({ "status": "stopping" }));
        return (StatusCode::SERVICE_UNAVAILABLE, body).into_response();
    }
    Json(json!({ "status": "ok" })).into_response()
}

async fn metrics(
    state: State<Arc<App>>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let allowed = match state.metrics_access {
        MetricsAccess::Public => true,
        MetricsAccess::Elsewhere => return not_found().await,
        MetricsAccess::Local => client::is_local(peer, &headers, &state.trusted_proxies),
    };
    if allowed {
        return metrics_text(state).await;
    }
    let text = "metrics are answered to this machine only, unless metrics_public or metrics_listen is set\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

async fn metrics_text(State(app): State<Arc<App>>) -> Response {
    match app.metrics.encode() {
        Ok(text) => ([(CONTENT_TYPE, crate::metrics::CONTENT_TYPE)], text).into_response(),
        Err(std::fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn front_page(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let url = app
        .public_url
        .clone()
        .unwrap_or_else(|| page::url_of_request(&headers, app.tls, &app.fallback_url));
    let policy = "default-src 'none'; frame-ancestors 'none'";
    (
        [(HeaderName::from_static("content-security-policy"), policy)],
        Html(page::render(&url, app.discovery.preset.as_ref())),
    )
        .into_response()
}

async fn not_found() -> Response {
    (
        StatusCode::NOT_FOUND,
        "this Greenroom server has nothing here\n",
    )
        .into_response()
}

/// Not now, but later.
pub(super) fn unavailable(reason: &'static str) -> Response {
    let headers = [(RETRY_AFTER, RETRY_AFTER_SECONDS)];
    (
        StatusCode::SERVICE_UNAVAILABLE,
        headers,
        format!("{reason}\n"),
    )
        .into_response()
}
