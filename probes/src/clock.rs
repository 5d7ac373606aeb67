//! The clocks of a measurement: monotonic to measure, wall clock to read the kernel's stamps.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use greenroom_protocol::measure::time::{MonotonicTime, arrival_time};
use greenroom_reports::model::path::ClockSource;

/// Readings of the two clocks that are no farther apart than this are taken for one. Reading a
/// clock takes tens of nanoseconds.
const CLOSE_PAIR: Duration = Duration::from_micros(2);
/// Further readings before the closest pair so far is taken.
const PAIR_TRIES: u32 = 4;

/// Monotonic time since the start of a measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let epoch = Instant::now();
        Self { epoch }
    }

    pub(crate) fn now(self) -> MonotonicTime {
        MonotonicTime::default().after(self.epoch.elapsed())
    }

    /// When a datagram with this kernel stamp came in, and who says so.
    pub(crate) fn arrival(self, stamp: Option<Duration>) -> (MonotonicTime, ClockSource) {
        let (now, wall) = self.both();
        arrival_time(stamp, wall, now)
    }

    /// Both clocks, read together. The wall clock was read somewhere between two readings of the
    /// other, so a pair is as good as these are close; when the thread lost the processor in
    /// between, it reads again.
    fn both(self) -> (MonotonicTime, Duration) {
        let mut best = self.pair();
        for _ in 0..PAIR_TRIES {
            if best.0 <= CLOSE_PAIR {
                break;
            }
            let again = self.pair();
            if again.0 < best.0 {
                best = again;
            }
        }
        (best.1, best.2)
    }

    fn pair(self) -> (Duration, MonotonicTime, Duration) {
        let before = self.now();
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let apart = self.now().since(before);
        (apart, before.after(apart / 2), wall)
    }

    /// Waits until a time of this clock.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait.
    pub(crate) async fn sleep_until(self, at: MonotonicTime) {
        let at = self.epoch + at.since(MonotonicTime::default());
        tokio::time::sleep_until(at.into()).await;
    }
}
