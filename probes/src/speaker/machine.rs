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

/// Seconds after the chirp in which it may come back: more than any wire and most radio need, then
/// more than a slow headset, then what nobody would talk over. Where nothing comes in the first, the
/// same recording goes on to the next. With a longer one a whole check of the devices would take
/// more than its five seconds where nothing comes back, a quick one more than three.
const DELAYS: [f64; 3] = [0.35, 0.6, 0.9];

/// Seconds after a delay that is known, in which the room falls silent and the delay may vary.
const AFTERGLOW: f64 = 0.15;

/// Sounds of a full check, where so many fit into [`SOUNDS_SECONDS`].
const SHOTS: usize = 3;

/// Seconds that all sounds and their recordings may take. Three fit where the first comes back
/// within 0.1 s, two where it takes up to 0.55 s or nothing comes, and one otherwise.
const SOUNDS_SECONDS: f64 = 2.3;

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
    /// Which of [`DELAYS`] is waited for.
    patience: usize,
    /// Samples of all recordings so far.
    n_recorded: usize,
}

impl Shots {
    /// For the microphone's own version of the chirp; `None` where it cannot be searched for.
    pub(super) fn new(chirp: Chirp, format: Format, is_quick: bool) -> Option<Self> {
        Some(Self {
            search: AcousticLoop::new(chirp)?,
            format,
            wanted: if is_quick { 1 } else { SHOTS },
            done: Vec::new(),
            patience: 0,
            n_recorded: 0,
        })
    }

    /// Whether there are enough, or there is no time for another.
    pub(super) fn are_done(&self) -> bool {
        let most = n_samples(self.format, SOUNDS_SECONDS);
        let fits = self.n_recorded + self.n_samples() <= most;
        self.done.len() >= self.wanted || !(self.done.is_empty() || fits)
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
        let delay = match longest {
            Some(delay) => delay + AFTERGLOW,
            // Nothing came for a long time: the next sound only tells that it was no accident.
            None if self.done.is_empty() => DELAYS[self.patience],
            None => DELAYS[0],
        };
        n_samples(self.format, CHIRP_SECONDS + delay)
    }

    /// Takes the recording of a sound; `false` when it has to go on to [`Self::n_samples`], which
    /// are more now.
    pub(super) fn take(&mut self, recording: &[f32]) -> bool {
        let Some(shot) = self.search.search(recording) else {
            return true;
        };
        let may_be_late = self.done.is_empty() && self.patience + 1 < DELAYS.len();
        if shot.trace().is_none() && may_be_late {
            self.patience += 1;
            return false;
        }
        self.n_recorded += recording.len();
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

/// Longest time that the sounds may take, with devices that take a second to begin:
/// [`SOUNDS_SECONDS`] and that second.
pub(super) const LONGEST: Duration = Duration::from_millis(3300);

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

    /// When sounds are played after the begin of a recording: far enough from each other that none
    /// is in the recording of the next.
    const PLAYED_MS: [u64; 3] = [100, 1_800, 3_500];

    /// A recording of three sounds that come back this much later, each as loud as its gain.
    fn room(delay_ms: u64, gains: [f32; 3]) -> Vec<f32> {
        let mut samples = white_noise(&mut Random::new(9), 48_000 * 6, 0.001);
        for (played_ms, gain) in PLAYED_MS.into_iter().zip(gains) {
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
        run_in(&room(delay_ms, [gain; 3]), is_quick)
    }

    fn run_in(samples: &[f32], is_quick: bool) -> Shots {
        let begin = Instant::now();
        let mut shots = Shots::new(chirp(), format(), is_quick).unwrap();
        for played_ms in PLAYED_MS {
            let mut is_taken = false;
            while !shots.are_done() && !is_taken {
                // As late as a driver would look.
                let until_ms = played_ms + shots.n_samples() as u64 / 48 + 20;
                let track = track(samples, begin, until_ms);
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
    fn a_long_delay_is_found_by_listening_on() {
        for (delay_ms, n_done) in [(337, 2), (480, 2), (540, 2), (610, 1), (880, 1)] {
            for is_quick in [true, false] {
                let shots = run(delay_ms, 0.1, is_quick);
                assert_eq!(shots.n_done(), if is_quick { 1 } else { n_done });
                let LoopResult::Heard { delay_ms: told, .. } = shots.result() else {
                    panic!("{delay_ms} ms: {:?}", shots.result());
                };
                let error = told.as_f64() - delay_ms as f64;
                assert!(error.abs() < 0.3, "{told} for {delay_ms} ms");
            }
        }
    }

    #[test]
    fn a_headset_is_not_heard() {
        for (is_quick, n_done) in [(true, 1), (false, 2)] {
            let shots = run(42, 0.0, is_quick);
            assert_eq!(shots.n_done(), n_done);
            assert_eq!(shots.result(), LoopResult::NotHeard);
        }
    }

    #[test]
    fn a_first_sound_that_was_swallowed_leaves_doubt() {
        let shots = run_in(&room(42, [0.0, 0.1, 0.1]), false);
        let doubt = LoopDoubt::Weak;
        assert_eq!(shots.result(), LoopResult::Uncertain { doubt });
    }

    #[test]
    fn sounds_never_take_longer_than_they_may() {
        for delay_ms in (0..1_000).step_by(35) {
            let shots = run(delay_ms, 0.1, false);
            let most = n_samples(format(), SOUNDS_SECONDS);
            assert!(shots.n_recorded <= most, "{delay_ms} ms");
        }
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
