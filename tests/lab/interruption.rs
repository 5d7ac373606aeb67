//! What breaks off in the middle, and what is left of it.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use greenroom::model::outcome::Outcome;
use greenroom::model::report::Ending;
use greenroom_lab::link::Direction;
use libtest_mimic::Trial;

use crate::client::Running;
use crate::scene::Scene;
use crate::{tool, trial};

/// Late enough for the stream of packets to be on its way, early enough for it not to be over.
const MID_RUN: Duration = Duration::from_millis(1700);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_server_that_vanishes_is_named", vanished),
        trial("a_link_that_is_cut_for_good_is_named", cut),
        trial("udp_that_is_blocked_in_the_middle_is_named", blocked_midway),
        trial("a_cancelled_check_gives_a_report_at_once", cancelled),
        trial(
            "a_check_cancelled_at_its_start_gives_a_report_at_once",
            cancelled_at_start,
        ),
        trial(
            "a_second_interrupt_ends_a_check_that_hangs",
            interrupted_twice,
        ),
        trial(
            "an_interrupt_ends_a_check_whose_report_nobody_reads",
            interrupted_at_the_report,
        ),
    ]
}

const OF_THE_PATH: [&str; 5] = [
    "network.path.outage",
    "network.path.loss_up",
    "network.path.loss_down",
    "network.path.high_jitter_up",
    "network.path.high_jitter_down",
];

fn vanished() {
    let mut scene = Scene::healthy();
    let running = scene.client().start();
    std::thread::sleep(MID_RUN);
    scene.kill_server();
    let checked = running.finish();
    checked.assert_named("network.server.vanished", &OF_THE_PATH, 4);
    assert!(
        matches!(checked.report.path, Outcome::Partial { .. }),
        "{}",
        checked.describe()
    );
    // What was measured before is kept, and is sound.
    let rtt = checked.path().rtt.as_ref().unwrap();
    assert!(rtt.samples > 20 && (20.0..25.0).contains(&rtt.p50_ms.as_f64()));
}

fn cut() {
    let scene = Scene::healthy();
    let running = scene.client().start();
    std::thread::sleep(MID_RUN);
    for direction in Direction::BOTH {
        scene.lab.link().set_cut(direction, true);
    }
    let checked = running.finish();
    checked.assert_named("network.path.outage", &OF_THE_PATH[1..], 5);
    let [outage] = &checked.path().outages[..] else {
        panic!("one outage: {}", checked.describe());
    };
    assert!(!outage.recovered);
    assert!(matches!(checked.report.path, Outcome::Partial { .. }));
}

fn blocked_midway() {
    let scene = Scene::healthy();
    let running = scene.client().start();
    std::thread::sleep(MID_RUN);
    scene.lab.access_router().block_udp().unwrap();
    let checked = running.finish();
    checked.assert_named("network.path.outage", &OF_THE_PATH[1..], 5);
    assert!(matches!(checked.report.path, Outcome::Partial { .. }));
}

/// Interrupts a check after this time; from the signal to the end it has 250 ms.
fn cancel_after(pause: Duration) -> crate::client::Checked {
    let scene = Scene::healthy();
    let running = scene.client().start();
    std::thread::sleep(pause);
    let signaled = Instant::now();
    running.signal("SIGINT");
    let checked = running.finish();
    let took = signaled.elapsed();
    println!("{took:?} from SIGINT after {pause:?} to the end of the check");
    assert!(took <= Duration::from_millis(250), "{took:?}");
    assert_eq!(checked.report.ending, Ending::Cancelled);
    checked
}

fn cancelled() {
    let checked = cancel_after(MID_RUN);
    assert!(checked.report.findings.is_empty(), "{}", checked.describe());
    assert!(
        matches!(checked.report.path, Outcome::Partial { .. }),
        "{}",
        checked.describe()
    );
    let loss = checked.path().up.loss.as_ref().unwrap();
    assert_eq!(loss.packets_lost, 0, "packets on their way are not lost");
}

fn cancelled_at_start() {
    let checked = cancel_after(Duration::from_millis(150));
    assert!(checked.report.findings.is_empty(), "{}", checked.describe());
    assert_eq!(checked.exit_code, Some(5));
}

/// A pipe that is almost full and that nobody reads: what a program writes into it, it waits for.
fn full_pipe(scene: &Scene) -> (String, std::fs::File) {
    let pipe = format!("/run/pipe-{}", scene.lab.client().netns());
    tool::run(Command::new("mkfifo").arg(&pipe));
    let mut held = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&pipe)
        .unwrap();
    // A pipe of Linux takes 64 KiB; what is left takes the first events.
    held.write_all(&vec![b'\n'; 64_000]).unwrap();
    (pipe, held)
}

/// Nobody reads the events any more, so the check cannot go on.
fn interrupted_twice() {
    let scene = Scene::healthy();
    let (pipe, held) = full_pipe(&scene);
    let running = scene.client().argument("--events").argument(&pipe).start();
    std::thread::sleep(MID_RUN);
    running.signal("SIGINT");
    std::thread::sleep(Duration::from_millis(300));
    assert_ends_with_130(running);
    drop(held);
}

/// The check is over, but nobody takes its report.
fn interrupted_at_the_report() {
    let scene = Scene::healthy();
    let (pipe, held) = full_pipe(&scene);
    let running = scene
        .client()
        .quick()
        .argument("--markdown")
        .argument(&pipe)
        .start();
    std::thread::sleep(Duration::from_secs(3));
    assert_ends_with_130(running);
    drop(held);
}

/// Interrupts a check that hangs.
fn assert_ends_with_130(running: Running) {
    let signaled = Instant::now();
    running.signal("SIGINT");
    let ended = running.end();
    let took = signaled.elapsed();
    println!("  {took:?} from the last SIGINT to the end of the check");
    assert_eq!(ended.exit_code, Some(130), "{}", ended.stderr);
    assert!(took <= Duration::from_millis(250), "{took:?}");
}
