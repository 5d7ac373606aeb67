//! When a frame of a stream was handed over.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::signal::view::SampleRate;

/// How far it is looked back. Long enough that one callback in it comes in time on a busy machine;
/// a sound server changes its buffers within a second of a stream's begin.
const LOOK_BACK: Duration = Duration::from_millis(500);

/// Most callbacks that are looked back on.
const MOST: usize = 512;

/// Puts frames into time, by the callbacks that came with them.
///
/// A callback comes late when the processor is busy, and never early. So the earliest of the latest
/// callbacks, counted back to frame zero, tells when the stream would have begun had it run evenly.
/// A device whose clock is off by 300 ppm moves by 0.15 ms over what is looked back on.
#[derive(Clone, Debug)]
pub struct Timeline {
    rate: SampleRate,
    /// Frame, and when it was handed over.
    callbacks: VecDeque<(u64, Instant)>,
}

impl Timeline {
    /// Of a stream with this rate.
    pub fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            callbacks: VecDeque::new(),
        }
    }

    /// At `at`, everything before `frame` had been handed over.
    pub fn push(&mut self, frame: u64, at: Instant) {
        let is_old = |seen: &(u64, Instant)| at.saturating_duration_since(seen.1) > LOOK_BACK;
        while self.callbacks.len() == MOST || self.callbacks.front().is_some_and(is_old) {
            self.callbacks.pop_front();
        }
        self.callbacks.push_back((frame, at));
    }

    /// When a frame was, or will be, handed over; `None` before the first callback.
    pub fn time_of(&self, frame: u64) -> Option<Instant> {
        let earliest = self.callbacks.iter().map(|(known, at)| {
            let ahead = frame.saturating_sub(*known);
            let behind = known.saturating_sub(frame);
            // An instant before the system started cannot be told.
            (*at + self.span(ahead)).checked_sub(self.span(behind))
        });
        earliest.flatten().min()
    }

    /// The frame that was handed over at a time, rounded; `None` before the first callback, and
    /// when it would be before frame zero.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "float casts saturate"
    )]
    pub fn frame_at(&self, at: Instant) -> Option<u64> {
        let (first, _) = *self.callbacks.front()?;
        let begin = self.time_of(first)?;
        let frames = |span: Duration| (span.as_secs_f64() * self.rate.as_hz()).round() as u64;
        match at.checked_duration_since(begin) {
            Some(later) => Some(first + frames(later)),
            None => first.checked_sub(frames(begin - at)),
        }
    }

    /// How long so many frames last.
    pub fn span(&self, frames: u64) -> Duration {
        Duration::from_secs_f64(frames as f64 / self.rate.as_hz())
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::disallowed_methods,
        reason = "an arbitrary instant to count from"
    )]

    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn timeline(lateness: impl Fn(u64) -> u64, begin: Instant) -> Timeline {
        let mut timeline = Timeline::new(SampleRate::new(48_000).unwrap());
        for n in 0..600 {
            timeline.push(n * 480, begin + ms(n * 10 + lateness(n)));
        }
        timeline
    }

    #[test]
    fn before_a_callback_nothing_has_a_time() {
        let timeline = Timeline::new(SampleRate::new(48_000).unwrap());
        assert_eq!(timeline.time_of(0), None);
        assert_eq!(timeline.frame_at(Instant::now()), None);
    }

    #[test]
    fn late_callbacks_do_not_move_the_frames() {
        let begin = Instant::now() + ms(10_000);
        let timeline = timeline(|n| n * 7 % 10, begin);
        for frame in [240_000, 250_000, 287_520, 300_000] {
            let due = begin + Duration::from_secs_f64(frame as f64 / 48_000.0);
            let time = timeline.time_of(frame).unwrap();
            assert!(time.max(due) - time.min(due) < Duration::from_micros(1));
        }
    }

    #[test]
    fn a_frame_and_its_time_are_each_other_s_inverse() {
        let begin = Instant::now() + ms(10_000);
        let timeline = timeline(|n| n % 3, begin);
        for frame in [0, 1, 77_777, 287_999, 300_000] {
            assert_eq!(
                timeline.frame_at(timeline.time_of(frame).unwrap()),
                Some(frame)
            );
        }
        assert_eq!(timeline.frame_at(begin - ms(1)), None);
    }

    #[test]
    fn only_the_latest_callbacks_count() {
        let begin = Instant::now() + ms(10_000);
        // From callback 100 on, everything is 50 ms later: the device lost samples.
        let timeline = timeline(|n| if n < 100 { 0 } else { 50 }, begin);
        let time = timeline.time_of(599 * 480).unwrap();
        assert_eq!(time - begin, ms(5990 + 50));
    }
}
