//! Limits that the user sets, against the link's packet log and the wall clock.

use std::time::Duration;

use libtest_mimic::Trial;

use super::spent::{bytes_sent, link};
use crate::scene::Scene;
use crate::trial;

/// How far a limit may be exceeded.
const SLACK: f64 = 1.05;

/// What the probes spend that cannot tell it: names, the server's web side, STUN. 5.4 kB were seen.
const UNTOLD: f64 = 8_000.0;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("no_more_than_200_kb_to_1_mb_are_spent", || {
            at_once([200, 500, 1000], data);
        }),
        trial("no_more_than_4_and_16_mb_are_spent", || {
            at_once([4000, 16_000], data);
        }),
        trial("a_check_takes_no_more_than_2_to_8_s", || {
            at_once([2, 3, 5, 8], time);
        }),
    ]
}

/// Each in a lab of its own, which leaves a machine of two cores idle most of the time.
fn at_once<T: Send, const N: usize>(limits: [T; N], test: fn(T)) {
    std::thread::scope(|scope| {
        for limit in limits {
            scope.spawn(move || test(limit));
        }
    });
}

/// A link that is faster than what is asked of it, so that the limit is what stops the check.
fn data(kb: u32) {
    let scene = Scene::with(link(50_000_000), link(100_000_000), 1);
    let checked = scene
        .client()
        .argument("--data")
        .argument(&format!("{kb}kB"))
        .run();
    let [up, down] = bytes_sent(&scene);
    let cost = &checked.report.cost;
    println!(
        "  --data {kb}kB: {up} bytes up and {down} down by the log, {} and {} by the report; {:?}",
        cost.bytes_sent, cost.bytes_received, checked.elapsed
    );
    let spent = (up + down) as f64;
    assert!(
        spent <= f64::from(kb) * 1e3 * SLACK,
        "{}",
        checked.describe()
    );
    // The report's own account is the log's.
    let told = (cost.bytes_sent.get() + cost.bytes_received.get()) as f64;
    let apart = (told - spent).abs();
    assert!(
        apart <= (0.05 * spent).max(UNTOLD),
        "{told} told, {spent} spent"
    );
}

/// A link slow enough that a check would like to take longer.
fn time(seconds: u64) {
    let scene = Scene::with(link(600_000), link(800_000), 1);
    let limit = format!("{seconds}s");
    let checked = scene.client().argument("--time").argument(&limit).run();
    println!(
        "  --time {limit}: {:?} by the clock, {} ms by the report; {:?}",
        checked.elapsed,
        checked.report.elapsed_ms,
        checked.report.throughput.reason()
    );
    let allowed = Duration::from_secs(seconds).mul_f64(SLACK);
    assert!(checked.report.elapsed_ms.as_f64() <= allowed.as_secs_f64() * 1e3);
    // Until it runs, and from the end of the measurement to the end of the process.
    let around = Duration::from_millis(150);
    assert!(checked.elapsed <= allowed + around, "{:?}", checked.elapsed);
}
