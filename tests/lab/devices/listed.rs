//! Which devices the built program lists, chooses, and sees come and go.

use std::time::{Duration, Instant};

use greenroom_lab::vm::{FeedFault, MicrophoneFault, Task, UsbCamera, UsbMicrophone, Vivid};
use libtest_mimic::Trial;
use serde_json::Value;

use crate::{machines, trial};

/// How late a device may be seen that came or went.
const MAX_DELAY_S: f64 = 1.0;

/// More than anything takes that is waited for.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_usb_camera_is_listed_once", once),
        trial("twenty_cameras_are_listed", twenty),
        trial("a_name_that_fits_two_cameras_lists_both", ambiguous),
        trial("what_comes_and_goes_is_told_within_a_second", watched),
    ]
}

fn names(listed: &str, kind: &str) -> Vec<String> {
    let listed: Value = serde_json::from_str(listed).unwrap();
    let devices = listed["devices"].as_array().unwrap().iter();
    let of_kind = devices.filter(|device| device["kind"] == kind);
    of_kind
        .map(|device| device["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Its second node gives no pictures.
fn once() {
    let machine = machines::lend();
    let _camera = UsbCamera::plug(&machine, "Lab Camera", FeedFault::None).unwrap();
    let nodes = machine.run_ok("ls /dev/video* | wc -l").unwrap();
    assert_eq!(nodes.trim(), "2");
    let listed = machine.run_ok("greenroom devices --json").unwrap();
    assert_eq!(names(&listed, "camera"), ["Lab Camera"]);
    let unprivileged = format!(
        "{} greenroom devices --json",
        crate::checked::WITHOUT_RIGHTS
    );
    let listed = machine.run_ok(&unprivileged).unwrap();
    assert_eq!(names(&listed, "camera"), ["Lab Camera"]);
}

fn twenty() {
    let machine = machines::lend();
    let _vivid = Vivid::plug(&machine, 20).unwrap();
    let listed = machine.run_ok("greenroom devices --json").unwrap();
    let mut names = names(&listed, "camera");
    assert_eq!(names.len(), 20);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 20, "told apart");
}

fn ambiguous() {
    let machine = machines::lend();
    let _left = UsbCamera::plug(&machine, "Left Camera", FeedFault::None).unwrap();
    let _right = UsbCamera::plug(&machine, "Right Camera", FeedFault::None).unwrap();
    let output = machine
        .run("greenroom check --only camera --camera camera --json -")
        .unwrap();
    assert_eq!(output.status, 2, "{output:?}");
    assert_eq!(output.stdout, "");
    for name in ["Left Camera", "Right Camera"] {
        assert!(output.stderr.contains(name), "{}", output.stderr);
    }
}

/// Each line gets the time at which it came. Plugging is from the moment at which the kernel has the device.
fn watched() {
    let machine = machines::lend();
    // The modules need longer than a device.
    drop(UsbMicrophone::plug(&machine, 0.003, MicrophoneFault::None).unwrap());
    let watch = machine
        .start(
            "greenroom devices --watch --json | while read -r line
            do read -r now rest </proc/uptime; echo \"$now $line\"; done",
        )
        .unwrap();
    // One for cameras, one for microphones, one for speakers.
    let runs = "[ $(grep -lx '.* watch' /proc/$(pgrep -x greenroom)/task/*/comm | wc -l) = 3 ]";
    machine.wait_until("the watches", runs, LIMIT).unwrap();
    let now = || -> f64 {
        let uptime = machine.run_ok("cat /proc/uptime").unwrap();
        uptime.split_whitespace().next().unwrap().parse().unwrap()
    };
    let mut camera = UsbCamera::plug(&machine, "Lab Camera", FeedFault::None).unwrap();
    assert_told(&watch, "added", "Lab Camera", now());
    let pulled = now();
    camera.unplug().unwrap();
    assert_told(&watch, "removed", "Lab Camera", pulled);
    let mut microphone = UsbMicrophone::plug(&machine, 0.003, MicrophoneFault::None).unwrap();
    assert_told(&watch, "added", "Lab Microphone", now());
    let pulled = now();
    microphone.unplug().unwrap();
    assert_told(&watch, "removed", "Lab Microphone", pulled);
}

/// Waits for the line that tells of a change, which has to have come soon after it.
#[track_caller]
fn assert_told(watch: &Task<'_>, change: &str, name: &str, at: f64) {
    let tells =
        |line: &&str| line.to_lowercase().contains(&format!("\"{change}\"")) && line.contains(name);
    let until = Instant::now() + LIMIT;
    loop {
        let told = watch.stdout();
        if let Some(line) = told.lines().find(tells) {
            let seen: f64 = line.split_once(' ').unwrap().0.parse().unwrap();
            assert!(seen - at < MAX_DELAY_S, "{name} {change} {at}: {told}");
            return;
        }
        let errors = watch.stderr();
        assert!(
            Instant::now() < until,
            "{name} not {change}: {told}{errors}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
