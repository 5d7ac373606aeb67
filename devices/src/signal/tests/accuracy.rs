use greenroom_reports::samples::Random;

use super::{amplitude, assert_near, format, measure};
use crate::signal::meter::level::{LevelMeter, Silence};
use crate::signal::meter::noise::NoiseMeter;
use crate::signal::testing::sounds::{
    band_passed, interleaved, mixed, pink_noise, speech_like, tone, white_noise, with_rms,
};
use crate::signal::view::Interleaved;
use greenroom_reports::units::Dbfs;

#[test]
fn tones_have_their_level_at_every_rate_and_number_of_channels() {
    let streams = [
        (8_000, 1),
        (16_000, 2),
        (44_100, 2),
        (48_000, 8),
        (96_000, 1),
        (192_000, 1),
    ];
    for (rate, channels) in streams {
        for peak_db in [-1.0, -26.0, -60.0] {
            let samples = tone(f64::from(rate), rate as usize, 997.0, amplitude(peak_db));
            let format = format(rate, channels);
            let mut meter = LevelMeter::new(format).unwrap();
            meter.push(&Interleaved::new(
                &interleaved(&vec![samples; channels]),
                format,
            ));
            let level = meter.summary();
            assert_near(level.peak_dbfs, peak_db, 0.2);
            assert_near(level.rms_dbfs, peak_db - 3.01, 0.2);
            assert_near(level.speech.map(|s| s.level_dbfs), peak_db - 3.01, 0.3);
            assert_near(meter.latest().unwrap().rms_dbfs, peak_db - 3.01, 0.2);
            assert_eq!(level.silence, Some(Silence::Sound));
        }
    }
}

#[test]
fn loudness_is_that_of_the_standard() {
    // EBU Tech 3341 case 1: a stereo sine of 1 kHz at −23 dBFS has −23 LUFS.
    let samples = tone(48_000.0, 96_000, 1000.0, amplitude(-23.0));
    let loudness = measure(48_000, &[samples.clone(), samples]).level;
    assert!((loudness.integrated_lufs.unwrap() + 23.0).abs() < 0.1);
    assert!((loudness.momentary_lufs.unwrap() + 23.0).abs() < 0.1);
}

#[test]
fn the_noise_floor_is_right_within_two_decibels() {
    for rate in [8_000, 16_000, 48_000] {
        for db in [-80.0, -50.0, -35.0] {
            for seed in 0..3 {
                let mut random = Random::new(seed);
                let n = rate as usize * 3;
                let white = white_noise(&mut random, n, amplitude(db));
                let pink = audible_pink_noise(&mut random, rate, amplitude(db));
                let speech = speech_like(&mut random, f64::from(rate), n, amplitude(-20.0));
                assert_near(noise_floor(rate, &white), db, 2.0);
                assert_near(noise_floor(rate, &pink), db, 2.0);
                assert_near(noise_floor(rate, &mixed(&white, &speech)), db, 2.0);
            }
        }
    }
}

/// Three seconds from 50 Hz on: frames of 20 ms tell nothing of what is lower.
fn audible_pink_noise(random: &mut Random, rate: u32, rms: f64) -> Vec<f32> {
    let hz = f64::from(rate);
    let pink = pink_noise(random, rate as usize * 3, rms);
    with_rms(band_passed(&pink, hz, 50.0..hz), rms)
}

fn noise_floor(rate: u32, samples: &[f32]) -> Option<Dbfs> {
    let format = format(rate, 1);
    let mut meter = NoiseMeter::new(format);
    meter.push(&Interleaved::new(samples, format));
    meter.summary().noise_floor_dbfs
}

#[test]
fn speech_has_its_active_level_and_stands_above_the_noise() {
    let mut random = Random::new(5);
    let speech = speech_like(&mut random, 16_000.0, 160_000, amplitude(-26.0));
    let noise = white_noise(&mut random, 160_000, amplitude(-66.0));
    let summary = measure(16_000, &[mixed(&speech, &noise)]);
    // The hangover counts some of each pause.
    assert_near(summary.level.speech.map(|s| s.level_dbfs), -26.4, 0.6);
    let snr = summary.noise.snr_db.unwrap();
    assert!((38.0..48.0).contains(&snr), "{snr}");
}
