//! Limits and ends of the server, and what happens to the one who measures.

use std::time::{Duration, Instant};

use greenroom::model::outcome::{Outcome, ReasonCode};
use greenroom::model::report::Ending;
use greenroom_lab::DisguiseConfig;
use greenroom_lab::link::Direction;
use libtest_mimic::Trial;

use super::faults::{capacity_mbps, rate};
use super::spent::{link, wait_for_flood};
use crate::client::{Checked, Running};
use crate::scene::Scene;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("a_limit_of_the_server_is_not_the_access", limited),
        trial("a_server_without_a_place_is_named", no_place),
        trial("a_step_of_the_clock_in_a_flood_changes_no_rate", clock_step),
    ];
    for direction in Direction::BOTH {
        let way = crate::path::word(direction);
        trials.extend([
            trial(
                format!("a_server_that_stops_in_a_flood_{way}_is_named"),
                move || stops(direction),
            ),
            trial(
                format!("a_check_cancelled_in_a_flood_{way}_gives_a_report_at_once"),
                move || cancelled(direction),
            ),
        ]);
    }
    trials
}

fn access() -> Scene {
    Scene::without_server(link(5_000_000), link(10_000_000), 1)
}

fn limited() {
    let mut scene = access();
    scene.serve(&["--max-load-bps", "1200000"]);
    let checked = scene.client().run();
    checked.show();
    assert_eq!(
        checked.first(),
        "network.bandwidth.server_limited",
        "{}",
        checked.describe()
    );
    assert_eq!(checked.report.findings.len(), 1, "{}", checked.describe());
    for direction in Direction::BOTH {
        assert!(rate(&checked, direction).at_least, "{}", checked.describe());
    }
}

/// Other clients have the only place. Without the path phase, which the others' floods would disturb,
/// and on a link of which one load at a time leaves enough.
fn no_place() {
    let mut scene = Scene::without_server(link(20_000_000), link(20_000_000), 1);
    scene.serve(&["--max-loads", "1"]);
    let running = [(); 4].map(|()| {
        let client = scene
            .client()
            .argument("--skip")
            .argument("path,camera,microphone,speaker");
        client.start()
    });
    let all = running.map(Running::finish);
    let is_refused = |checked: &&Checked| checked.report.throughput.reason().is_some();
    let refused: Vec<_> = all.iter().filter(is_refused).collect();
    assert!(!refused.is_empty(), "one place was enough for four");
    for checked in refused {
        checked.show();
        checked.assert_named("network.bandwidth.server_limited", &[], 5);
        let reason = checked.report.throughput.reason().unwrap();
        assert_eq!(reason.code, ReasonCode::Limited);
    }
}

fn stops(direction: Direction) {
    let mut scene = access();
    scene.serve(&[]);
    let running = scene.client().start();
    wait_for_flood(&scene, direction);
    scene.kill_server();
    let checked = running.finish();
    checked.show();
    checked.assert_named("network.server.vanished", &[], 4);
}

/// The wall clock jumps by a minute while kernel stamps are read by it.
fn clock_step() {
    let mut scene = access();
    scene.serve(&[]);
    let machine = |machine: DisguiseConfig| machine.clock_offset_ms(0);
    let running = scene.client().machine(machine).start();
    for (direction, offset_ms) in [(Direction::Up, 60_000), (Direction::Down, -60_000)] {
        wait_for_flood(&scene, direction);
        running.disguise.set_clock_offset_ms(offset_ms).unwrap();
    }
    let checked = running.finish();
    assert!(checked.report.findings.is_empty(), "{}", checked.describe());
    for (direction, set) in [(Direction::Up, 5.0), (Direction::Down, 10.0)] {
        let capacity = capacity_mbps(&checked, direction);
        println!("  {direction:?}: set {set}, report {capacity:.3} Mbit/s");
        assert!(
            (capacity / set - 1.0).abs() <= 0.02,
            "{}",
            checked.describe()
        );
    }
}

fn cancelled(direction: Direction) {
    let mut scene = access();
    scene.serve(&[]);
    let running = scene.client().start();
    wait_for_flood(&scene, direction);
    let signaled = Instant::now();
    running.signal("SIGINT");
    let checked = running.finish();
    let took = signaled.elapsed();
    println!("  {took:?} from SIGINT to the end of the check");
    assert!(took <= Duration::from_millis(250), "{took:?}");
    assert_eq!(checked.report.ending, Ending::Cancelled);
    assert!(checked.report.findings.is_empty(), "{}", checked.describe());
    assert!(matches!(checked.report.path, Outcome::Measured { .. }));
    let is_partial = matches!(checked.report.throughput, Outcome::Partial { .. });
    assert!(
        is_partial || direction == Direction::Up,
        "{}",
        checked.describe()
    );
}
