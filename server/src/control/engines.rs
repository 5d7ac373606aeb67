//! The engine that an operator chose, made ready.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use greenroom_protocol::livekit::grants::ApiKey;

use super::running::Engines;
use super::webhook::WebhookKey;
use crate::bind;
use crate::config::ServeConfig;
use crate::config::session::{self, EngineChoice, SessionConfig};
use crate::engine::Engine;
use crate::engine::config::{EngineConfig, EngineLimits};
use crate::engine::twirp_client::TwirpClient;
use crate::error::ServeError;

/// The embedded engine when it is the one, and what session control runs on.
pub(crate) fn start(
    config: &ServeConfig,
    listen: SocketAddr,
) -> Result<(Option<Engine>, Engines), ServeError> {
    match &config.session.engine {
        EngineChoice::Embedded => {
            let (engine, engines) = embedded(config, listen)?;
            Ok((Some(engine), engines))
        }
        EngineChoice::LiveKit { url, api_key } => {
            let key = ApiKey::new(api_key.key(), api_key.secret());
            let url = url.as_str().trim_end_matches('/').to_owned();
            let service = TwirpClient::new(&url, key.clone())
                .map_err(|source| ServeError::LiveKit { source })?;
            let engines = Engines {
                service: Arc::new(service),
                api_key: key,
                url: Some(websocket_url(url)),
                events: None,
                webhook: Some(WebhookKey::new(api_key.key(), api_key.secret())),
            };
            Ok((None, engines))
        }
    }
}

/// Clients dial the engine by WebSocket.
fn websocket_url(url: String) -> String {
    match url.strip_prefix("http") {
        Some(rest) => format!("ws{rest}"),
        None => url,
    }
}

fn embedded(config: &ServeConfig, listen: SocketAddr) -> Result<(Engine, Engines), ServeError> {
    let api_key = match &config.session.api_key {
        Some(key) => key.clone(),
        None => session::ApiKey::random().map_err(|source| ServeError::Entropy { source })?,
    };
    let key = ApiKey::new(api_key.key(), api_key.secret());
    let udp_listen = SocketAddr::new(listen.ip(), config.session.engine_udp_port(config.listen));
    let engine = Engine::start(EngineConfig {
        keys: vec![key.clone()],
        udp_listen,
        advertised: advertised(&config.session, listen.ip()),
        version: config.version.clone(),
        limits: limits(&config.session),
        ..EngineConfig::default()
    })
    .map_err(|source| ServeError::Engine { source })?;
    let engines = Engines {
        service: Arc::new(engine.clone()),
        api_key: key,
        url: None,
        events: Some(engine.events()),
        webhook: None,
    };
    Ok((engine, engines))
}

fn limits(session: &SessionConfig) -> EngineLimits {
    let defaults = EngineLimits::default();
    let users = u32::try_from(session.max_users_per_session).unwrap_or(u32::MAX);
    EngineLimits {
        max_rooms: session.max_sessions,
        // One of a session may join anew while the engine still holds their first connection.
        max_participants_per_room: users.saturating_add(1),
        max_participants: defaults
            .max_participants
            .max(session.max_users_per_session + 1),
        ..defaults
    }
}

/// What clients are told: what the operator says, or the addresses of this machine where it listens
/// on all of them.
fn advertised(session: &SessionConfig, listen: IpAddr) -> Vec<SocketAddr> {
    let told = &session.engine_advertised_addresses;
    let ips = match (told.is_empty(), listen.is_unspecified()) {
        (false, _) => told.clone(),
        (true, true) => bind::interface_addresses()
            .into_iter()
            .filter(is_useful)
            .collect(),
        (true, false) => Vec::new(),
    };
    ips.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect()
}

/// Link-local addresses say nothing without the interface, which a candidate does not name.
fn is_useful(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    }
}
