//! What was learned by asking the server for its discovery document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sensitive::Sensitive;
use crate::units::Millis;

/// The server that the network was measured against, as it describes itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DiscoverySection {
    /// Host name or address asked.
    pub host: Sensitive,
    /// TCP port asked.
    pub port: u16,
    /// Address that answered; absent when a proxy stood between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Sensitive>,
    /// Whether the document came over TLS.
    pub tls: bool,
    /// From asking to the whole document: name lookup, connect, TLS and one exchange.
    pub elapsed_ms: Millis,
    /// The server's own version.
    pub server_version: String,
    /// Offset of this machine's clock against the server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_offset: Option<ClockOffset>,
    /// Name of the operator's preset, if the document carries one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Whom the operator wants users to ask for help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support_contact: Option<String>,
}

/// Difference of two wall clocks, measured by one exchange.
///
/// Source: RFC 5905 §8; the error is at most half the exchange's round trip.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClockOffset {
    /// This clock minus the server's; positive when this clock is ahead.
    pub offset_ms: Millis,
    /// The true offset lies within plus or minus this.
    pub uncertainty_ms: Millis,
}
