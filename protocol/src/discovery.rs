//! The discovery document: what a Greenroom server says of itself at one URL.
//!
//! A client knows only the server's base URL; everything else (measurement port, limits, the
//! operator's preset) it learns from `GET <base>/.well-known/greenroom`.

use std::fmt;

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
    /// STUN and TURN of the server; `None` when it relays nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<RelayService>,
    /// What the operator wants clients to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
}

/// STUN and TURN on the host of the base URL, with credentials that reach the server's own relay
/// addresses and engine, and no other peer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayService {
    /// Port of STUN and TURN over UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp_port: Option<u16>,
    /// Port of STUN and TURN over TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_port: Option<u16>,
    /// Port of STUN and TURN over TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_port: Option<u16>,
    /// User name: the time of its expiry, and a name; see
    /// [`crate::turn::credential::TimeLimited`].
    pub username: String,
    /// Password that goes with it.
    pub password: String,
}

impl fmt::Debug for RelayService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayService")
            .field("udp_port", &self.udp_port)
            .field("tcp_port", &self.tcp_port)
            .field("tls_port", &self.tls_port)
            .finish_non_exhaustive()
    }
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
    /// What loads the server takes and sends; `None` when it takes and sends none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loads: Option<AdvertisedLoads>,
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

/// What loads the server grants one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvertisedLoads {
    /// Highest rate of a load: UDP payload in bits a second.
    pub max_load_bps: u64,
    /// UDP payload of all loads of a session, both directions together, in bytes.
    pub max_load_bytes: u64,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::limits::Limits;

    #[test]
    fn a_document_of_a_server_without_loads_stays_readable() {
        let text = r#"{"protocol_versions":[1],"udp_port":1,"websocket_path":"/measure","limits":
            {"max_session_ms":1,"max_packets_per_second":1,"max_datagram_bytes":64}}"#;
        let service: MeasureService = serde_json::from_str(text).unwrap();
        assert_eq!(service.loads, None);
        let again = serde_json::to_value(&service).unwrap();
        assert!(again.get("loads").is_none());
    }

    #[test]
    fn loads_that_are_switched_off_are_not_advertised() {
        let limits = Limits::default();
        let loads = limits.advertised_loads().unwrap();
        assert_eq!(loads.max_load_bps, 250_000_000);
        let narrow = Limits {
            max_egress_bps: 1_000_000,
            ..limits
        };
        assert_eq!(
            narrow.advertised_loads().map(|loads| loads.max_load_bps),
            Some(1_000_000)
        );
        let off = Limits {
            max_loads: 0,
            ..limits
        };
        assert_eq!(off.advertised_loads(), None);
    }
}
