//! What the load measurement finds on links whose truth is known, in virtual time. The tables have
//! few rows here, since an unoptimized build takes its time; a benchmark may ask for more.

mod load_harness;

use std::collections::BTreeSet;
use std::time::Duration;

use greenroom_lab::link::{Direction, LinkConfig};
use greenroom_protocol::measure::limits::Limits;
use greenroom_protocol::measure::load::client::LoadEnd;
use greenroom_reports::model::throughput::Grade;
use load_harness::findings::{false_alarms, faults, policer};
use load_harness::parallel::in_parallel;
use load_harness::scores::{self, Found, Quiet, found, link};
use load_harness::{Scene, ServerEnd, config, measure, plan};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_quiet_link_is_told_to_a_percent() {
    for (link, found) in scores::quiet_table(36) {
        for found in found {
            let is_slow = link.bps < 1_000_000;
            let tolerance = if is_slow || link.bucket > 0 {
                0.03
            } else {
                0.01
            };
            assert!(found.error.abs() <= tolerance, "{link:?} {found:?}");
            assert!(
                !found.at_least && found.varies.is_none(),
                "{link:?} {found:?}"
            );
            // Two trains and a flood cost two round trips each.
            let most = match (is_slow, link.one_way_ms) {
                (_, 100..) => ms(4000),
                (true, _) => ms(3000),
                (false, _) if link.bucket > 0 => ms(1700),
                (false, _) => ms(1500),
            };
            assert!(found.took <= most, "{link:?} {found:?}");
        }
    }
}

#[test]
fn more_data_tells_faster_links_and_the_cap_is_a_lower_bound() {
    let mut large = plan(200_000_000);
    large.data = 32_000_000;
    for bps in [30_000_000, 100_000_000] {
        let quiet = Quiet {
            bps,
            queue_ms: 50,
            one_way_ms: 10,
            bucket: 0,
        };
        for found in scores::quiet(quiet, 1, [large; 2]) {
            assert!(found.error.abs() <= 0.01, "{found:?}");
            assert!(!found.at_least && found.took <= ms(1500), "{found:?}");
        }
        let capped = scores::quiet(quiet, 1, [plan(12_000_000), plan(25_000_000)]);
        for (found, cap) in capped.into_iter().zip([12e6, 25e6]) {
            assert!(found.at_least && (found.bps - cap).abs() < 1.0, "{found:?}");
        }
    }
}

#[test]
fn a_bucket_does_not_make_a_link_reach_the_cap() {
    for (bps, way) in [
        (10_500_000, 0),
        (11_000_000, 0),
        (22_000_000, 1),
        (23_000_000, 1),
    ] {
        let link = Quiet {
            bps,
            queue_ms: 100,
            one_way_ms: 10,
            bucket: 100_000,
        };
        let found = scores::quiet(link, 3, [plan(12_000_000), plan(25_000_000)])[way];
        assert!(
            !found.at_least && found.error.abs() <= 0.03,
            "{link:?} {found:?}"
        );
    }
}

#[test]
fn a_queue_is_told_to_five_percent_and_its_letter_is_that_of_a_long_saturation() {
    let rows = scores::bloat_table(30);
    let close = rows.iter().filter(|row| row.is_close()).count();
    let right = rows.iter().filter(|row| row.is_right()).count();
    println!(
        "queues: {close} close, {right} letters right of {}",
        rows.len()
    );
    assert!(close >= 29 && right >= 28, "{rows:#?}");
    for row in scores::bloat(1, [450, 600]) {
        assert_eq!(
            (row.letter, row.truth),
            (Some(Grade::F), Grade::F),
            "{row:?}"
        );
    }
}

#[test]
fn the_rung_beside_others_is_right_or_one_lower() {
    for load in [0.3, 0.5] {
        let rows = scores::rung_table(0..12, load);
        let wrong: Vec<_> = rows.iter().filter(|r| !r.is_right_or_one_lower()).collect();
        let spread: BTreeSet<usize> = rows.iter().map(|row| row.best).collect();
        println!(
            "load {load}: {} of {} wrong, {spread:?}",
            wrong.len(),
            rows.len()
        );
        assert!(wrong.len() <= 1, "{wrong:#?}");
        assert!(spread.len() >= 5, "{spread:?}");
    }
}

#[test]
fn a_measurement_is_short_and_spends_little() {
    let run = measure(link(5_000_000, 100), link(10_000_000, 100), 1);
    assert_eq!(run.client.end, Some(LoadEnd::Complete));
    println!("whole: {:?}, {} bytes", run.took, run.bytes());
    assert!(run.took <= ms(2500) && run.bytes() <= 3_000_000);
    let mut quick = config(1);
    quick.up.quick = true;
    quick.down.quick = true;
    quick.trials = None;
    let scene = Scene::new(link(5_000_000, 100), link(10_000_000, 100), 1);
    let run = scene.run(quick, ServerEnd::new(Limits::default()));
    assert_eq!(run.client.end, Some(LoadEnd::Complete));
    println!("quick: {:?}, {} bytes", run.took, run.bytes());
    assert!(run.took <= ms(1000) && run.bytes() <= 1_000_000);
    for found in found(&run, [5_000_000, 10_000_000], 100) {
        assert!(found.error.abs() < 0.03, "{found:?}");
    }
}

/// Both directions of links that are alike, without trials.
fn alike(link: &LinkConfig, bps: u64, seed: u64) -> [Found; 2] {
    let mut config = config(seed);
    config.trials = None;
    let scene = Scene::new(link.clone(), link.clone(), seed);
    let run = scene.run(config, ServerEnd::new(Limits::default()));
    found(&run, [bps; 2], 20)
}

#[test]
fn a_policer_is_told_from_a_short_queue() {
    for (bps, seed) in [(500_000, 1), (1_000_000, 2), (2_000_000, 3)] {
        let policed = LinkConfig::new().delay_ms(15).rate(policer(bps));
        for found in alike(&policed, bps, seed) {
            assert!(found.is_policed && found.error.abs() <= 0.05, "{found:?}");
        }
    }
    for seed in 0..5 {
        for found in alike(&link(2_000_000, 20), 2_000_000, seed) {
            assert!(!found.is_policed && found.error.abs() <= 0.01, "{found:?}");
        }
    }
}

#[test]
fn a_rate_that_changes_is_told_with_both_its_ends() {
    let found = in_parallel(12, |seed| {
        let direction = [Direction::Up, Direction::Down][usize::from(seed % 2 == 1)];
        scores::changing(seed, direction)
    });
    let is_told = |[low, _, high]: [f64; 3]| {
        (low / 1e6 - 1.0).abs() <= 0.2 && (high / 4e6 - 1.0).abs() <= 0.2
    };
    let told = found
        .iter()
        .filter(|(found, _)| found.varies.is_some_and(is_told));
    let told = told.count();
    println!("changing: {told} of {} with both ends", found.len());
    assert!(told >= 10, "{found:#?}");
    for (changing, steady) in &found {
        assert!(changing.varies.is_some(), "{changing:?}");
        assert!(
            steady.varies.is_none() && steady.error.abs() < 0.01,
            "{steady:?}"
        );
    }
}

#[test]
fn others_on_a_link_are_no_change_of_its_rate() {
    for (seed, found) in (0..).zip(in_parallel(12, |seed| scores::beside_others(seed, 0.3))) {
        let falls = found
            .varies
            .is_some_and(|[low, middle, _]| low < 0.5 * middle);
        assert!(!falls, "{seed}: {found:?}");
        assert!(found.error.abs() < 0.05, "{seed}: {found:?}");
    }
}

#[test]
fn healthy_links_raise_no_alarm() {
    let alarms = false_alarms(24);
    assert!(alarms.is_empty(), "{alarms:#?}");
}

#[test]
fn every_fault_of_a_rate_is_named_first() {
    const RUNS: u64 = 6;
    for fault in faults() {
        let misses = fault.misses(RUNS);
        println!(
            "{}, {}: {} of {RUNS} missed",
            fault.id,
            fault.magnitude,
            misses.len()
        );
        // A rate may keep still while it is looked at.
        let most = usize::from(fault.id.contains("varying"));
        assert!(misses.len() <= most, "{} {misses:#?}", fault.id);
    }
}
