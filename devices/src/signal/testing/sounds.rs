//! Tones and noises from a seed.

use std::f64::consts::TAU;
use std::ops::Range;

use greenroom_reports::samples::Random;
use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

/// Normally distributed, mean 0 and deviation 1.
pub fn normal(random: &mut Random) -> f64 {
    let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
    radius * (TAU * random.unit()).cos()
}

/// White noise with this RMS.
pub fn white_noise(random: &mut Random, n_samples: usize, rms: f64) -> Vec<f32> {
    (0..n_samples)
        .map(|_| single(normal(random) * rms))
        .collect()
}

/// Noise that falls by 3 dB an octave, within 0.05 dB at 48 kHz, with this RMS.
///
/// Source: Paul Kellet's refined filter, musicdsp.org no. 76.
pub fn pink_noise(random: &mut Random, n_samples: usize, rms: f64) -> Vec<f32> {
    const POLES: [(f64, f64); 6] = [
        (0.998_86, 0.055_517_9),
        (0.993_32, 0.075_075_9),
        (0.969, 0.153_852),
        (0.8665, 0.310_485_6),
        (0.55, 0.532_952_2),
        (-0.7616, -0.016_898),
    ];
    let mut state = [0.0; 6];
    let mut delayed = 0.0;
    let samples = (0..n_samples).map(|_| {
        let white = normal(random);
        for (value, (pole, gain)) in state.iter_mut().zip(POLES) {
            *value = pole * *value + gain * white;
        }
        let sum = state.iter().sum::<f64>() + delayed + white * 0.5362;
        delayed = white * 0.115_926;
        single(sum)
    });
    with_rms(samples.collect(), rms)
}

/// A sine with this amplitude.
pub fn tone(rate_hz: f64, n_samples: usize, hz: f64, amplitude: f64) -> Vec<f32> {
    (0..n_samples)
        .map(|n| single(amplitude * (TAU * hz * n as f64 / rate_hz).sin()))
        .collect()
}

/// The samples, scaled to this RMS; silence stays silent.
pub fn with_rms(mut samples: Vec<f32>, rms: f64) -> Vec<f32> {
    let now = root_mean_square(&samples);
    if now > 0.0 {
        for sample in &mut samples {
            *sample *= single(rms / now);
        }
    }
    samples
}

/// Root mean square of samples; zero for none.
pub fn root_mean_square(samples: &[f32]) -> f64 {
    let sum: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
    (sum / samples.len().max(1) as f64).sqrt()
}

/// To single precision.
#[expect(
    clippy::cast_possible_truncation,
    reason = "samples are single precision"
)]
pub fn single(value: f64) -> f32 {
    value as f32
}

/// Something with the pitch, syllables and pauses of a voice, as loud as this while it sounds;
/// speaks for two seconds of two and a half.
pub fn speech_like(random: &mut Random, rate_hz: f64, n_samples: usize, rms: f64) -> Vec<f32> {
    let mut phase = 0.0;
    let breath = pink_noise(random, n_samples, 0.3);
    let samples = breath.into_iter().enumerate().map(|(n, breath)| {
        let seconds = n as f64 / rate_hz;
        phase += TAU * pitch_hz(seconds) / rate_hz;
        let voice: f64 = (1..=12)
            .map(|k| (phase * f64::from(k)).sin() / f64::from(k))
            .sum();
        let syllable = (TAU * 2.0 * seconds).sin().powi(2);
        let speaks = seconds % 2.5 < 2.0;
        if speaks {
            single(syllable * (voice + f64::from(breath)))
        } else {
            0.0
        }
    });
    with_rms(samples.collect(), rms * 0.8_f64.sqrt())
}

/// A melody between 85 and 175 Hz, which stays nowhere.
fn pitch_hz(seconds: f64) -> f64 {
    130.0 + 30.0 * (TAU * 0.7 * seconds).sin() + 15.0 * (TAU * 1.9 * seconds).sin()
}

/// The samples with nothing outside some frequencies, such as those of a slower stream.
pub fn band_passed(samples: &[f32], rate_hz: f64, band_hz: Range<f64>) -> Vec<f32> {
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, inverse) = (
        planner.plan_fft_forward(samples.len()),
        planner.plan_fft_inverse(samples.len()),
    );
    let mut spectrum = forward.make_output_vec();
    let mut output = inverse.make_output_vec();
    let done = forward
        .process(&mut samples.to_vec(), &mut spectrum)
        .and_then(|()| {
            for (bin, value) in spectrum.iter_mut().enumerate() {
                let hz = bin as f64 * rate_hz / samples.len() as f64;
                if !band_hz.contains(&hz) {
                    *value = Complex::default();
                }
            }
            inverse.process(&mut spectrum, &mut output)
        });
    // Lengths fit by construction; silence would fail the test that asked.
    done.unwrap_or_default();
    output.iter().map(|s| s / samples.len() as f32).collect()
}

/// The sum of two sounds, as long as the shorter.
pub fn mixed(one: &[f32], other: &[f32]) -> Vec<f32> {
    one.iter().zip(other).map(|(a, b)| a + b).collect()
}

/// Channels, interleaved; as long as the shortest.
pub fn interleaved(channels: &[Vec<f32>]) -> Vec<f32> {
    let n_frames = channels.iter().map(Vec::len).min().unwrap_or(0);
    (0..n_frames)
        .flat_map(|n| channels.iter().map(move |channel| channel[n]))
        .collect()
}
