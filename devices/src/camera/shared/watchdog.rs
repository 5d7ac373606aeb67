//! Notices that no frame comes any more.

use std::time::Duration;

use greenroom_protocol::measure::time::MonotonicTime;

/// Tells once when nothing came for too long, and again after it came back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watchdog {
    patience: Duration,
    fed_at: MonotonicTime,
    has_barked: bool,
}

impl Watchdog {
    pub(super) fn new(patience: Duration, now: MonotonicTime) -> Self {
        Self {
            patience,
            fed_at: now,
            has_barked: false,
        }
    }

    pub(super) fn feed(&mut self, now: MonotonicTime) {
        self.fed_at = now;
        self.has_barked = false;
    }

    /// Whether nothing came for too long, which was not told yet.
    pub(super) fn barks(&mut self, now: MonotonicTime) -> bool {
        let starves = now.since(self.fed_at) >= self.patience;
        let barks = starves && !self.has_barked;
        self.has_barked |= starves;
        barks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> MonotonicTime {
        MonotonicTime::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn it_barks_once_for_each_time_that_nothing_comes() {
        let mut dog = Watchdog::new(Duration::from_millis(100), at(1000));
        assert!(!dog.barks(at(1099)));
        assert!(dog.barks(at(1100)));
        assert!(!dog.barks(at(5000)));
        dog.feed(at(5001));
        assert!(!dog.barks(at(5100)));
        assert!(dog.barks(at(5101)));
    }
}
