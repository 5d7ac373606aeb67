//! What one client and all of them together may take.

use std::time::Duration;

use greenroom_protocol::measure::limits::Limits;

use super::turn::TurnLimits;

/// Longest time for a TLS handshake.
pub(crate) const TLS_HANDSHAKE: Duration = Duration::from_secs(10);
/// Longest wait for the head of a request, idle time of a kept-alive connection included.
pub(crate) const REQUEST_HEAD: Duration = Duration::from_secs(10);
/// Longest life of a connection that did not become a WebSocket; it bounds readers that never
/// read.
pub(crate) const CONNECTION_LIFE: Duration = Duration::from_mins(1);
/// Longest wait for a WebSocket client to take a reply. Well above any path that could carry a
/// call.
pub(crate) const WEBSOCKET_SEND: Duration = Duration::from_secs(5);
/// How long a WebSocket outlives the longest session: the handshake and the closing.
pub(crate) const WEBSOCKET_SLACK: Duration = Duration::from_secs(10);
/// How often sessions that are over are forgotten.
pub(crate) const EXPIRY_TICK: Duration = Duration::from_secs(1);

/// Limits of a server. The defaults carry a thousand clients and let a household or a small
/// office, which share one address, check at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeLimits {
    /// What the responder enforces. UDP and WebSocket count apart: each transport has its own
    /// responder, so that neither waits for the other.
    pub measure: Limits,
    /// TCP connections at a time, those of a WebSocket included. Each costs some ten kilobytes.
    pub max_connections: usize,
    /// TCP connections at a time from one IPv4 address or one IPv6 /64.
    pub max_connections_per_address: usize,
    /// WebSocket connections at a time.
    pub max_websockets: usize,
    /// WebSocket connections at a time from one IPv4 address or one IPv6 /64.
    pub max_websockets_per_address: usize,
    /// Longest silence of a WebSocket client.
    pub websocket_idle: Duration,
    /// What the relay enforces.
    pub turn: TurnLimits,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            measure: Limits::default(),
            // Two for each user of a session of 5,000.
            max_connections: 16_384,
            // An office behind one address, each of whose people is in a session by two.
            max_connections_per_address: 512,
            max_websockets: 1024,
            max_websockets_per_address: 16,
            websocket_idle: Duration::from_secs(15),
            turn: TurnLimits::default(),
        }
    }
}
