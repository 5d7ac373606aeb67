//! A publisher that waits for its join.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::time::Duration;

use tokio::time::Instant;

use super::config::PeerConfig;
use super::media_peer::{MediaPeer, PeerError, PeerRole};
use super::webrtc_peer::{PeerEvents, WebRtcPeer};

/// How long a prepared publisher is good for: its sockets are those of the network of then. An older one
/// is made anew by the join, which costs some milliseconds.
pub const PREPARED_FOR: Duration = Duration::from_secs(300);

/// Certificate, sockets, data channels and offer, ready to be sent by a join.
#[derive(Debug)]
pub struct PreparedPublisher {
    pub(super) config: PeerConfig,
    pub(super) peer: WebRtcPeer,
    pub(super) events: PeerEvents,
    made: Instant,
}

impl PreparedPublisher {
    /// Prepares a publisher for a server of this name or address.
    ///
    /// # Errors
    /// When no address can be bound, or the stack cannot be set up.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn prepare(server_host: &str, dtls_passive: bool) -> Result<Self, PeerError> {
        let config = PeerConfig {
            dtls_passive,
            ..PeerConfig::new(PeerRole::Publisher, server_host)
        };
        Self::from_config(config).await
    }

    /// Prepares a publisher of this configuration.
    ///
    /// # Errors
    /// As [`PreparedPublisher::prepare`].
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn from_config(config: PeerConfig) -> Result<Self, PeerError> {
        let (peer, events) = WebRtcPeer::open(&config).await?;
        peer.offer(false).await?;
        Ok(Self {
            config,
            peer,
            events,
            made: Instant::now(),
        })
    }

    /// Whether its sockets may still be those of this machine's network.
    pub fn is_fresh(&self) -> bool {
        self.made.elapsed() < PREPARED_FOR
    }
}
