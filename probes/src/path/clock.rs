//! The clocks of a measurement: monotonic to measure, wall clock to read the kernel's stamps.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use greenroom_protocol::measure::time::{MonotonicTime, arrival_time};
use greenroom_reports::model::path::ClockSource;

/// Monotonic time since the start of a measurement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    epoch: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        let epoch = Instant::now();
        Self { epoch }
    }

    pub(super) fn now(self) -> MonotonicTime {
        MonotonicTime::default().after(self.epoch.elapsed())
    }

    /// When a datagram with this kernel stamp came in, and who says so.
    pub(super) fn arrival(self, stamp: Option<Duration>) -> (MonotonicTime, ClockSource) {
        let before = self.now();
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        // The wall clock was read somewhere between the two.
        let between = before.after(self.now().since(before) / 2);
        arrival_time(stamp, wall, between)
    }

    /// Waits until a time of this clock.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait.
    pub(super) async fn sleep_until(self, at: MonotonicTime) {
        let at = self.epoch + at.since(MonotonicTime::default());
        tokio::time::sleep_until(at.into()).await;
    }
}
