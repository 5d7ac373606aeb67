//! The clock of captured frames.
#![cfg_attr(
    not(target_os = "linux"),
    expect(clippy::disallowed_methods, reason = "driver: owns the clock")
)]

use greenroom_protocol::measure::time::MonotonicTime;

/// Reads the clock by which frames are stamped; copies read the same one.
///
/// On Linux it is `CLOCK_MONOTONIC`, since drivers stamp by it: then frames of all cameras compare.
/// Elsewhere it begins where it was made.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(target_os = "linux", derive(Default))]
pub struct CameraClock {
    #[cfg(not(target_os = "linux"))]
    epoch: std::time::Instant,
}

#[cfg(not(target_os = "linux"))]
impl Default for CameraClock {
    fn default() -> Self {
        let epoch = std::time::Instant::now();
        Self { epoch }
    }
}

impl CameraClock {
    /// Now.
    #[cfg(target_os = "linux")]
    pub fn now(self) -> MonotonicTime {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanos = u64::try_from(now.tv_nsec).unwrap_or_default();
        MonotonicTime::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    /// Now.
    #[cfg(not(target_os = "linux"))]
    pub fn now(self) -> MonotonicTime {
        MonotonicTime::default().after(self.epoch.elapsed())
    }
}
