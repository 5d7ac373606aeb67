//! The synthetic speaker: plays into the room, in real time.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::time::{Duration, Instant};

use super::room::Room;
use crate::audio::playback::port::PlaybackPort;
use crate::signal::view::{Format, SampleRate};

/// Length of a callback.
const PERIOD: Duration = Duration::from_millis(10);
const PERIOD_FRAMES: usize = 480;

/// Takes sound until the port is stopped.
pub(super) fn run(room: &Room, port: &PlaybackPort) {
    let rate = SampleRate::new(super::RATE_HZ);
    let Some(format) = rate.and_then(|rate| Format::new(rate, 1)) else {
        return;
    };
    let (mut feed, opened) = PlaybackPort::feed(format);
    port.opened(opened);
    let mut begin = Instant::now();
    loop {
        let mut samples = vec![0.0; PERIOD_FRAMES];
        let at = Instant::now();
        feed.fill(PERIOD_FRAMES, at, Duration::ZERO, |frame, sample| {
            samples[frame] = sample;
        });
        room.play(begin, samples);
        begin += PERIOD;
        if port
            .stop
            .wait(begin.saturating_duration_since(Instant::now()))
        {
            return;
        }
    }
}
