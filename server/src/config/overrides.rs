//! What flags and environment variables say; both come before the file.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use ipnet::IpNet;
use url::Url;

pub use super::file::{EngineMode, TlsMode};
use super::{session::Secret, turn::TurnSecret};

/// Settings from the command line or the environment: `None` leaves the file's, or the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServeOverrides {
    /// `--listen`, `GREENROOM_LISTEN`.
    pub listen: Option<SocketAddr>,
    /// `--udp-port`, `GREENROOM_UDP_PORT`; 0 takes any free port.
    pub udp_port: Option<u16>,
    /// `--advertised-udp-port`, `GREENROOM_ADVERTISED_UDP_PORT`.
    pub advertised_udp_port: Option<u16>,
    /// `--public-url`, `GREENROOM_PUBLIC_URL`.
    pub public_url: Option<String>,
    /// `--metrics-listen`, `GREENROOM_METRICS_LISTEN`.
    pub metrics_listen: Option<SocketAddr>,
    /// `--metrics-public`, `GREENROOM_METRICS_PUBLIC`.
    pub metrics_public: Option<bool>,
    /// `--trusted-proxy` (repeated), `GREENROOM_TRUSTED_PROXIES` (commas).
    pub trusted_proxies: Option<Vec<IpNet>>,
    /// `--tls`, `GREENROOM_TLS`: `none`, `pem` or `self-signed`.
    pub tls: Option<TlsMode>,
    /// `--tls-certificate`, `GREENROOM_TLS_CERTIFICATE`.
    pub tls_certificate: Option<PathBuf>,
    /// `--tls-key`, `GREENROOM_TLS_KEY`.
    pub tls_key: Option<PathBuf>,
    /// `--tls-name` (repeated), `GREENROOM_TLS_NAMES` (commas).
    pub tls_names: Option<Vec<String>>,
    /// `--tls-write-certificate-to`, `GREENROOM_TLS_WRITE_CERTIFICATE_TO`.
    pub tls_write_certificate_to: Option<PathBuf>,
    /// `--preset-name`, `GREENROOM_PRESET_NAME`.
    pub preset_name: Option<String>,
    /// `--preset-profile-file`, `GREENROOM_PRESET_PROFILE_FILE`.
    pub preset_profile_file: Option<PathBuf>,
    /// `--preset-support-contact`, `GREENROOM_PRESET_SUPPORT_CONTACT`.
    pub preset_support_contact: Option<String>,
    /// `--preset-target` (repeated), `GREENROOM_PRESET_TARGETS` (commas).
    pub preset_targets: Option<Vec<String>>,
    /// `--turn`, `GREENROOM_TURN`: `false` switches STUN and TURN off.
    pub turn_enabled: Option<bool>,
    /// `--turn-port`, `GREENROOM_TURN_PORT`; 0 takes any free ports.
    pub turn_port: Option<u16>,
    /// `--turn-tls-port`, `GREENROOM_TURN_TLS_PORT`; 0 takes any free port.
    pub turn_tls_port: Option<u16>,
    /// `--turn-advertised-port`, `GREENROOM_TURN_ADVERTISED_PORT`.
    pub turn_advertised_port: Option<u16>,
    /// `--turn-advertised-tls-port`, `GREENROOM_TURN_ADVERTISED_TLS_PORT`.
    pub turn_advertised_tls_port: Option<u16>,
    /// `--turn-relay-address` (repeated), `GREENROOM_TURN_RELAY_ADDRESSES` (commas).
    pub turn_relay_addresses: Option<Vec<IpAddr>>,
    /// `--turn-external-address` (repeated), `GREENROOM_TURN_EXTERNAL_ADDRESSES` (commas).
    pub turn_external_addresses: Option<Vec<IpAddr>>,
    /// `--turn-min-relay-port`, `GREENROOM_TURN_MIN_RELAY_PORT`.
    pub turn_min_relay_port: Option<u16>,
    /// `--turn-max-relay-port`, `GREENROOM_TURN_MAX_RELAY_PORT`.
    pub turn_max_relay_port: Option<u16>,
    /// `--turn-realm`, `GREENROOM_TURN_REALM`.
    pub turn_realm: Option<String>,
    /// `GREENROOM_TURN_SECRET`; no flag, since other users of a machine see those.
    pub turn_secret: Option<TurnSecret>,
    /// `--turn-secret-file`, `GREENROOM_TURN_SECRET_FILE`.
    pub turn_secret_file: Option<PathBuf>,
    /// `--turn-allow-peer` (repeated), `GREENROOM_TURN_ALLOW_PEERS` (commas).
    pub turn_allow_peers: Option<Vec<IpNet>>,
    /// `--turn-deny-peer` (repeated), `GREENROOM_TURN_DENY_PEERS` (commas).
    pub turn_deny_peers: Option<Vec<IpNet>>,
    /// `--session`, `GREENROOM_SESSION`: `false` switches sessions off.
    pub session_enabled: Option<bool>,
    /// `--app-key`, `GREENROOM_APP_KEY`.
    pub app_key: Option<String>,
    /// `GREENROOM_APP_SECRET`; no flag, since other users of a machine see those.
    pub app_secret: Option<Secret>,
    /// `--app-secret-file`, `GREENROOM_APP_SECRET_FILE`.
    pub app_secret_file: Option<PathBuf>,
    /// `--production`, `GREENROOM_PRODUCTION`.
    pub production: Option<bool>,
    /// `--engine`, `GREENROOM_ENGINE`: `embedded` or `livekit`.
    pub engine: Option<EngineMode>,
    /// `--livekit-url`, `GREENROOM_LIVEKIT_URL`.
    pub livekit_url: Option<Url>,
    /// `--livekit-key`, `GREENROOM_LIVEKIT_KEY`.
    pub livekit_key: Option<String>,
    /// `GREENROOM_LIVEKIT_SECRET`; no flag.
    pub livekit_secret: Option<Secret>,
    /// `--livekit-secret-file`, `GREENROOM_LIVEKIT_SECRET_FILE`.
    pub livekit_secret_file: Option<PathBuf>,
    /// `--engine-api-key`, `GREENROOM_ENGINE_API_KEY`.
    pub engine_api_key: Option<String>,
    /// `GREENROOM_ENGINE_API_SECRET`; no flag.
    pub engine_api_secret: Option<Secret>,
    /// `--engine-api-secret-file`, `GREENROOM_ENGINE_API_SECRET_FILE`.
    pub engine_api_secret_file: Option<PathBuf>,
    /// `--engine-udp-port`, `GREENROOM_ENGINE_UDP_PORT`; 0 takes any free port.
    pub engine_udp_port: Option<u16>,
    /// `--engine-advertised-address` (repeated), `GREENROOM_ENGINE_ADVERTISED_ADDRESSES` (commas).
    pub engine_advertised_addresses: Option<Vec<IpAddr>>,
    /// `--session-max-sessions`, `GREENROOM_SESSION_MAX_SESSIONS`.
    pub session_max_sessions: Option<usize>,
    /// `--session-max-users-per-session`, `GREENROOM_SESSION_MAX_USERS_PER_SESSION`.
    pub session_max_users_per_session: Option<usize>,
    /// `--session-removed-after-seconds`, `GREENROOM_SESSION_REMOVED_AFTER_SECONDS`.
    pub session_removed_after_seconds: Option<u32>,
    /// `--session-reservation-seconds`, `GREENROOM_SESSION_RESERVATION_SECONDS`.
    pub session_reservation_seconds: Option<u32>,
    /// `--session-passcode-tries-per-minute`, `GREENROOM_SESSION_PASSCODE_TRIES_PER_MINUTE`.
    pub session_passcode_tries_per_minute: Option<u32>,
    /// `--max-session-seconds`, `GREENROOM_MAX_SESSION_SECONDS`.
    pub max_session_seconds: Option<u32>,
    /// `--max-packets-per-second`, `GREENROOM_MAX_PACKETS_PER_SECOND`.
    pub max_packets_per_second: Option<u32>,
    /// `--max-datagram-bytes`, `GREENROOM_MAX_DATAGRAM_BYTES`.
    pub max_datagram_bytes: Option<u16>,
    /// `--max-sessions`, `GREENROOM_MAX_SESSIONS`.
    pub max_sessions: Option<usize>,
    /// `--max-sessions-per-address`, `GREENROOM_MAX_SESSIONS_PER_ADDRESS`.
    pub max_sessions_per_address: Option<usize>,
    /// `--max-opens-per-minute-per-address`, `GREENROOM_MAX_OPENS_PER_MINUTE_PER_ADDRESS`.
    pub max_opens_per_minute_per_address: Option<u32>,
    /// `--max-challenges-per-second`, `GREENROOM_MAX_CHALLENGES_PER_SECOND`.
    pub max_challenges_per_second: Option<u32>,
    /// `--max-loads`, `GREENROOM_MAX_LOADS`; 0 switches loads off.
    pub max_loads: Option<usize>,
    /// `--max-load-bps`, `GREENROOM_MAX_LOAD_BPS`.
    pub max_load_bps: Option<u64>,
    /// `--max-load-bytes`, `GREENROOM_MAX_LOAD_BYTES`.
    pub max_load_bytes: Option<u64>,
    /// `--max-egress-bps`, `GREENROOM_MAX_EGRESS_BPS`.
    pub max_egress_bps: Option<u64>,
    /// `--max-connections`, `GREENROOM_MAX_CONNECTIONS`.
    pub max_connections: Option<usize>,
    /// `--max-connections-per-address`, `GREENROOM_MAX_CONNECTIONS_PER_ADDRESS`.
    pub max_connections_per_address: Option<usize>,
    /// `--max-websockets`, `GREENROOM_MAX_WEBSOCKETS`.
    pub max_websockets: Option<usize>,
    /// `--max-websockets-per-address`, `GREENROOM_MAX_WEBSOCKETS_PER_ADDRESS`.
    pub max_websockets_per_address: Option<usize>,
    /// `--websocket-idle-seconds`, `GREENROOM_WEBSOCKET_IDLE_SECONDS`.
    pub websocket_idle_seconds: Option<u32>,
    /// `--max-allocations`, `GREENROOM_MAX_ALLOCATIONS`.
    pub max_allocations: Option<usize>,
    /// `--max-public-allocations`, `GREENROOM_MAX_PUBLIC_ALLOCATIONS`.
    pub max_public_allocations: Option<usize>,
    /// `--max-allocations-per-address`, `GREENROOM_MAX_ALLOCATIONS_PER_ADDRESS`.
    pub max_allocations_per_address: Option<usize>,
    /// `--max-allocations-per-user`, `GREENROOM_MAX_ALLOCATIONS_PER_USER`.
    pub max_allocations_per_user: Option<usize>,
    /// `--max-allocation-bps`, `GREENROOM_MAX_ALLOCATION_BPS`.
    pub max_allocation_bps: Option<u64>,
    /// `--max-turn-connections`, `GREENROOM_MAX_TURN_CONNECTIONS`.
    pub max_turn_connections: Option<usize>,
    /// `--max-turn-connections-per-address`, `GREENROOM_MAX_TURN_CONNECTIONS_PER_ADDRESS`.
    pub max_turn_connections_per_address: Option<usize>,
}
