//! Which part of a recording belongs to which sound, and what all of them tell. Reads no clock,
//! opens nothing.

use std::time::{Duration, Instant};

use greenroom_devices::audio::capture::chunk::Chunk;
use greenroom_devices::audio::stream::timeline::Timeline;
use greenroom_devices::signal::acoustic_loop::chirp::{CHIRP_SECONDS, Chirp};
use greenroom_devices::signal::acoustic_loop::shot::{AcousticLoop, RECORDING_SECONDS, Shot};
use greenroom_devices::signal::acoustic_loop::verdict::{Doubt, LoopVerdict};
use greenroom_devices::signal::view::Format;
use greenroom_reports::model::speaker::{LoopDoubt, LoopResult};

/// Seconds after the chirp in which it may come back at first: more than any wire, and most radio,
/// needs. Where nothing comes in that time, the same recording goes on to the longest delay.
const USUAL_DELAY: f64 = 0.35;

/// Seconds after a delay that is known, in which the room falls silent and the delay may vary.
const AFTERGLOW: f64 = 0.15;

/// Sounds where the first comes back in the usual time.
const SHOTS: usize = 3;

/// Sounds where it does not: each takes more than a second and a half.
const SLOW_SHOTS: usize = 2;

/// Seconds of recording that are kept: the longest that is searched, and as much again.
const KEPT_SECONDS: f64 = 2.0 * RECORDING_SECONDS;

/// The recording of one microphone while sounds are played.
#[derive(Debug)]
pub(super) struct Track {
    timeline: Timeline,
    /// Place of the first sample that is kept.
    first_frame: Option<u64>,
    samples: Vec<f32>,
    most: usize,
}

impl Track {
    /// Of a stream of this format.
    pub(super) fn new(format: Format) -> Self {
        Self {
            timeline: Timeline::new(format.rate()),
            first_frame: None,
            samples: Vec::new(),
            most: n_samples(format, KEPT_SECONDS),
        }
    }

    /// Takes the next samples. What was lost in between is silence, so that the rest stays in its
    /// place.
    pub(super) fn push(&mut self, chunk: &Chunk) {
        self.timeline.push(chunk.end_frame(), chunk.at);
        let first = *self.first_frame.get_or_insert(chunk.first_frame);
        let due = first + self.samples.len() as u64;
        let lost = chunk.first_frame.saturating_sub(due);
        let lost = usize::try_from(lost).unwrap_or(self.most).min(self.most);
        self.samples.resize(self.samples.len() + lost, 0.0);
        self.samples.extend(chunk.view().mono());
        let spare = self.samples.len().saturating_sub(self.most);
        if spare > self.most / 2 {
            self.samples.drain(..spare);
            self.first_frame = Some(first + spare as u64);
        }
    }

    /// The samples that came from this time on, if so many have come already.
    pub(super) fn since(&self, begin: Instant, n_samples: usize) -> Option<Vec<f32>> {
        let frame = self.timeline.frame_at(begin)?;
        let begin = usize::try_from(frame.checked_sub(self.first_frame?)?).ok()?;
        let part = self.samples.get(begin..begin.checked_add(n_samples)?)?;
        Some(part.to_vec())
    }
}

/// Sounds, and what came of them.
#[derive(Debug)]
pub(super) struct Shots {
    search: AcousticLoop,
    format: Format,
    wanted: usize,
    done: Vec<Shot>,
    /// The first sound did not come back in the usual time.
    is_slow: bool,
}

impl Shots {
    /// For the microphone's own version of the chirp; `None` where it cannot be searched for.
    pub(super) fn new(chirp: Chirp, format: Format, is_quick: bool) -> Option<Self> {
        Some(Self {
            search: AcousticLoop::new(chirp)?,
            format,
            wanted: if is_quick { 1 } else { SHOTS },
            done: Vec::new(),
            is_slow: false,
        })
    }

    /// Whether there are enough.
    pub(super) fn are_done(&self) -> bool {
        let slow = self.wanted.min(SLOW_SHOTS);
        self.done.len() >= if self.is_slow { slow } else { self.wanted }
    }

    /// How many there are.
    pub(super) fn n_done(&self) -> usize {
        self.done.len()
    }

    /// Share of the sounds that were played.
    pub(super) fn progress(&self) -> f64 {
        self.done.len() as f64 / self.wanted as f64
    }

    /// Samples that have to be recorded from the next sound's begin on.
    pub(super) fn n_samples(&self) -> usize {
        let delays = self.done.iter().filter_map(Shot::trace);
        let longest = delays.map(|trace| trace.delay_ms / 1000.0).reduce(f64::max);
        let seconds = match longest {
            _ if self.is_slow => RECORDING_SECONDS,
            Some(delay) => CHIRP_SECONDS + delay + AFTERGLOW,
            None => CHIRP_SECONDS + USUAL_DELAY,
        };
        n_samples(self.format, seconds)
    }

    /// Takes the recording of a sound; `false` when it has to go on to [`Self::n_samples`], which
    /// are more now.
    pub(super) fn take(&mut self, recording: &[f32]) -> bool {
        let Some(shot) = self.search.search(recording) else {
            return true;
        };
        if shot.trace().is_none() && !self.is_slow && self.done.is_empty() {
            self.is_slow = true;
            return false;
        }
        self.done.push(shot);
        true
    }

    /// What all of them tell.
    pub(super) fn result(&self) -> LoopResult {
        match LoopVerdict::from_shots(&self.done) {
            LoopVerdict::Heard(heard) => LoopResult::Heard {
                delay_ms: heard.delay_ms,
                spread_ms: heard.spread_ms,
                gain_db: heard.gain_db,
                echo_return_loss_db: heard.echo_return_loss_db,
                snr_db: heard.snr_db,
                confidence: heard.confidence,
            },
            LoopVerdict::NotHeard => LoopResult::NotHeard,
            LoopVerdict::Uncertain(doubt) => LoopResult::Uncertain {
                doubt: match doubt {
                    Doubt::NoRecording => LoopDoubt::NoRecording,
                    Doubt::Noise => LoopDoubt::Noise,
                    Doubt::Weak => LoopDoubt::Weak,
                },
            },
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate"
)]
fn n_samples(format: Format, seconds: f64) -> usize {
    (format.rate().as_hz() * seconds).round() as usize
}

/// Longest time that the sounds may take: two of the longest recordings, and their begin.
pub(super) const LONGEST: Duration = Duration::from_millis(4200);

#[cfg(test)]
mod tests {
    #![expect(
        clippy::disallowed_methods,
        reason = "an arbitrary instant to count from"
    )]

    use greenroom_devices::signal::testing::sounds::white_noise;
    use greenroom_devices::signal::view::SampleRate;
    use greenroom_reports::samples::Random;
    use greenroom_reports::units::Dbfs;

    use super::*;

    fn format() -> Format {
        Format::new(SampleRate::new(48_000).unwrap(), 1).unwrap()
    }

    fn chirp() -> Chirp {
        Chirp::new(format().rate(), Dbfs::new(-20.0).unwrap())
    }

    /// A recording of three sounds, played 0.1, 1.1 and 2.1 s after its begin.
    fn room(delay_ms: u64, gain: f32) -> Vec<f32> {
        let mut samples = white_noise(&mut Random::new(9), 48_000 * 6, 0.001);
        for played_ms in [100, 1_100, 2_100_u64] {
            let begin = usize::try_from((played_ms + delay_ms) * 48).unwrap();
            for (slot, sample) in samples[begin..].iter_mut().zip(chirp().samples()) {
                *slot += sample * gain;
            }
        }
        samples
    }

    fn track(samples: &[f32], begin: Instant, until_ms: u64) -> Track {
        let mut track = Track::new(format());
        let until = usize::try_from(until_ms / 10).unwrap();
        for (n, part) in samples.chunks(480).take(until).enumerate() {
            let first_frame = n as u64 * 480;
            track.push(&Chunk {
                first_frame,
                // A chunk comes when its last sample was recorded.
                at: begin + Duration::from_millis(10 * (n as u64 + 1)),
                samples: part.to_vec(),
                format: format(),
            });
        }
        track
    }

    fn run(delay_ms: u64, gain: f32, is_quick: bool) -> Shots {
        let samples = room(delay_ms, gain);
        let begin = Instant::now();
        let mut shots = Shots::new(chirp(), format(), is_quick).unwrap();
        for played_ms in [100, 1_100, 2_100] {
            let mut is_taken = false;
            while !shots.are_done() && !is_taken {
                // As late as a driver would look.
                let until_ms = played_ms + shots.n_samples() as u64 / 48 + 20;
                let track = track(&samples, begin, until_ms);
                let played = begin + Duration::from_millis(played_ms);
                let recording = track.since(played, shots.n_samples()).unwrap();
                is_taken = shots.take(&recording);
            }
        }
        assert!(shots.are_done());
        shots
    }

    #[test]
    fn three_sounds_give_one_delay() {
        let shots = run(42, 0.1, false);
        assert_eq!(shots.n_done(), 3);
        let LoopResult::Heard {
            delay_ms,
            spread_ms,
            gain_db,
            ..
        } = shots.result()
        else {
            panic!("{:?}", shots.result());
        };
        assert!((delay_ms.as_f64() - 42.0).abs() < 0.3, "{delay_ms}");
        assert!(spread_ms.as_f64() < 0.3 && (gain_db + 20.0).abs() < 0.5);
    }

    #[test]
    fn a_quick_check_plays_once() {
        let shots = run(42, 0.1, true);
        assert_eq!(shots.n_done(), 1);
        assert!(matches!(shots.result(), LoopResult::Heard { .. }));
    }

    #[test]
    fn a_delay_of_radio_is_found_by_listening_on() {
        let shots = run(480, 0.1, true);
        assert!(shots.is_slow);
        let LoopResult::Heard { delay_ms, .. } = shots.result() else {
            panic!("{:?}", shots.result());
        };
        assert!((delay_ms.as_f64() - 480.0).abs() < 0.3, "{delay_ms}");
    }

    #[test]
    fn a_headset_is_not_heard() {
        let shots = run(42, 0.0, false);
        assert_eq!(shots.n_done(), 2);
        assert_eq!(shots.result(), LoopResult::NotHeard);
    }

    #[test]
    fn nothing_played_is_no_recording() {
        let shots = Shots::new(chirp(), format(), false).unwrap();
        let doubt = LoopDoubt::NoRecording;
        assert_eq!(shots.result(), LoopResult::Uncertain { doubt });
    }

    #[test]
    fn what_was_lost_leaves_the_rest_in_its_place() {
        let begin = Instant::now();
        let mut track = Track::new(format());
        for n in [0, 1, 3, 4_u64] {
            track.push(&Chunk {
                first_frame: n * 480,
                at: begin + Duration::from_millis(10 * (n + 1)),
                samples: vec![n as f32; 480],
                format: format(),
            });
        }
        let part = track.since(begin + Duration::from_millis(20), 960).unwrap();
        assert!(part[..480].iter().all(|s| *s == 0.0));
        assert!(part[480..].iter().all(|s| (*s - 3.0).abs() < 1e-6));
        assert_eq!(track.since(begin + Duration::from_millis(20), 2_000), None);
    }

    #[test]
    fn a_long_recording_keeps_its_end_only() {
        let samples = vec![0.25; 48_000 * 12];
        let begin = Instant::now();
        let track = track(&samples, begin, 12_000);
        assert!(track.samples.len() <= n_samples(format(), KEPT_SECONDS * 1.5) + 480);
        let late = begin + Duration::from_millis(11_000);
        assert_eq!(track.since(late, 4_800).map(|part| part.len()), Some(4_800));
        assert_eq!(track.since(begin, 4_800), None);
    }
}
