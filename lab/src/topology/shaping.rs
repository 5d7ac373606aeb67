//! Rate limits of interfaces, enforced by the kernel.

use std::time::Duration;

use super::namespace::Namespace;
use crate::error::LabError;

/// A token bucket on the sending side of an interface (`tc` qdisc `tbf`).
///
/// The kernel counts Ethernet frames: 14 bytes more a packet than the emulated link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRate {
    /// Rate in bits of frames per second.
    pub bits_per_second: u64,
    /// Bytes that pass at once after idling; at least a frame, 1514.
    pub burst_bytes: usize,
    /// Longest time a packet waits; what would wait longer is dropped.
    pub longest_wait: Duration,
}

impl PortRate {
    /// A rate with a queue of 100 ms and a burst of 3 frames.
    pub fn new(bits_per_second: u64) -> Self {
        Self {
            bits_per_second,
            burst_bytes: 3 * 1514,
            longest_wait: Duration::from_millis(100),
        }
    }
}

pub(super) fn set_rate(
    namespace: &Namespace,
    interface: &str,
    rate: PortRate,
) -> Result<(), LabError> {
    let bits = format!("{}bit", rate.bits_per_second);
    let burst = rate.burst_bytes.to_string();
    let latency = format!("{}us", rate.longest_wait.as_micros());
    let qdisc = ["rate", &bits, "burst", &burst, "latency", &latency];
    let words = [
        &["tc", "qdisc", "replace", "dev", interface, "root", "tbf"],
        &qdisc[..],
    ]
    .concat();
    namespace.tool(&words, "").map(drop)
}

pub(super) fn clear_rate(namespace: &Namespace, interface: &str) -> Result<(), LabError> {
    let words = [
        "tc", "qdisc", "replace", "dev", interface, "root", "noqueue",
    ];
    namespace.tool(&words, "").map(drop)
}
