//! Detection and false alarms over many seeds; `--nocapture` prints the table.

use std::time::Duration;

use greenroom_protocol::measure::time::MonotonicTime;

use super::scene::{HEIGHT, Random, WIDTH, blur, expose, scene};
use crate::picture::quality::{PictureQuality, QualitySummary};

/// Pictures a run: 1.2 s at a low rate, to keep an unoptimized build quick.
const PICTURES: u64 = 13;
const INTERVAL: Duration = Duration::from_millis(100);

/// A run of new pictures that all are the last one from `stuck_after` on.
fn run(light: &[f64], noise: f64, random: &mut Random, stuck_after: u64) -> QualitySummary {
    let mut quality = PictureQuality::default();
    let mut at = MonotonicTime::from_nanos(1);
    let mut picture = expose(light, noise, random);
    for i in 0..PICTURES {
        if i < stuck_after {
            picture = expose(light, noise, random);
        }
        quality.push(at, &picture);
        at = at.after(INTERVAL);
    }
    quality.summary()
}

fn sensor_noise(random: &mut Random) -> f64 {
    0.5 + 3.0 * random.unit()
}

fn count(seeds: std::ops::Range<u64>, found: impl Fn(&mut Random) -> bool) -> usize {
    seeds
        .filter(|&seed| found(&mut Random(seed * 7919)))
        .count()
}

fn any_fault(summary: &QualitySummary) -> bool {
    [
        summary.black,
        summary.covered,
        summary.frozen,
        summary.low_light,
        summary.blurred,
    ]
    .contains(&Some(true))
}

fn flat(level: f64) -> Vec<f64> {
    vec![level; WIDTH * HEIGHT]
}

fn dimmed(random: &mut Random, factor: f64) -> Vec<f64> {
    scene(random).iter().map(|light| light * factor).collect()
}

fn blurred(random: &mut Random, sigma: f64) -> Option<bool> {
    let light = blur(&scene(random), sigma);
    let noise = sensor_noise(random);
    run(&light, noise, random, PICTURES).blurred
}

#[test]
fn clean_scenes_raise_nothing_and_are_judged() {
    let alarms = count(0..200, |random| {
        let light = scene(random);
        let noise = sensor_noise(random);
        let summary = run(&light, noise, random, PICTURES);
        assert!(summary.blurred.is_some(), "{summary:?}");
        assert_eq!(summary.unique, Some(PICTURES));
        any_fault(&summary)
    });
    println!("clean: {alarms} alarms in 200");
    assert_eq!(alarms, 0);
}

#[test]
fn each_fault_is_found() {
    type Fault = (&'static str, fn(&mut Random) -> bool);
    let faults: [Fault; 7] = [
        ("black", |random| {
            let light = flat(10.0 * random.unit());
            run(&light, 2.0, random, PICTURES).black == Some(true)
        }),
        ("black, with traces of a scene", |random| {
            let light = dimmed(random, 0.1);
            run(&light, 2.0, random, PICTURES).black == Some(true)
        }),
        ("covered", |random| {
            let light = flat(28.0 + 28.0 * random.unit());
            let noise = sensor_noise(random);
            run(&light, noise, random, PICTURES).covered == Some(true)
        }),
        ("frozen", |random| {
            let light = scene(random);
            run(&light, 1.0, random, 2).frozen == Some(true)
        }),
        ("low light", |random| {
            let light = dimmed(random, 0.35);
            let summary = run(&light, 4.0, random, PICTURES);
            summary.low_light == Some(true) && summary.black == Some(false)
        }),
        ("blur of 2 pixels", |random| {
            blurred(random, 2.0) == Some(true)
        }),
        ("blur of 3 pixels", |random| {
            blurred(random, 3.0) == Some(true)
        }),
    ];
    for (name, fault) in faults {
        let found = count(1000..1100, fault);
        println!("{name}: {found} of 100");
        assert!(found >= 98, "{name}: {found} of 100");
    }
}

#[test]
fn a_still_scene_with_the_least_noise_is_not_frozen() {
    let frozen = count(0..30, |random| {
        let light = scene(random);
        run(&light, 0.1, random, PICTURES).frozen != Some(false)
    });
    assert_eq!(frozen, 0);
}

#[test]
fn few_pictures_give_no_judgement() {
    let mut quality = PictureQuality::default();
    assert_eq!(quality.summary().unique, None);
    let mut random = Random(3);
    let light = scene(&mut random);
    for i in 0..5 {
        let picture = expose(&light, 1.0, &mut random);
        quality.push(MonotonicTime::from_nanos(i * 1_000_000_000), &picture);
    }
    quality.push_corrupt();
    let summary = quality.summary();
    assert!(!any_fault(&summary));
    assert_eq!((summary.black, summary.frozen), (None, None));
    assert_eq!((summary.blurred, summary.low_light), (None, None));
    assert_eq!((summary.pictures, summary.corrupt), (5, 1));
}

#[test]
fn a_black_start_is_forgiven() {
    let mut quality = PictureQuality::default();
    let mut random = Random(5);
    let light = scene(&mut random);
    for i in 0..30_u64 {
        let factor = if i < 15 { 0.0 } else { 1.0 };
        let light: Vec<f64> = light.iter().map(|l| l * factor).collect();
        let picture = expose(&light, 1.0, &mut random);
        quality.push(MonotonicTime::from_nanos(i * 100_000_000), &picture);
    }
    assert_eq!(quality.summary().black, Some(false));
}
