//! Capacities against the set rate, and what a check of a healthy access takes.

use greenroom_lab::link::Direction;
use libtest_mimic::Trial;

use super::faults::{capacity_mbps, rate};
use super::spent::{bytes_sent, link, rate_bps};
use crate::client::Checked;
use crate::scene::Scene;
use crate::trial;

/// kbit/s up and down, and how far off a capacity may be.
const RATES: [(u32, u32, f64); 5] = [
    (300, 300, 0.03),
    (1000, 1000, 0.01),
    (2000, 5000, 0.01),
    (5000, 10_000, 0.01),
    (12_000, 25_000, 0.01),
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial(
            "a_healthy_access_raises_no_finding_in_6_s_and_8_mb",
            healthy,
        ),
        trial("a_quick_check_of_a_healthy_access_takes_2_5_s", quick),
        trial("a_link_of_100_mbps_is_at_least_the_cap", above_the_cap),
        trial("a_link_of_100_mbps_is_measured_with_64_mb", fast),
    ];
    trials.extend(RATES.map(|(up, down, tolerance)| {
        trial(format!("capacities_of_{up}_and_{down}_kbps"), move || {
            capacities(up, down, tolerance);
        })
    }));
    trials
}

fn scene(up_kbps: u32, down_kbps: u32) -> Scene {
    let [up, down] = [up_kbps, down_kbps].map(|kbps| link(u64::from(kbps) * 1000));
    Scene::with(up, down, 1)
}

fn print_cost(scene: &Scene, checked: &Checked) -> (f64, f64) {
    let [up, down] = bytes_sent(scene).map(|bytes| bytes as f64 / 1e6);
    let seconds = checked.elapsed.as_secs_f64();
    println!(
        "  {seconds:.2} s, {up:.2} MB up and {down:.2} MB down; {}",
        checked.report.verdict.headline
    );
    (seconds, up + down)
}

fn healthy() {
    let scene = scene(5000, 10_000);
    let checked = scene.client().run();
    let (seconds, megabytes) = print_cost(&scene, &checked);
    checked.show();
    checked.assert_healthy();
    // A program takes a moment to start, and the machine is shared.
    assert!(seconds <= 6.3, "{seconds} s");
    assert!(checked.report.elapsed_ms.as_f64() <= 6000.0);
    assert!(megabytes <= 8.0, "{megabytes} MB");
}

fn quick() {
    let scene = scene(5000, 10_000);
    let checked = scene.client().quick().run();
    let (seconds, megabytes) = print_cost(&scene, &checked);
    checked.show();
    assert!(checked.report.findings.is_empty(), "{}", checked.describe());
    assert!(seconds <= 2.8, "{seconds} s");
    assert!(checked.report.elapsed_ms.as_f64() <= 2500.0);
    assert!(megabytes <= 8.0, "{megabytes} MB");
}

fn capacities(up: u32, down: u32, tolerance: f64) {
    let scene = scene(up, down);
    let checked = scene.client().argument("--only=throughput").run();
    print_cost(&scene, &checked);
    for (direction, set) in [(Direction::Up, up), (Direction::Down, down)] {
        let set = f64::from(set) / 1e3;
        let carried = rate_bps(&scene, direction) / 1e6;
        let capacity = capacity_mbps(&checked, direction);
        let section = rate(&checked, direction);
        println!(
            "  {direction:?}: set {set}, log {carried:.4}, report {}{capacity:.4} Mbit/s ({:+.2} %), stop {:?}",
            if section.at_least { "at least " } else { "" },
            (capacity / set - 1.0) * 100.0,
            section.stop
        );
        let off = |other: f64| (other / set - 1.0).abs();
        assert!(off(capacity) <= tolerance, "{}", checked.describe());
        assert!(off(carried) <= 0.01, "the link carried {carried} Mbit/s");
    }
}

fn above_the_cap() {
    let scene = scene(100_000, 100_000);
    let checked = scene.client().run();
    print_cost(&scene, &checked);
    checked.assert_healthy();
    for (direction, cap) in [(Direction::Up, 12.0), (Direction::Down, 25.0)] {
        let capacity = capacity_mbps(&checked, direction);
        println!("  {direction:?}: at least {capacity:.2} Mbit/s");
        assert!(rate(&checked, direction).at_least, "{}", checked.describe());
        assert!((cap..101.0).contains(&capacity), "{}", checked.describe());
    }
}

fn fast() {
    let scene = scene(100_000, 100_000);
    let client = scene.client().argument("--only=throughput");
    let checked = client.argument("--data=64MB").run();
    let (_, megabytes) = print_cost(&scene, &checked);
    for direction in Direction::BOTH {
        let capacity = capacity_mbps(&checked, direction);
        let carried = rate_bps(&scene, direction) / 1e6;
        println!("  {direction:?}: log {carried:.2}, report {capacity:.2} Mbit/s");
        assert!((99.0..101.0).contains(&capacity), "{}", checked.describe());
    }
    assert!(megabytes <= 64.0 * 1.05, "{megabytes} MB");
}
