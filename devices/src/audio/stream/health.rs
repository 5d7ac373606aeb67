//! How the callbacks of a stream came.

use std::time::{Duration, Instant};

use greenroom_reports::model::device::StreamHealth;

/// Longest time without a callback, once they came. A busy machine may be late by some tenths of a
/// second; after more than a second a person would say that it hangs.
pub(in crate::audio) const STALL_AFTER: Duration = Duration::from_millis(1500);

/// Longest time from asking for a stream to its being open. A sound server answers within
/// milliseconds, a Bluetooth headset that changes its profile takes most of a second, and ALSA's
/// plugins that share a card among programs take two on a slow processor.
pub(in crate::audio) const OPEN_TIMEOUT: Duration = Duration::from_secs(3);

/// Longest time from asking for a stream to its first callback: a sound server that wakes its device
/// takes up to a second once it is open. Devices that are well, all of them; so this is longer than
/// [`STALL_AFTER`].
pub(in crate::audio) const STALL_BEFORE_FIRST: Duration = Duration::from_secs(4);

/// Counts callbacks and the gaps between them.
#[derive(Clone, Copy, Debug)]
pub(in crate::audio) struct Callbacks {
    asked: Instant,
    /// When the next first callback was asked for: later, where the stream was opened once more.
    waits_since: Instant,
    first: Option<Instant>,
    last: Option<Instant>,
    longest_gap: Option<Duration>,
    n: u64,
}

impl Callbacks {
    /// Of a stream that was asked for at this time.
    pub(in crate::audio) fn new(asked: Instant) -> Self {
        Self {
            asked,
            waits_since: asked,
            first: None,
            last: None,
            longest_gap: None,
            n: 0,
        }
    }

    /// One came.
    pub(in crate::audio) fn push(&mut self, at: Instant) {
        if let Some(last) = self.last {
            let gap = at.saturating_duration_since(last);
            self.longest_gap = self.longest_gap.max(Some(gap));
        }
        self.first = self.first.or(Some(at));
        self.last = Some(at);
        self.n += 1;
    }

    /// The stream was opened once more at this time, on purpose: the pause for it is no gap.
    pub(in crate::audio) fn reopen(&mut self, at: Instant) {
        self.waits_since = at;
        self.last = None;
    }

    /// From asking to the first one.
    pub(in crate::audio) fn first_after(&self) -> Option<Duration> {
        Some(self.first?.saturating_duration_since(self.asked))
    }

    /// They stopped, or never came.
    pub(in crate::audio) fn is_stalled(&self, now: Instant) -> bool {
        match self.last {
            Some(last) => now.saturating_duration_since(last) > STALL_AFTER,
            None => now.saturating_duration_since(self.waits_since) > STALL_BEFORE_FIRST,
        }
    }

    /// For the report.
    pub(in crate::audio) fn health(&self, xruns: u64) -> StreamHealth {
        StreamHealth {
            xruns,
            longest_gap_ms: self.longest_gap.map(Into::into),
            callbacks: self.n,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::disallowed_methods,
        reason = "an arbitrary instant to count from"
    )]

    use greenroom_reports::units::Millis;

    use super::*;

    #[test]
    fn gaps_are_between_callbacks_only() {
        let begin = Instant::now();
        let mut callbacks = Callbacks::new(begin);
        assert_eq!(callbacks.first_after(), None);
        callbacks.push(begin + Duration::from_millis(300));
        assert_eq!(callbacks.health(0).longest_gap_ms, None);
        callbacks.push(begin + Duration::from_millis(310));
        callbacks.push(begin + Duration::from_millis(345));
        callbacks.push(begin + Duration::from_millis(350));
        let health = callbacks.health(2);
        assert_eq!(health.longest_gap_ms, Millis::new(35.0));
        assert_eq!((health.callbacks, health.xruns), (4, 2));
        assert_eq!(callbacks.first_after(), Some(Duration::from_millis(300)));
    }

    #[test]
    fn the_pause_of_a_stream_that_is_opened_once_more_is_no_gap() {
        let begin = Instant::now();
        let mut callbacks = Callbacks::new(begin);
        callbacks.push(begin);
        callbacks.push(begin + Duration::from_millis(10));
        let reopened = begin + Duration::from_millis(100);
        callbacks.reopen(reopened);
        assert!(!callbacks.is_stalled(reopened + STALL_BEFORE_FIRST));
        assert!(callbacks.is_stalled(reopened + STALL_BEFORE_FIRST + Duration::from_millis(1)));
        callbacks.push(begin + Duration::from_millis(900));
        assert_eq!(callbacks.health(0).longest_gap_ms, Millis::new(10.0));
        assert_eq!(callbacks.first_after(), Some(Duration::ZERO));
    }

    #[test]
    fn the_first_callback_may_take_longer_than_the_next() {
        let begin = Instant::now();
        let mut callbacks = Callbacks::new(begin);
        assert!(!callbacks.is_stalled(begin + STALL_BEFORE_FIRST));
        assert!(callbacks.is_stalled(begin + STALL_BEFORE_FIRST + Duration::from_millis(1)));
        callbacks.push(begin);
        assert!(!callbacks.is_stalled(begin + STALL_AFTER));
        assert!(callbacks.is_stalled(begin + STALL_AFTER + Duration::from_millis(1)));
    }
}
