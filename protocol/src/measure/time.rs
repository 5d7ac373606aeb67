//! Times of one machine's monotonic clock, and how a kernel stamp becomes one.

use std::time::Duration;

use greenroom_reports::model::path::ClockSource;

/// Nanoseconds on one machine's monotonic clock since an epoch that means nothing elsewhere.
///
/// Two times of the same machine may be subtracted; times of two machines only compare as
/// differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonotonicTime(u64);

impl MonotonicTime {
    /// A time from nanoseconds since the machine's epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the machine's epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time `span` later; saturates.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(saturating_nanos(span)))
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Signed nanoseconds from `other` to this, for times of different machines; saturates.
    pub fn minus(self, other: Self) -> i64 {
        let difference = i128::from(self.0) - i128::from(other.0);
        i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
    }
}

fn saturating_nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Oldest kernel stamp that is believed. A datagram waits microseconds in the socket, tens of
/// milliseconds when the machine is overloaded; an older stamp means that the wall clock was
/// stepped.
const OLDEST_PLAUSIBLE: Duration = Duration::from_secs(1);

/// The time at which a datagram came in, on the monotonic clock.
///
/// `stamp` is the kernel's wall-clock time of arrival; `wall_now` and `now` are a paired reading of
/// both clocks taken after the datagram was read. Without a stamp, or with one from the future or
/// from more than a second ago (the wall clock was stepped), the answer is `now`, taken by this
/// program.
pub fn arrival_time(
    stamp: Option<Duration>,
    wall_now: Duration,
    now: MonotonicTime,
) -> (MonotonicTime, ClockSource) {
    stamp
        .and_then(|stamp| wall_now.checked_sub(stamp))
        .filter(|age| *age <= OLDEST_PLAUSIBLE)
        .map_or((now, ClockSource::User), |age| {
            let at = MonotonicTime(now.0.saturating_sub(saturating_nanos(age)));
            (at, ClockSource::KernelReceive)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: MonotonicTime = MonotonicTime::from_nanos(5_000_000_000);
    const WALL: Duration = Duration::from_secs(1_700_000_000);

    #[test]
    fn a_kernel_stamp_moves_the_arrival_back() {
        let (at, source) = arrival_time(Some(WALL - Duration::from_micros(40)), WALL, NOW);
        assert_eq!(NOW.since(at), Duration::from_micros(40));
        assert_eq!(source, ClockSource::KernelReceive);
    }

    #[test]
    fn a_stamp_from_the_future_or_long_ago_is_not_believed() {
        for stamp in [
            WALL + Duration::from_nanos(1),
            WALL - Duration::from_secs(90),
        ] {
            assert_eq!(
                arrival_time(Some(stamp), WALL, NOW),
                (NOW, ClockSource::User)
            );
        }
    }

    #[test]
    fn differences_of_two_machines_are_signed_and_saturate() {
        let zero = MonotonicTime::default();
        assert_eq!(zero.minus(MonotonicTime::from_nanos(7)), -7);
        assert_eq!(MonotonicTime::from_nanos(u64::MAX).minus(zero), i64::MAX);
    }
}
