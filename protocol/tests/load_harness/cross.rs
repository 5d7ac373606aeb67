//! Traffic of others: packets of 1228 bytes at random times, at a mean rate.

use std::time::Duration;

use super::{HEADERS, OF_OTHERS};

/// Bytes of each IP packet of others.
pub(crate) const CROSS_BYTES: usize = 1200 + HEADERS;

/// The sender.
#[derive(Clone, Debug)]
pub(crate) struct Cross {
    state: u64,
    mean_ns: f64,
    next: Option<Duration>,
}

impl Cross {
    /// Nobody sends.
    pub(crate) fn none() -> Self {
        Self {
            state: 1,
            mean_ns: 0.0,
            next: None,
        }
    }

    /// Poisson arrivals with this mean rate in bits a second of IP packets.
    pub(crate) fn poisson(rate_bps: f64, seed: u64) -> Self {
        let mut cross = Self {
            state: seed.wrapping_mul(0xD129_0B26_5A4C_3F81) | 1,
            mean_ns: CROSS_BYTES as f64 * 8e9 / rate_bps,
            next: None,
        };
        cross.next = Some(cross.gap());
        cross
    }

    fn gap(&mut self) -> Duration {
        for _ in 0..2 {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
        }
        let unit = ((self.state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        Duration::from_secs_f64(-unit.ln() * self.mean_ns / 1e9)
    }

    /// A packet that is due.
    pub(crate) fn next(&mut self, now: Duration) -> Option<Vec<u8>> {
        let due = self.next.filter(|due| *due <= now)?;
        self.next = Some(due + self.gap());
        let mut packet = vec![0; CROSS_BYTES];
        packet[0] = OF_OTHERS;
        Some(packet)
    }

    pub(crate) fn wake_at(&self) -> Option<Duration> {
        self.next
    }
}
