use greenroom_reports::samples::Random;

use super::{amplitude, assert_near, measure};
use crate::signal::meter::level::Silence;
use crate::signal::spectrum::bandwidth::Band;
use crate::signal::spectrum::hum::{Hum, MainsHum};
use crate::signal::testing::sounds::{band_passed, mixed, single, speech_like, tone, white_noise};

const RATE: u32 = 48_000;
const N: usize = 144_000;

/// Three seconds of speech at −26 dBFS over noise of −66 dBFS.
fn healthy(seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let noise = white_noise(&mut random, N, amplitude(-66.0));
    mixed(
        &speech_like(&mut random, f64::from(RATE), N, amplitude(-26.0)),
        &noise,
    )
}

/// Lines at harmonics of the mains, each 6 dB under the one before.
fn hum(mains_hz: f64, db: f64) -> Vec<f32> {
    (1..=4_i32).fold(vec![0.0; N], |sum, harmonic| {
        let level = amplitude(db - 6.0 * f64::from(harmonic - 1));
        let hz = mains_hz * f64::from(harmonic);
        mixed(&sum, &tone(f64::from(RATE), N, hz, level))
    })
}

fn mains_hum(samples: &[f32]) -> Option<MainsHum> {
    match measure(RATE, &[samples.to_vec()]).hum {
        Hum::Present(hum) => Some(hum),
        Hum::Absent | Hum::Unknown => None,
    }
}

#[test]
fn a_healthy_microphone_has_no_fault() {
    for seed in 0..4 {
        let summary = measure(RATE, &[healthy(seed)]);
        assert_eq!(summary.level.silence, Some(Silence::Sound));
        assert_eq!(summary.hum, Hum::Absent, "seed {seed}");
        assert_eq!(summary.bandwidth.band, Band::Wide, "seed {seed}");
        assert_eq!(summary.clipping.n_runs, 0);
        assert_eq!(summary.clipping.ceiling_dbfs, None);
        assert!(summary.channels.largest_offset().unwrap().abs() < 0.005);
        assert!(!summary.channels.channels[0].is_dead);
        assert_eq!(summary.channels.are_identical, None);
    }
}

#[test]
fn silence_of_two_kinds_is_told_apart() {
    let silence = |samples: Vec<f32>| measure(RATE, &[samples]).level.silence;
    let one_step: Vec<f32> = (0..N).map(|n| f32::from(n % 2 == 0) / 32_768.0).collect();
    let mut random = Random::new(1);
    assert_eq!(silence(vec![]), None);
    assert_eq!(silence(vec![0.0; N]), Some(Silence::Digital));
    assert_eq!(silence(one_step), Some(Silence::Digital));
    let quiet = white_noise(&mut random, N, amplitude(-75.0));
    assert_eq!(silence(quiet), Some(Silence::Quiet));
    let room = white_noise(&mut random, N, amplitude(-65.0));
    assert_eq!(silence(room), Some(Silence::Sound));
    assert_eq!(silence(vec![0.2; N]), Some(Silence::Quiet));
}

#[test]
fn hum_of_50_and_60_hz_is_found_in_noise() {
    for (mains, nominal) in [(50.0, 50), (60.0, 60), (49.9, 50), (60.1, 60)] {
        let noise = white_noise(&mut Random::new(2), N, amplitude(-60.0));
        let found = mains_hum(&mixed(&noise, &hum(mains, -50.0))).unwrap();
        assert_eq!(found.mains_hz, nominal);
        assert!(found.harmonics.contains(&1), "{found:?}");
        // 0.75 and 0.19, 0.05 and 0.01 of the energy of a sine of −50 dBFS: −51.8 dBFS.
        assert_near(found.level_dbfs, -51.8, 1.0);
    }
}

#[test]
fn hum_is_found_while_somebody_speaks() {
    for (seed, mains) in [(1, 50), (2, 60), (3, 50), (4, 60)] {
        let line = hum(f64::from(mains), -36.0);
        let found = mains_hum(&mixed(&healthy(seed), &line)).unwrap();
        assert_eq!(found.mains_hz, mains, "seed {seed}");
    }
}

#[test]
fn hum_that_a_rectifier_makes_has_no_first_harmonic() {
    let noise = white_noise(&mut Random::new(3), N, amplitude(-60.0));
    let line = tone(f64::from(RATE), N, 120.0, amplitude(-45.0));
    let found = mains_hum(&mixed(&noise, &line)).unwrap();
    assert_eq!((found.mains_hz, found.harmonics), (60, vec![2]));
}

#[test]
fn noise_has_no_hum() {
    for seed in 0..20 {
        let noise = white_noise(&mut Random::new(seed), N, amplitude(-50.0));
        assert_eq!(mains_hum(&noise), None, "seed {seed}");
    }
}

#[test]
fn clipping_at_full_scale_is_counted_in_runs() {
    let loud = healthy(1).into_iter().map(|s| (s * 20.0).clamp(-1.0, 1.0));
    let clipping = measure(RATE, &[loud.collect()]).clipping;
    assert!(clipping.n_runs > 20, "{clipping:?}");
    assert!(clipping.longest_run >= 10);
    assert!(clipping.clipped_ratio.unwrap().as_f64() > 0.001);
    let mut three = vec![0.0; 100];
    three[10..13].fill(-1.0);
    three[20..22].fill(1.0);
    three[98..].fill(0.995);
    let clipping = measure(RATE, &[three]).clipping;
    assert_eq!((clipping.n_runs, clipping.n_clipped), (1, 3));
}

#[test]
fn peaks_at_full_scale_that_change_sign_are_no_run() {
    let alternating = (0..100).map(|n| if n % 2 == 0 { 1.0 } else { -1.0 });
    assert_eq!(measure(RATE, &[alternating.collect()]).clipping.n_runs, 0);
}

#[test]
fn a_ceiling_under_full_scale_is_found() {
    for ceiling_db in [-3.0, -12.0, -25.0] {
        let ceiling = single(amplitude(ceiling_db));
        let cut = healthy(2)
            .into_iter()
            .map(|s| (s * 20.0 * ceiling).clamp(-ceiling, ceiling));
        let clipping = measure(RATE, &[cut.collect()]).clipping;
        assert_near(clipping.ceiling_dbfs, ceiling_db, 0.3);
        assert_eq!(clipping.n_runs, 0);
    }
    // A stage that saturates smoothly, driven hard.
    let soft = healthy(3).into_iter().map(|s| 0.5 * (s * 60.0).tanh());
    assert_near(
        measure(RATE, &[soft.collect()]).clipping.ceiling_dbfs,
        -6.0,
        0.5,
    );
}

#[test]
fn a_tone_has_no_ceiling() {
    for hz in [50.0, 440.0, 997.0, 1000.0, 6000.0, 15_000.0] {
        for db in [-0.5, -6.0, -20.3] {
            let samples = tone(f64::from(RATE), RATE as usize, hz, amplitude(db));
            let clipping = measure(RATE, &[samples]).clipping;
            assert_eq!(clipping.ceiling_dbfs, None, "{hz} Hz at {db}");
        }
    }
}

#[test]
fn an_offset_is_measured_and_does_not_raise_the_level() {
    let speech = healthy(1);
    let shifted = speech.iter().map(|s| s - 0.08).collect();
    let (plain, shifted) = (measure(RATE, &[speech]), measure(RATE, &[shifted]));
    assert!((shifted.channels.largest_offset().unwrap() + 0.08).abs() < 0.002);
    let plain_db = plain.level.rms_dbfs.unwrap().as_f64();
    assert_near(shifted.level.rms_dbfs, plain_db, 0.1);
}

#[test]
fn a_dead_channel_is_found_and_spoils_no_figure() {
    let speech = healthy(1);
    let alone = measure(RATE, std::slice::from_ref(&speech));
    let summary = measure(RATE, &[vec![0.0; N], speech]);
    let dead: Vec<bool> = summary
        .channels
        .channels
        .iter()
        .map(|c| c.is_dead)
        .collect();
    assert_eq!(dead, [true, false]);
    assert_eq!(summary.channels.are_identical, Some(false));
    assert_eq!(summary.level.loudest_channel, 1);
    assert_eq!(summary.level.rms_dbfs, alone.level.rms_dbfs);
    assert_eq!(summary.noise.noise_floor_dbfs, alone.noise.noise_floor_dbfs);
    assert_eq!(summary.bandwidth.band, alone.bandwidth.band);
}

#[test]
fn copies_are_told_from_stereo() {
    let identical = |a: Vec<f32>, b: Vec<f32>| measure(RATE, &[a, b]).channels.are_identical;
    assert_eq!(identical(healthy(1), healthy(1)), Some(true));
    assert_eq!(identical(healthy(1), healthy(2)), Some(false));
    assert_eq!(identical(vec![0.0; N], vec![0.0; N]), None);
}

#[test]
fn a_headset_in_its_telephone_profile_is_found() {
    for (edge, seed) in [(3_600.0, 1), (4_000.0, 2), (7_000.0, 3), (8_000.0, 4)] {
        let narrow = band_passed(&healthy(seed), f64::from(RATE), 0.0..edge);
        let noise = white_noise(&mut Random::new(seed), N, amplitude(-95.0));
        let band = measure(RATE, &[mixed(&narrow, &noise)]).bandwidth.band;
        let expected = if edge > 4_000.0 { 8_000.0 } else { 4_000.0 };
        assert_eq!(band, Band::EndsAt(expected), "{edge} Hz");
    }
}

#[test]
fn the_band_is_unknown_unless_somebody_speaks() {
    let noise = white_noise(&mut Random::new(1), N, amplitude(-50.0));
    let steady = tone(f64::from(RATE), N, 440.0, amplitude(-20.0));
    for samples in [noise, steady, vec![0.0; N], vec![]] {
        let bandwidth = measure(RATE, &[samples]).bandwidth;
        assert_eq!(bandwidth.band, Band::Unknown);
        assert_eq!(bandwidth.roll_off_hz, None);
    }
}
