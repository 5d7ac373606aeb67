//! Devices that are not there, that nobody may use, or whose server hangs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use greenroom_devices::signal::testing::sounds::tone;

use crate::pulse::{Lab, Setup, in_lab, in_lab_with};
use crate::room::{RATE_HZ, Room, Seen, after, amplitude, check, n_samples, program};

/// Devices without sound render two seconds at once until somebody wants it sooner.
const FIRST_BLOCK: Duration = Duration::from_millis(2100);

const QUICK: &[&str] = &["--quick"];

#[test]
fn a_server_without_devices() {
    let setup = Setup { has_devices: false };
    in_lab_with("unusable::a_server_without_devices", setup, |lab| {
        let room = Room::without_way(lab);
        let both = &["device.speaker.none"];
        let seen = room.checked(QUICK);
        seen.names("no device at all", "device.microphone.none", both);
        room.checked(&["--quick", "--only", "speaker"]).names(
            "no speaker",
            "device.speaker.none",
            &[],
        );
        room.load(&["module-null-sink", "sink_name=spk"]);
        let reader = lab.record("spk.monitor");
        sleep(FIRST_BLOCK);
        room.checked(QUICK)
            .names("no microphone", "device.microphone.none", &[]);
        drop(reader.end());
    });
}

#[test]
fn a_server_that_hangs() {
    in_lab("unusable::a_server_that_hangs", |lab| {
        let room = Room::without_way(lab);
        let _tone = room.plays(&tone(RATE_HZ, n_samples(), 440.0, amplitude(-40.0)));
        let speaker = &["device.speaker.stalled"];
        let stop = after(1000, || lab.signal_server("STOP"));
        room.checked_while(&[], stop).names(
            "hangs during the check",
            "device.microphone.stalled",
            speaker,
        );
        room.checked(QUICK)
            .names("hangs before", "device.microphone.stalled", speaker);
        lab.signal_server("CONT");
    });
}

/// What a check finds that runs as a user whom the sound server does not know.
fn checked_by_a_stranger(lab: &Lab) -> Seen {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("native");
    let module = lab.pactl(&[
        "load-module",
        "module-native-protocol-unix",
        "auth-anonymous=0",
        &format!("socket={}", socket.display()),
    ]);
    // The server keeps the folder to itself.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).unwrap();
    let seen = checked_by_nobody(|check| {
        check
            .env("PULSE_SERVER", format!("unix:{}", socket.display()))
            .env("PULSE_COOKIE", "/nonexistent")
            .env_remove("PULSE_RUNTIME_PATH")
            .env_remove("XDG_RUNTIME_DIR");
    });
    lab.pactl(&["unload-module", &module]);
    seen
}

/// What a check finds that runs as a user without rights.
fn checked_by_nobody(environment: impl FnOnce(&mut Command)) -> Seen {
    let began = Instant::now();
    let mut check_it = program("setpriv");
    check_it
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(env!("CARGO_BIN_EXE_greenroom"))
        .args(check(QUICK));
    environment(&mut check_it);
    let output = check_it.output().unwrap();
    Seen::of(&output, began.elapsed())
}

#[test]
fn a_server_that_refuses() {
    in_lab("unusable::a_server_that_refuses", |lab| {
        checked_by_a_stranger(lab).names(
            "access refused",
            "device.microphone.access_refused",
            &["device.speaker.access_refused"],
        );
        // The folder of the server's socket is its owner's alone.
        checked_by_nobody(|_| ()).names(
            "a runtime folder of somebody else",
            "device.microphone.access_refused",
            &["device.speaker.access_refused"],
        );
    });
}
