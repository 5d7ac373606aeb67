//! The synthetic microphone: somebody who speaks in a quiet room, and listens when the speaker
//! plays.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::time::{Duration, Instant};

use greenroom_reports::samples::Random;

use super::room::Room;
use crate::audio::capture::port::CapturePort;
use crate::signal::testing::sounds::normal;
use crate::signal::view::{Format, SampleRate};

/// Length of a callback.
const PERIOD: Duration = Duration::from_millis(10);
const PERIOD_FRAMES: usize = 480;

/// Level of what is spoken, and of the room, in dBFS.
const SPEECH_DBFS: f64 = -26.0;
const ROOM_DBFS: f64 = -65.0;

/// Seconds that a burst lasts, and from the begin of one to the next.
const BURST_SECONDS: f64 = 0.35;
const BURST_EVERY: f64 = 0.5;

/// Seconds over which a burst rises and falls.
const EDGE_SECONDS: f64 = 0.02;

/// How much of a sample stays in the next: a voice has more power below than above 3 kHz.
const COLOR: f64 = 0.6;

/// Gives sound in real time until the port is stopped.
pub(super) fn run(room: &Room, port: &CapturePort) {
    let rate = SampleRate::new(super::RATE_HZ);
    let Some(format) = rate.and_then(|rate| Format::new(rate, 1)) else {
        return;
    };
    let (mut feed, opened) = port.feed(format);
    port.opened(opened);
    let mut voice = Voice::new();
    let mut begin = Instant::now();
    loop {
        let end = begin + PERIOD;
        if port
            .stop
            .wait(end.saturating_duration_since(Instant::now()))
        {
            return;
        }
        let is_hushed = room.is_hushed(begin);
        let mut samples: Vec<f32> = (0..PERIOD_FRAMES).map(|_| voice.next(is_hushed)).collect();
        room.add_to(begin, &mut samples);
        feed.push(samples.into_iter(), Instant::now());
        begin = end;
    }
}

/// Bursts of colored noise over the noise of a room.
struct Voice {
    random: Random,
    frame: u64,
    last: f64,
}

impl Voice {
    fn new() -> Self {
        Self {
            random: Random::new(1),
            frame: 0,
            last: 0.0,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "single precision is enough"
    )]
    fn next(&mut self, is_hushed: bool) -> f32 {
        let seconds = self.frame as f64 / f64::from(super::RATE_HZ);
        self.frame += 1;
        // Power of 1, whatever the color.
        let fresh = (1.0 - COLOR * COLOR).sqrt();
        self.last = COLOR * self.last + fresh * normal(&mut self.random);
        let loudness = if is_hushed { 0.0 } else { burst_at(seconds) };
        let speech = amplitude(SPEECH_DBFS) * loudness * self.last;
        let room = amplitude(ROOM_DBFS) * normal(&mut self.random);
        (speech + room) as f32
    }
}

fn burst_at(seconds: f64) -> f64 {
    let within = seconds % BURST_EVERY;
    let from_edge = within.min(BURST_SECONDS - within);
    (from_edge / EDGE_SECONDS).clamp(0.0, 1.0)
}

fn amplitude(dbfs: f64) -> f64 {
    10_f64.powf(dbfs / 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::microphone::MicrophoneMeter;
    use crate::signal::view::Interleaved;

    #[test]
    fn it_is_as_loud_as_it_says() {
        let mut voice = Voice::new();
        let samples: Vec<f32> = (0..48_000 * 4).map(|_| voice.next(false)).collect();
        let format = Format::new(SampleRate::new(48_000).unwrap(), 1).unwrap();
        let mut meter = MicrophoneMeter::new(format).unwrap();
        meter.push(&Interleaved::new(&samples, format));
        let summary = meter.summary();
        let speech = summary.level.speech.unwrap().level_dbfs.as_f64();
        let noise = summary.noise.noise_floor_dbfs.unwrap().as_f64();
        assert!((speech + 26.0).abs() < 2.0, "{speech}");
        assert!((noise + 65.0).abs() < 2.0, "{noise}");
        assert_eq!(summary.clipping.n_runs, 0);
    }
}
