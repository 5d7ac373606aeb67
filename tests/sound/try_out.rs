//! What a microphone heard comes back on the speaker.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use greenroom_devices::signal::testing::sounds::tone;

use crate::pulse::{Setup, in_lab, in_lab_with};
use crate::room::{RATE_HZ, Room, amplitude, assert_near, n_samples, program};

/// From the interrupt to the end; streams end within half a second.
const STOP_LIMIT: Duration = Duration::from_millis(1500);

/// What is said before the interrupt, and what would be heard of it by then.
const SPOKEN: Duration = Duration::from_millis(500);
const LATE_SOUND: Duration = Duration::from_millis(200);

fn try_out(arguments: &[&str]) -> Child {
    let mut command = program(env!("CARGO_BIN_EXE_greenroom"));
    let command = command.args(["devices", "try"]).args(arguments);
    command.spawn().unwrap()
}

/// A server that asks for no cookie, as PipeWire's, and a user who has none.
#[test]
fn no_cookie_is_needed_where_none_is_asked_for() {
    let test = "try_out::no_cookie_is_needed_where_none_is_asked_for";
    in_lab(test, |lab| {
        let room = Room::without_way(lab);
        let _tone = room.plays(&tone(RATE_HZ, n_samples(), 1000.0, 0.1));
        let mut command = program(env!("CARGO_BIN_EXE_greenroom"));
        let command = command.args(["devices", "try", "--seconds", "1"]);
        let command = command.env("PULSE_COOKIE", "/nonexistent");
        let tried = command.env("HOME", "/nonexistent").output().unwrap();
        let said = String::from_utf8_lossy(&tried.stderr);
        assert!(tried.status.success(), "{said}");
        assert!(said.contains("this is how you sound"), "{said}");
    });
}

/// Peak, and how often the signal rises through zero, of a second's samples.
fn peak_and_rises(samples: &[f32]) -> (f64, usize) {
    let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
    let rises = samples.windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0);
    (peak.into(), rises.count())
}

#[test]
fn what_was_recorded_is_played() {
    in_lab("try_out::what_was_recorded_is_played", |lab| {
        let room = Room::without_way(lab);
        // Soft enough to be played as it is, and so loud that it has to be turned down.
        for (fed, played) in [(amplitude(-20.0), amplitude(-20.0)), (0.9, amplitude(-6.0))] {
            let tone = room.plays(&tone(RATE_HZ, n_samples(), 1000.0, fed));
            let monitor = lab.record("spk.monitor");
            let began = Instant::now();
            let tried = try_out(&["--seconds", "3"]).wait_with_output().unwrap();
            let took = began.elapsed();
            let said = String::from_utf8_lossy(&tried.stderr);
            assert!(tried.status.success(), "{said}");
            assert!(said.contains("LabMicrophone: speak now, for 3 s"), "{said}");
            assert!(said.contains("LabSpeaker: this is how you sound"), "{said}");
            assert!(took < Duration::from_secs(8), "{took:?}");
            drop(tone);
            let (samples, _) = monitor.end();
            let heard: Vec<usize> = (0..samples.len()).filter(|n| samples[*n] != 0.0).collect();
            let (first, last) = (heard[0], heard[heard.len() - 1]);
            let seconds = (last - first) as f64 / RATE_HZ;
            assert_near("seconds played", seconds, 3.0, 0.1);
            // A second from its middle.
            let middle = &samples[first + 48_000..first + 96_000];
            let (peak, rises) = peak_and_rises(middle);
            assert_near("peak", peak, played, 0.02 * played);
            assert!((995..=1005).contains(&rises), "{rises} Hz");
        }
    });
}

#[test]
fn an_interrupt_ends_it_and_nothing_is_played() {
    let test = "try_out::an_interrupt_ends_it_and_nothing_is_played";
    in_lab(test, |lab| {
        let room = Room::without_way(lab);
        let _tone = room.plays(&tone(RATE_HZ, n_samples(), 1000.0, 0.1));
        let monitor = lab.record("spk.monitor");
        let mut child = try_out(&["--seconds", "10"]);
        let said = BufReader::new(child.stderr.take().unwrap());
        let asked = said.lines().any(|line| line.unwrap().contains("speak now"));
        assert!(asked, "it ended before it asked");
        room.wait_for_reader(child.id());
        sleep(SPOKEN);
        crate::pulse::signal_process(child.id(), "INT");
        let interrupted = Instant::now();
        let status = child.wait().unwrap();
        assert!(interrupted.elapsed() < STOP_LIMIT);
        assert_eq!(status.code(), Some(130));
        sleep(LATE_SOUND);
        let (samples, _) = monitor.end();
        assert!(samples.iter().all(|s| *s == 0.0));
    });
}

#[test]
fn a_silent_microphone_and_missing_devices_are_told() {
    let test = "try_out::a_silent_microphone_and_missing_devices_are_told";
    let setup = Setup { has_devices: false };
    in_lab_with(test, setup, |lab| {
        let room = Room::without_way(lab);
        let told = |code: i32, words: &str| {
            let tried = try_out(&["--seconds", "1"]).wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&tried.stderr);
            assert_eq!(tried.status.code(), Some(code), "{said}");
            assert!(said.contains(words), "{said}");
        };
        told(1, "error: there is no microphone");
        room.load(&["module-null-sink", "sink_name=micfeed"]);
        room.load(&[
            "module-remap-source",
            "source_name=mic",
            "master=micfeed.monitor",
        ]);
        told(0, "nothing but silence: is it muted?");
    });
}
