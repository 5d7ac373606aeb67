//! Records what a person says and plays it back, for their own ears to judge.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::time::{Duration, Instant};

use greenroom_reports::units::Dbfs;

use super::capture::microphone::SharedMicrophone;
use super::playback::sound::Sound;
use super::playback::speaker::Speaker;
use super::stream::control::StreamState;
use crate::error::DeviceError;
use crate::signal::view::SampleRate;

/// Longest recording.
const LONGEST: Duration = Duration::from_secs(30);

/// How often it is looked whether it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How much longer than the sound itself playing may take.
const PLAY_SLACK: Duration = Duration::from_secs(2);

/// What a person said.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Samples a second.
    pub rate: SampleRate,
    /// The mean of all channels.
    pub samples: Vec<f32>,
}

impl Recording {
    /// Records for this long from the first sample on, half a minute at the most. Blocks.
    ///
    /// `goes_on` is asked 50 times a second or more often, with the peak of what came since it was
    /// asked last, absent for silence; it ends the recording with `false`.
    ///
    /// # Errors
    ///
    /// When the microphone goes away or gives nothing.
    pub fn make(
        microphone: &SharedMicrophone,
        length: Duration,
        mut goes_on: impl FnMut(Option<Dbfs>) -> bool,
    ) -> Result<Self, DeviceError> {
        let reader = microphone.listen();
        let mut until = None;
        let mut samples: Vec<f32> = Vec::new();
        while until.is_none_or(|until| Instant::now() < until) {
            let known = samples.len();
            if let Some(chunk) = reader.next(LOOK_EVERY) {
                until.get_or_insert_with(|| Instant::now() + length.min(LONGEST));
                samples.extend(chunk.view().mono());
            }
            let peak = samples[known..].iter().fold(0.0_f32, |p, s| p.max(s.abs()));
            if !goes_on(Dbfs::from_amplitude(peak.into())) {
                break;
            }
            check(&microphone.state(), &microphone.device().name)?;
        }
        Ok(Self {
            rate: microphone.format().rate(),
            samples,
        })
    }

    /// Nothing but zeros, or nothing at all.
    pub fn is_silent(&self) -> bool {
        self.samples.iter().all(|sample| *sample == 0.0)
    }

    /// Plays it, never louder than `peak`, until its end or until `is_over` says so. Blocks.
    ///
    /// # Errors
    ///
    /// When the speaker goes away or takes nothing.
    pub fn play(
        &self,
        speaker: &Speaker,
        peak: Dbfs,
        is_over: impl Fn() -> bool,
    ) -> Result<(), DeviceError> {
        let rate = speaker.format().rate();
        let sound = Sound::new(rate, self.at_rate(rate), peak);
        let length = Duration::from_secs_f64(sound.seconds());
        let until = Instant::now() + length + PLAY_SLACK;
        let Some(id) = speaker.play(sound) else {
            return Ok(());
        };
        while Instant::now() < until && !is_over() {
            std::thread::sleep(LOOK_EVERY);
            check(&speaker.state(), &speaker.device().name)?;
            let heard = speaker.played(id).map(|played| played.heard_at + length);
            if heard.is_some_and(|end| Instant::now() >= end) {
                break;
            }
        }
        Ok(())
    }

    /// The samples at another rate, by straight lines: good enough for a voice.
    fn at_rate(&self, rate: SampleRate) -> Vec<f32> {
        if rate == self.rate {
            return self.samples.clone();
        }
        let step = self.rate.as_hz() / rate.as_hz();
        let seconds = self.samples.len() as f64 / self.rate.as_hz();
        (0..rate.samples_in(seconds))
            .map(|n| between(&self.samples, n as f64 * step))
            .collect()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place within the samples"
)]
fn between(samples: &[f32], place: f64) -> f32 {
    let before = place as usize;
    let share = (place - before as f64) as f32;
    let at = |n: usize| samples.get(n).copied().unwrap_or(0.0);
    at(before) * (1.0 - share) + at(before + 1) * share
}

fn check(state: &StreamState, device: &str) -> Result<(), DeviceError> {
    match state {
        StreamState::Ended(error) => Err(error.clone()),
        StreamState::Stalled => Err(DeviceError::Stalled {
            device: device.to_owned(),
        }),
        StreamState::Starting | StreamState::Running => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::testing::sounds::tone;

    #[test]
    fn another_rate_keeps_pitch_and_length() {
        let rate = |hz| SampleRate::new(hz).unwrap();
        let recording = Recording {
            rate: rate(16_000),
            samples: tone(16_000.0, 16_000, 440.0, 0.5),
        };
        let played = recording.at_rate(rate(48_000));
        assert_eq!(played.len(), 48_000);
        let rises = played.windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0);
        assert!((439..=440).contains(&rises.count()));
        assert_eq!(recording.at_rate(rate(16_000)), recording.samples);
    }
}
