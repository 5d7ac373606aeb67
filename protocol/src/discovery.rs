//! The discovery document: what a Greenroom server says of itself at one URL.
//!
//! A client knows only the server's base URL; everything else (measurement port, limits, the
//! operator's preset) it learns from `GET <base>/.well-known/greenroom`.

use greenroom_reports::verdict::profile::Profile;
use serde::{Deserialize, Serialize};

/// Path of the document below the server's base URL.
pub const DISCOVERY_PATH: &str = "/.well-known/greenroom";

/// Value of [`Discovery::service`], by which a client tells a Greenroom server from any other web
/// server.
pub const SERVICE: &str = "greenroom";

/// Largest document that a client reads, in bytes. A larger one is no discovery document.
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024;

/// The document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Discovery {
    /// Always [`SERVICE`].
    pub service: String,
    /// The server program's version.
    pub version: String,
    /// The server's wall clock when it answered, in milliseconds since 1970 (UTC).
    pub server_time_unix_ms: i64,
    /// Where and how to measure.
    pub measure: MeasureService,
    /// What the operator wants clients to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
}

/// The measurement service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureService {
    /// Versions of the measurement protocol that the server speaks.
    pub protocol_versions: Vec<u8>,
    /// UDP port on the host of the base URL.
    pub udp_port: u16,
    /// Path of the WebSocket that carries the same datagrams as binary messages, below the base
    /// URL.
    pub websocket_path: String,
    /// What the server grants; enforced by it, advertised here so that a client can plan.
    pub limits: AdvertisedLimits,
}

/// What the server grants one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvertisedLimits {
    /// Longest session, in milliseconds.
    pub max_session_ms: u32,
    /// Most echo requests a second.
    pub max_packets_per_second: u32,
    /// Largest datagram either way, in bytes of UDP payload.
    pub max_datagram_bytes: u16,
}

/// What the operator wants clients to use when the user asked for nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Preset {
    /// Name, shown in the report.
    pub name: String,
    /// Profile to judge by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Whom users ask for help: a mail address, a URL, a phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support_contact: Option<String>,
    /// Further targets that the deployment uses, by URL: STUN, TURN or LiveKit servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
}
