//! What connections to TURN servers cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes of all connections that share it, IP headers included; handshakes of TCP and TLS are not
/// counted.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<[AtomicU64; 2]>);

impl Traffic {
    /// Bytes sent.
    pub fn sent(&self) -> u64 {
        self.0[0].load(Relaxed)
    }

    /// Bytes received.
    pub fn received(&self) -> u64 {
        self.0[1].load(Relaxed)
    }

    pub(super) fn count_sent(&self, bytes: usize) {
        self.0[0].fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn count_received(&self, bytes: usize) {
        self.0[1].fetch_add(bytes as u64, Relaxed);
    }
}
