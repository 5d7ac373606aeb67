//! The tone that the acoustic loop plays.

use std::f64::consts::{PI, TAU};

use crate::signal::view::SampleRate;
use greenroom_reports::units::Dbfs;

/// Length of the chirp in seconds.
///
/// Twice as long is 3 dB more certain in noise and twice as unpleasant; with 200 ms the direct
/// sound is found in half of the rooms only, once it is 12 dB under the reverberation.
pub const CHIRP_SECONDS: f64 = 0.5;

/// Lowest frequency in Hz: small speakers give little below it.
pub const LOWEST_HZ: f64 = 300.0;

/// Highest frequency in Hz, where the sample rate allows it: wide-band headsets end there.
pub const HIGHEST_HZ: f64 = 8000.0;

/// Highest frequency as a share of the sample rate: filters need room below half the rate.
const HIGHEST_SHARE: f64 = 0.45;

/// Length of either ramp in seconds: an abrupt edge is a click, which is louder than the tone.
const RAMP_SECONDS: f64 = 0.01;

/// A sine whose frequency rises exponentially from 300 to 8000 Hz in 500 ms, with ramps at both
/// ends, and whose peak never exceeds the stated level.
///
/// Source: Farina, "Simultaneous measurement of impulse response and distortion with a swept-sine
/// technique", AES 108 (2000): with an exponential chirp the harmonics of a saturated speaker
/// appear before the direct sound by 100 ms and more, each at its own place, and do not blur it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chirp {
    rate: SampleRate,
    peak: Dbfs,
    highest_hz: f64,
}

impl Chirp {
    /// A chirp for a stream of this rate, with this peak; a level above full scale is lowered to
    /// full scale.
    pub fn new(rate: SampleRate, peak: Dbfs) -> Self {
        let loud = peak > Dbfs::FULL_SCALE;
        let peak = if loud { Dbfs::FULL_SCALE } else { peak };
        let highest_hz = highest_hz(rate);
        Self {
            rate,
            peak,
            highest_hz,
        }
    }

    /// The same sound for a stream of another rate: neither goes higher than both can.
    pub fn pair(played: SampleRate, recorded: SampleRate, peak: Dbfs) -> (Self, Self) {
        let highest_hz = highest_hz(played).min(highest_hz(recorded));
        let at = |rate| Self {
            highest_hz,
            ..Self::new(rate, peak)
        };
        (at(played), at(recorded))
    }

    /// The rate of the stream.
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// The peak; the RMS is 3 dB lower, and a little more by the ramps.
    pub fn peak(&self) -> Dbfs {
        self.peak
    }

    /// The highest frequency in Hz.
    pub fn highest_hz(&self) -> f64 {
        self.highest_hz
    }

    /// The samples of one channel, from silence to silence.
    pub fn samples(&self) -> Vec<f32> {
        let rate = self.rate.as_hz();
        (0..self.rate.samples_in(CHIRP_SECONDS))
            .map(|n| self.value_at(n as f64 / rate))
            .collect()
    }

    /// The value at a time in seconds; zero before the begin and after the end.
    #[expect(clippy::cast_possible_truncation, reason = "a value within -1..=1")]
    pub(crate) fn value_at(&self, seconds: f64) -> f32 {
        if !(0.0..CHIRP_SECONDS).contains(&seconds) {
            return 0.0;
        }
        let octaves = (self.highest_hz() / LOWEST_HZ).ln();
        let rise = (seconds / CHIRP_SECONDS * octaves).exp_m1();
        let phase = TAU * LOWEST_HZ * CHIRP_SECONDS / octaves * rise;
        (self.peak.amplitude() * ramp_at(seconds) * phase.sin()) as f32
    }
}

fn highest_hz(rate: SampleRate) -> f64 {
    HIGHEST_HZ.min(rate.as_hz() * HIGHEST_SHARE)
}

/// Raised cosine from 0 to 1 at the begin and back at the end.
fn ramp_at(seconds: f64) -> f64 {
    let from_edge = seconds.min(CHIRP_SECONDS - seconds);
    let share = (from_edge / RAMP_SECONDS).clamp(0.0, 1.0);
    0.5 - 0.5 * (PI * share).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chirp(rate: u32, peak_db: f64) -> Chirp {
        Chirp::new(SampleRate::new(rate).unwrap(), Dbfs::new(peak_db).unwrap())
    }

    /// Frequency in Hz from the upward zero crossings in a part of the samples.
    fn frequency(samples: &[f32], rate: f64) -> f64 {
        let crossings = samples.windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0);
        crossings.count() as f64 * rate / samples.len() as f64
    }

    #[test]
    fn it_is_never_louder_than_stated_at_any_rate() {
        for rate in [8_000, 16_000, 44_100, 48_000, 192_000] {
            let samples = chirp(rate, -12.0).samples();
            assert_eq!(samples.len(), rate as usize / 2);
            let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
            let db = Dbfs::from_amplitude(f64::from(peak)).unwrap().as_f64();
            assert!((-12.1..=-11.999_99).contains(&db), "{db} at {rate}");
        }
        assert_eq!(chirp(48_000, 6.0).peak(), Dbfs::FULL_SCALE);
    }

    #[test]
    fn it_rises_from_300_to_8000_hz() {
        let samples = chirp(48_000, -6.0).samples();
        let first = frequency(&samples[480..1440], 48_000.0);
        let last = frequency(&samples[22_560..23_520], 48_000.0);
        assert!((280.0..400.0).contains(&first), "{first}");
        assert!((7_000.0..8_000.0).contains(&last), "{last}");
    }

    #[test]
    fn a_narrow_stream_gets_a_chirp_that_fits_it() {
        assert!((chirp(8_000, 0.0).highest_hz() - 3_600.0).abs() < 1e-9);
        assert!((chirp(48_000, 0.0).highest_hz() - 8_000.0).abs() < 1e-9);
    }

    #[test]
    fn a_pair_is_one_sound_at_two_rates() {
        let rate = |hz| SampleRate::new(hz).unwrap();
        let peak = Dbfs::new(-20.0).unwrap();
        let (played, recorded) = Chirp::pair(rate(48_000), rate(16_000), peak);
        let (played, recorded) = (played.samples(), recorded.samples());
        let apart = played.iter().step_by(3).zip(&recorded);
        assert!(apart.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) < 1e-5);
        assert_eq!(played.len(), recorded.len() * 3);
    }

    #[test]
    fn it_begins_and_ends_without_a_click() {
        let samples = chirp(48_000, 0.0).samples();
        let edges = samples[..5].iter().chain(&samples[samples.len() - 5..]);
        assert!(edges.fold(0.0_f32, |m, s| m.max(s.abs())) < 0.01);
    }
}
