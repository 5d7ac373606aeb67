//! The process's clocks: monotonic to measure, wall clock to tell.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use greenroom_protocol::measure::time::{MonotonicTime, arrival_time};
use greenroom_reports::model::path::ClockSource;

/// Readings of the two clocks that are no farther apart than this are taken for one. Reading a
/// clock takes tens of nanoseconds.
const CLOSE_PAIR: Duration = Duration::from_micros(2);
/// Further readings before the closest pair so far is taken.
const PAIR_TRIES: u32 = 4;

/// Monotonic time since the start of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Instant,
}

impl Clock {
    /// A clock whose epoch is now.
    pub(crate) fn start() -> Self {
        Self {
            epoch: Instant::now(),
        }
    }

    /// Time since the epoch.
    pub(crate) fn elapsed(self) -> Duration {
        self.epoch.elapsed()
    }

    /// Time since the epoch as the protocol counts it.
    pub(crate) fn now(self) -> MonotonicTime {
        monotonic(self.elapsed())
    }

    /// Both clocks, read together. When the thread lost the processor between the two, they do
    /// not belong together, and it reads again.
    pub(crate) fn read(self) -> Reading {
        let mut best = self.read_once();
        for _ in 0..PAIR_TRIES {
            if best.0 <= CLOSE_PAIR {
                break;
            }
            let again = self.read_once();
            if again.0 < best.0 {
                best = again;
            }
        }
        best.1
    }

    /// A reading, and how far apart its clocks were read.
    fn read_once(self) -> (Duration, Reading) {
        let before = self.elapsed();
        let wall = unix_time();
        let apart = self.elapsed().saturating_sub(before);
        let reading = Reading {
            // The wall clock was read somewhere between; half way is off by tens of nanoseconds.
            monotonic: monotonic(before + apart / 2),
            wall,
        };
        (apart, reading)
    }
}

/// The wall clock and the monotonic clock at one instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// The monotonic clock.
    pub(crate) monotonic: MonotonicTime,
    wall: Duration,
}

impl Reading {
    /// The wall clock in nanoseconds since 1970 (UTC).
    pub(crate) fn wall_unix_ns(self) -> i64 {
        i64::try_from(self.wall.as_nanos()).unwrap_or(i64::MAX)
    }

    /// When a datagram with this kernel stamp came in, and who says so.
    pub(crate) fn arrival(self, stamp: Option<Duration>) -> (MonotonicTime, ClockSource) {
        arrival_time(stamp, self.wall, self.monotonic)
    }
}

/// Wall-clock time since 1970 (UTC); zero when the clock is set before that.
pub(crate) fn unix_time() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// The wall clock shifted by some days, for the dates of a certificate.
pub(crate) fn wall_clock_shifted(days_back: u32, days_ahead: u32) -> (SystemTime, SystemTime) {
    let day = Duration::from_hours(24);
    let now = SystemTime::now();
    (
        now.checked_sub(day * days_back).unwrap_or(UNIX_EPOCH),
        now.checked_add(day * days_ahead).unwrap_or(now),
    )
}

/// The instant `span` from now.
pub(crate) fn deadline_in(span: Duration) -> tokio::time::Instant {
    tokio::time::Instant::now() + span
}

/// Waits; the caller bounds it.
///
/// # Cancel safety
/// Dropping the future ends the wait.
pub(crate) async fn wait(span: Duration) {
    tokio::time::sleep(span).await;
}

/// Blocks the thread for a moment, so that a failing system call does not spin.
pub(crate) fn pause_thread(span: Duration) {
    std::thread::sleep(span);
}

fn monotonic(elapsed: Duration) -> MonotonicTime {
    MonotonicTime::from_nanos(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
}
