//! What a speaker plays, and what of it comes back.

use std::thread::sleep;
use std::time::Duration;

use greenroom::model::speaker::LoopResult;

use crate::pulse::in_lab;
use crate::room::{Room, Seen, after};

const QUICK: &[&str] = &["--quick"];

/// Longest that a check of both devices may take, however the sound comes back.
const LIMIT: Duration = Duration::from_secs(5);
const QUICK_LIMIT: Duration = Duration::from_secs(3);

/// From playing to recording in ms, and the echo's return loss in dB.
fn heard(seen: &Seen) -> (f64, f64) {
    let result = seen.speaker().acoustic_loop.as_ref().unwrap().result;
    let LoopResult::Heard {
        delay_ms,
        echo_return_loss_db,
        ..
    } = result
    else {
        panic!("{result:?}");
    };
    println!("    {delay_ms} ms, echo return loss {echo_return_loss_db:.1} dB");
    (delay_ms.as_f64(), echo_return_loss_db)
}

/// The run keeps its limit. One that did not is repeated twice: a busy machine makes a check longer, never shorter.
#[track_caller]
fn assert_in_time(seen: &Seen, limit: Duration, again: impl Fn() -> Seen) {
    let elapsed_ms = |seen: &Seen| seen.report.elapsed_ms.as_f64();
    let mut took_ms = vec![elapsed_ms(seen)];
    while took_ms
        .iter()
        .all(|took| *took >= limit.as_secs_f64() * 1e3)
    {
        assert!(took_ms.len() < 3, "{took_ms:?} ms, limit {limit:?}");
        took_ms.push(elapsed_ms(&again()));
    }
}

#[test]
fn muted_turned_down_and_not_heard() {
    in_lab("speaker::muted_turned_down_and_not_heard", |lab| {
        let room = Room::new(lab);
        let noise = room.is_quiet();
        lab.pactl(&["set-sink-mute", "near", "1"]);
        let seen = room.checked(QUICK);
        seen.names("muted by its switch", "device.speaker.muted", &[]);
        assert_in_time(&seen, QUICK_LIMIT, || room.checked(QUICK));
        lab.pactl(&["set-sink-mute", "near", "0"]);
        lab.pactl(&["set-sink-volume", "near", "0%"]);
        room.checked(QUICK)
            .names("volume zero", "device.speaker.muted", &[]);
        lab.pactl(&["set-sink-volume", "near", "100%"]);
        drop(noise);
        let _noise = room.is_quiet();
        room.cut_way();
        let seen = room.checked(&[]);
        seen.names("no way back", "device.speaker.not_heard", &[]);
        assert_in_time(&seen, LIMIT, || room.checked(&[]));
    });
}

#[test]
fn a_strong_echo_and_a_late_one() {
    in_lab("speaker::a_strong_echo_and_a_late_one", |lab| {
        let room = Room::new(lab);
        let _noise = room.is_quiet();
        room.set_gain("0dB");
        let seen = room.checked(&[]);
        seen.names("echo as loud as played", "device.speaker.strong_echo", &[]);
        assert!(heard(&seen).1.abs() < 2.0);
        // Another speaker, whose sound comes back late.
        room.load(&[
            "module-loopback",
            "source=spk.monitor",
            "sink=micfeed",
            "latency_msec=300",
        ]);
        lab.pactl(&["set-default-sink", "spk"]);
        sleep(Duration::from_millis(1000));
        let seen = room.checked(&[]);
        seen.names(
            "300 ms more",
            "device.speaker.long_delay",
            &["device.speaker.strong_echo"],
        );
        assert!((280.0..450.0).contains(&heard(&seen).0));
        assert_in_time(&seen, LIMIT, || room.checked(&[]));
    });
}

#[test]
fn stalled_and_vanished() {
    in_lab("speaker::stalled_and_vanished", |lab| {
        let room = Room::without_way(lab);
        let _noise = room.is_quiet();
        lab.pactl(&["suspend-sink", "spk", "1"]);
        room.checked(QUICK)
            .names("suspended", "device.speaker.stalled", &[]);
        lab.pactl(&["suspend-sink", "spk", "0"]);
        let sinks = lab.pactl(&["list", "short", "modules"]);
        let speaker = sinks.lines().find(|line| line.contains("sink_name=spk"));
        let module = speaker.unwrap().split('\t').next().unwrap().to_owned();
        // The microphone's probe takes 2.3 s.
        let unload = after(3400, || drop(lab.pactl(&["unload-module", &module])));
        room.checked_while(&[], unload)
            .names("unplugged", "device.speaker.vanished", &[]);
    });
}
