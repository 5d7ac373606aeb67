//! Frame rate, jitter and freezes from capture timestamps.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::time::Duration;

use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_reports::stats::quantile::nearest_rank;
use greenroom_reports::units::Millis;

/// Fewest intervals for a rate. Fewer would give an interval of confidence wider than any verdict.
pub const MIN_RATE_INTERVALS: usize = 10;

/// Fewest intervals for the 95th percentile: below, it would be the largest.
pub const MIN_P95_INTERVALS: usize = 20;

/// Intervals kept: an hour at 30 frames a second. Beyond, the oldest are dropped.
const MAX_INTERVALS: usize = 108_000;

/// Intervals that the average of the freeze rule spans; libwebrtc's
/// `kAvgInterframeDelaysWindowSizeFrames`.
const FREEZE_WINDOW: usize = 30;

/// Intervals before a freeze can be told; libwebrtc's `kMinFrameSamplesToDetectFreeze`.
const FREEZE_MIN_INTERVALS: usize = 5;

/// Least increase over the average that is a freeze; libwebrtc's `kMinIncreaseForFreezeMs`.
const FREEZE_INCREASE_MS: f64 = 150.0;

/// Timestamps in a row below the latest before the clock is taken to have been set back: more than
/// frames that were merely delivered out of order.
const MAX_BACKWARD_RUN: u32 = 3;

/// Follows the capture timestamps and sequence numbers of one stream.
#[derive(Clone, Debug, Default)]
pub struct FrameIntervals {
    /// The latest timestamp so far, not the last: one that ran backwards must not count twice.
    latest: Option<MonotonicTime>,
    /// Timestamps below the latest, without a break.
    backward_run: u32,
    sequence: Option<u64>,
    intervals_ms: VecDeque<f64>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    frames: u64,
    backward: u64,
    repeated: u64,
    dropped: u64,
    freezes: u64,
    frozen_ms: f64,
}

impl FrameIntervals {
    /// Takes a frame in the order of delivery.
    ///
    /// A timestamp that repeats or runs backwards is counted and gives no interval.
    pub fn push(&mut self, captured_at: MonotonicTime, sequence: Option<u64>) {
        self.counts.frames += 1;
        self.count_drops(sequence);
        let Some(latest) = self.latest else {
            self.latest = Some(captured_at);
            return;
        };
        match captured_at.cmp(&latest) {
            Ordering::Less => self.step_back(captured_at),
            Ordering::Equal => self.counts.repeated += 1,
            Ordering::Greater => {
                self.take(captured_at.since(latest));
                self.latest = Some(captured_at);
                self.backward_run = 0;
            }
        }
    }

    /// Frames missing between two sequence numbers; a counter that starts anew tells nothing.
    fn count_drops(&mut self, sequence: Option<u64>) {
        if let (Some(now), Some(before)) = (sequence, self.sequence) {
            let missing = now.saturating_sub(before).saturating_sub(1);
            self.counts.dropped = self.counts.dropped.saturating_add(missing);
        }
        self.sequence = sequence.or(self.sequence);
    }

    /// After some timestamps below it, the latest one was wrong, and so was the interval to it.
    fn step_back(&mut self, captured_at: MonotonicTime) {
        self.counts.backward += 1;
        self.backward_run += 1;
        if self.backward_run == MAX_BACKWARD_RUN {
            self.forget_last();
            self.latest = Some(captured_at);
            self.backward_run = 0;
        }
    }

    fn forget_last(&mut self) {
        let Some(interval_ms) = self.intervals_ms.back().copied() else {
            return;
        };
        if self.is_freeze(interval_ms) {
            self.counts.freezes = self.counts.freezes.saturating_sub(1);
            self.counts.frozen_ms = (self.counts.frozen_ms - interval_ms).max(0.0);
        }
        self.intervals_ms.pop_back();
    }

    fn take(&mut self, interval: Duration) {
        let interval_ms = interval.as_secs_f64() * 1e3;
        if self.intervals_ms.len() == MAX_INTERVALS {
            self.intervals_ms.pop_front();
        }
        self.intervals_ms.push_back(interval_ms);
        if self.is_freeze(interval_ms) {
            self.counts.freezes += 1;
            self.counts.frozen_ms += interval_ms;
        }
    }

    /// The last interval itself is part of the average, as in libwebrtc.
    fn is_freeze(&self, interval_ms: f64) -> bool {
        let window = self.intervals_ms.iter().rev().take(FREEZE_WINDOW);
        let n = window.len();
        let average = window.sum::<f64>() / n as f64;
        n >= FREEZE_MIN_INTERVALS
            && interval_ms >= (3.0 * average).max(average + FREEZE_INCREASE_MS)
    }

    /// Statistics so far.
    pub fn summary(&self) -> IntervalSummary {
        let mut sorted: Vec<f64> = self.intervals_ms.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let jitter_ms = (n >= MIN_RATE_INTERVALS).then(|| deviation(&sorted));
        let p95_ms = nearest_rank(&sorted, 0.95).filter(|_| n >= MIN_P95_INTERVALS);
        IntervalSummary {
            frames: self.counts.frames,
            rate: jitter_ms.and_then(|jitter_ms| rate(&sorted, jitter_ms)),
            p95: p95_ms.and_then(Millis::new),
            jitter: jitter_ms.and_then(Millis::new),
            freezes: (n >= FREEZE_MIN_INTERVALS).then_some(self.counts.freezes),
            frozen_for: Millis::new(self.counts.frozen_ms).unwrap_or_default(),
            timestamps_backward: self.counts.backward,
            timestamps_repeated: self.counts.repeated,
            frames_dropped: self.sequence.map(|_| self.counts.dropped),
        }
    }
}

/// What the timestamps of a stream say.
#[derive(Clone, Debug, PartialEq)]
pub struct IntervalSummary {
    /// Frames delivered.
    pub frames: u64,
    /// Frames a second; `None` below [`MIN_RATE_INTERVALS`].
    pub rate: Option<FrameRate>,
    /// 95th percentile of the intervals; `None` below [`MIN_P95_INTERVALS`].
    pub p95: Option<Millis>,
    /// Standard deviation of the intervals; `None` below [`MIN_RATE_INTERVALS`].
    pub jitter: Option<Millis>,
    /// Intervals of at least `max(3·avg, avg + 150 ms)` over the last 30; `None` below 5.
    ///
    /// Source: W3C webrtc-stats `freezeCount`, libwebrtc's `VideoQualityObserver`.
    pub freezes: Option<u64>,
    /// Sum of those intervals.
    pub frozen_for: Millis,
    /// Timestamps before the latest one.
    pub timestamps_backward: u64,
    /// Timestamps equal to the latest one.
    pub timestamps_repeated: u64,
    /// Frames missing from the driver's count; `None` where it does not count.
    pub frames_dropped: Option<u64>,
}

/// A mean frame rate in frames a second, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameRate {
    /// Intervals over the time that they span.
    pub fps: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The rate from the mean interval and its standard error.
///
/// Jitter of the stamps makes neighboring intervals differ in opposite directions, which the mean
/// does not suffer from: there, the interval is wider than it need be.
fn rate(sorted_ms: &[f64], deviation_ms: f64) -> Option<FrameRate> {
    let n = sorted_ms.len() as f64;
    let mean = sorted_ms.iter().sum::<f64>() / n;
    let half = 1.96 * deviation_ms / n.sqrt();
    // The mean cannot be below the shortest interval.
    let shortest = (mean - half).max(*sorted_ms.first()?).min(mean);
    let rate = FrameRate {
        fps: 1e3 / mean,
        low: 1e3 / (mean + half),
        high: 1e3 / shortest,
    };
    rate.high.is_finite().then_some(rate)
}

fn deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (squares / (n - 1.0).max(1.0)).sqrt()
}
