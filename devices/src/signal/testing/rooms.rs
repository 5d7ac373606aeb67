//! Synthetic rooms: a speaker that saturates, a direct sound, a reverberation, noise, and two
//! clocks that differ.

use greenroom_reports::samples::Random;
use realfft::RealFftPlanner;

use crate::signal::acoustic_loop::chirp::{CHIRP_SECONDS, Chirp};
use crate::signal::acoustic_loop::shot::{AcousticLoop, RECORDING_SECONDS, Shot};
use crate::signal::acoustic_loop::verdict::{Heard, LoopVerdict};
use crate::signal::testing::sounds::{normal, pink_noise, root_mean_square, single, with_rms};

/// Shots in a room.
const N_SHOTS: usize = 3;

/// Seconds of reverberation that are simulated, two RT60s: then it is 120 dB down.
const TAIL_RT60S: f64 = 2.0;

/// A room, and the loop through it.
#[derive(Clone, Debug)]
pub struct Room {
    /// From speaker to microphone with all buffers, in seconds.
    pub delay_seconds: f64,
    /// Time in which the reverberation falls by 60 dB, in seconds.
    pub rt60_seconds: f64,
    /// Energy of the direct sound against that of all the reverberation, in dB.
    pub direct_db: f64,
    /// From the direct sound to the first reflection, in seconds.
    pub gap_seconds: f64,
    /// Power of the chirp in the room against that of the noise, all frequencies, in dB.
    pub snr_db: f64,
    /// Speed of the player's clock against the recorder's.
    pub clock_ppm: f64,
    /// Amplitude with which the chirp drives the speaker's hyperbolic tangent.
    pub drive: f64,
    /// Level recorded against level played in dB.
    pub gain_db: f64,
}

impl Room {
    /// A room of the kind that the acoustic loop has to master, with this ratio of signal to noise
    /// and of direct sound to reverberation.
    pub fn random(random: &mut Random, snr_db: f64, direct_db: f64) -> Self {
        let mut between = |low: f64, high: f64| low + (high - low) * random.unit();
        Self {
            delay_seconds: between(0.005, 0.6),
            rt60_seconds: 0.4,
            direct_db,
            gap_seconds: between(0.0, 0.005),
            snr_db,
            clock_ppm: between(-100.0, 100.0),
            drive: between(0.1, 1.0),
            gain_db: between(-40.0, 0.0),
        }
    }

    /// Recordings of the chirp in this room, each with its own noise.
    pub fn record(&self, random: &mut Random, chirp: &Chirp) -> Vec<Vec<f32>> {
        let sound = self.sound(random, chirp);
        let rate = chirp.rate();
        let sounding = rate.samples_in(CHIRP_SECONDS);
        let begin = rate.samples_in(self.delay_seconds);
        let end = (begin + sounding).min(sound.len());
        let rms = root_mean_square(&sound[begin..end]) * 10_f64.powf(-self.snr_db / 20.0);
        let shots = (0..N_SHOTS).map(|_| {
            let noise = pink_noise(random, sound.len(), rms);
            sound.iter().zip(noise).map(|(s, n)| s + n).collect()
        });
        shots.collect()
    }

    /// The chirp at the microphone, without noise.
    fn sound(&self, random: &mut Random, chirp: &Chirp) -> Vec<f32> {
        let rate = chirp.rate();
        let n_samples = rate.samples_in(RECORDING_SECONDS);
        let played = self.played(chirp);
        let played_rms = root_mean_square(&played[..rate.samples_in(CHIRP_SECONDS)]);
        let sound = convolve(&played, &self.impulse_response(random, chirp), n_samples);
        let begin = rate.samples_in(self.delay_seconds);
        let end = (begin + rate.samples_in(CHIRP_SECONDS)).min(n_samples);
        let now = root_mean_square(&sound[begin..end]);
        let wanted = played_rms * 10_f64.powf(self.gain_db / 20.0);
        let whole = root_mean_square(&sound);
        with_rms(sound, whole * wanted / now)
    }

    /// The chirp as the speaker gives it, in the recorder's time.
    fn played(&self, chirp: &Chirp) -> Vec<f32> {
        let hz = chirp.rate().as_hz() / (1.0 + self.clock_ppm * 1e-6);
        let peak = single(chirp.peak().amplitude());
        let drive = single(self.drive) / peak;
        let n_samples = chirp.rate().samples_in(CHIRP_SECONDS * 1.01);
        (0..n_samples)
            .map(|n| (chirp.value_at(n as f64 / hz) * drive).tanh() / drive)
            .collect()
    }

    fn impulse_response(&self, random: &mut Random, chirp: &Chirp) -> Vec<f32> {
        let rate = chirp.rate();
        let direct_at = rate.samples_in(self.delay_seconds);
        let tail_at = direct_at + 1 + rate.samples_in(self.gap_seconds);
        let tail = rate.samples_in(self.rt60_seconds * TAIL_RT60S);
        let decay = -(1000.0_f64.ln()) / (self.rt60_seconds * rate.as_hz());
        let reflections: Vec<f32> = (0..tail)
            .map(|n| single(normal(random) * (decay * n as f64).exp()))
            .collect();
        // The direct sound has an energy of one.
        let rms = 10_f64.powf(-self.direct_db / 20.0) / (tail as f64).sqrt();
        let mut response = vec![0.0; tail_at];
        response[direct_at] = 1.0;
        response.extend(with_rms(reflections, rms));
        response
    }
}

/// How often the acoustic loop was right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Rooms.
    pub rooms: usize,
    /// Heard, with a delay within 1 ms.
    pub right: usize,
    /// Heard, with a delay that is wrong.
    pub wrong: usize,
    /// Heard, and called unstable.
    pub unstable: usize,
    /// Reported as uncertain.
    pub uncertain: usize,
    /// Reported as not heard.
    pub not_heard: usize,
}

impl Score {
    /// Counts one verdict.
    pub fn count(&mut self, room: &Room, verdict: &LoopVerdict) {
        self.rooms += 1;
        match verdict {
            LoopVerdict::Heard(heard) => self.count_heard(room, heard),
            LoopVerdict::NotHeard => self.not_heard += 1,
            LoopVerdict::Uncertain(_) => self.uncertain += 1,
        }
    }

    fn count_heard(&mut self, room: &Room, heard: &Heard) {
        let right = (heard.delay_ms.as_f64() - room.delay_seconds * 1000.0).abs() <= 1.0;
        self.right += usize::from(right);
        self.wrong += usize::from(!right);
        self.unstable += usize::from(!heard.is_stable());
    }
}

/// Judges rooms made by `make`.
pub fn score(
    chirp: Chirp,
    n_rooms: usize,
    random: &mut Random,
    make: impl Fn(&mut Random) -> Room,
) -> Option<Score> {
    let acoustic_loop = AcousticLoop::new(chirp)?;
    let mut score = Score::default();
    for _ in 0..n_rooms {
        let room = make(random);
        let recordings = room.record(random, &chirp);
        let shots: Option<Vec<Shot>> = recordings.iter().map(|r| acoustic_loop.search(r)).collect();
        score.count(&room, &LoopVerdict::from_shots(&shots?));
    }
    Some(score)
}

/// The first `n_samples` of a convolution.
fn convolve(signal: &[f32], response: &[f32], n_samples: usize) -> Vec<f32> {
    let size = (signal.len() + response.len()).next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let forward = planner.plan_fft_forward(size);
    let inverse = planner.plan_fft_inverse(size);
    let transform = |samples: &[f32]| {
        let mut input = samples.to_vec();
        input.resize(size, 0.0);
        let mut output = forward.make_output_vec();
        let done = forward.process(&mut input, &mut output);
        done.map(|()| output)
    };
    let product = transform(signal).and_then(|a| {
        let mut product: Vec<_> = a
            .iter()
            .zip(transform(response)?)
            .map(|(a, b)| a * b)
            .collect();
        let mut output = inverse.make_output_vec();
        inverse.process(&mut product, &mut output)?;
        Ok(output)
    });
    let mut result = product.unwrap_or_default();
    result.resize(n_samples, 0.0);
    result.iter().map(|s| s / size as f32).collect()
}
