//! The slow spot of a link: a FIFO in front of a token bucket.

use std::collections::VecDeque;
use std::time::Duration;

use super::config::Rate;

/// A queue that releases its items at a limited rate.
///
/// Only the departure of the first item is fixed; the others get theirs when they move up. So a new rate applies to
/// everything that waits, as on a real interface.
#[derive(Debug)]
pub(super) struct Bottleneck<T> {
    rate: Option<Rate>,
    queue: VecDeque<Queued<T>>,
    queued_bytes: usize,
    head_departs_at: Duration,
    /// Time up to which the bucket's tokens are spent (the "theoretical arrival time" of the generic cell rate
    /// algorithm, ITU-T I.371), in nanoseconds; signed since a full bucket lies before the epoch.
    spent_until_ns: i128,
}

#[derive(Debug)]
struct Queued<T> {
    entered_at: Duration,
    size: usize,
    item: T,
}

impl<T> Bottleneck<T> {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self {
            rate,
            queue: VecDeque::new(),
            queued_bytes: 0,
            head_departs_at: Duration::ZERO,
            spent_until_ns: i128::MIN,
        }
    }

    /// Changes the rate for all but the item being sent. Call [`Self::pop`] up to now before.
    pub(super) fn set_rate(&mut self, now: Duration, rate: Option<Rate>) {
        let was_stuck = self.rate.is_some_and(|rate| rate.bits_per_second == 0);
        self.rate = rate;
        if was_stuck {
            self.schedule_head(now);
        }
    }

    /// Whether the tail would drop an item of this size.
    pub(super) fn is_full_for(&self, size: usize) -> bool {
        let limit = self.rate.map_or(usize::MAX, |rate| rate.queue_limit_bytes);
        !self.queue.is_empty() && self.queued_bytes.saturating_add(size) > limit
    }

    /// Appends an item; ask [`Self::is_full_for`] before.
    pub(super) fn push(&mut self, now: Duration, size: usize, item: T) {
        self.queue.push_back(Queued {
            entered_at: now,
            size,
            item,
        });
        self.queued_bytes += size;
        if self.queue.len() == 1 {
            self.schedule_head(now);
        }
    }

    /// When the first item departs.
    pub(super) fn next_at(&self) -> Option<Duration> {
        let can_depart = !self.queue.is_empty() && self.head_departs_at != Duration::MAX;
        can_depart.then_some(self.head_departs_at)
    }

    /// The first item, with its departure, if that is due.
    pub(super) fn pop(&mut self, now: Duration) -> Option<(Duration, T)> {
        let departed_at = self.next_at().filter(|at| *at <= now)?;
        let head = self.queue.pop_front()?;
        self.queued_bytes -= head.size;
        self.schedule_head(departed_at);
        Some((departed_at, head.item))
    }

    /// Fixes the departure of the first item, which got there at `now`.
    fn schedule_head(&mut self, now: Duration) {
        let Some(head) = self.queue.front() else {
            return;
        };
        let (now, size) = (now.max(head.entered_at), head.size);
        self.head_departs_at = match self.rate {
            None => now,
            Some(rate) => self.spend(now, size, rate),
        };
    }

    fn spend(&mut self, now: Duration, size: usize, rate: Rate) -> Duration {
        let (Some(cost), Some(burst)) =
            (sending_ns(size, rate), sending_ns(rate.burst_bytes, rate))
        else {
            return Duration::MAX;
        };
        let now_ns = i128::try_from(now.as_nanos()).unwrap_or(i128::MAX);
        self.spent_until_ns = self.spent_until_ns.max(now_ns - burst) + cost;
        let departs_ns = u64::try_from(self.spent_until_ns.max(now_ns)).unwrap_or(u64::MAX);
        Duration::from_nanos(departs_ns)
    }
}

/// Time to send `size` bytes in nanoseconds, rounded up; `None` at rate 0.
fn sending_ns(size: usize, rate: Rate) -> Option<i128> {
    let bits = size as i128 * 8 * 1_000_000_000;
    let rate = i128::from(rate.bits_per_second);
    (rate != 0).then(|| (bits + rate - 1) / rate)
}
