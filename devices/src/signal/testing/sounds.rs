//! Tones and noises from a seed.

use std::f64::consts::TAU;

use greenroom_reports::samples::Random;

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
