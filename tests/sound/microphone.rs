//! What a microphone hears, and what is wrong with it.

use std::time::Duration;

use greenroom_devices::signal::testing::sounds::{band_passed, mixed, tone, white_noise};
use greenroom_reports::samples::Random;

use crate::pulse::in_lab;
use crate::room::{
    QUIET_DBFS, RATE_HZ, Room, after, amplitude, assert_near, n_samples, noise, speech,
};

const QUICK: &[&str] = &["--quick"];

#[test]
fn muted_turned_down_silent_and_too_quiet() {
    in_lab(
        "microphone::muted_turned_down_silent_and_too_quiet",
        |lab| {
            let room = Room::new(lab);
            {
                let _noise = room.is_quiet();
                lab.pactl(&["set-source-mute", "mic", "1"]);
                room.checked(QUICK)
                    .names("muted by its switch", "device.microphone.muted", &[]);
                lab.pactl(&["set-source-mute", "mic", "0"]);
                lab.pactl(&["set-source-volume", "mic", "0%"]);
                room.checked(QUICK)
                    .names("volume zero", "device.microphone.muted", &[]);
                lab.pactl(&["set-source-volume", "mic", "100%"]);
            }
            // Nothing is fed, and nothing is muted.
            room.checked(QUICK)
                .names("digital silence", "device.microphone.digital_silence", &[]);
            let _faint = room.plays(&noise(-88.0));
            room.checked(QUICK)
                .names("faint", "device.microphone.level_low", &[]);
        },
    );
}

#[test]
fn overdriven() {
    in_lab("microphone::overdriven", |lab| {
        let room = Room::new(lab);
        let voice = mixed(&speech(-6.0), &noise(QUIET_DBFS));
        let overdriven: Vec<f32> = voice.iter().map(|s| (s * 4.0).clamp(-1.0, 1.0)).collect();
        {
            let _voice = room.plays(&overdriven);
            let seen = room.checked(QUICK);
            seen.names("overdriven by 12 dB", "device.microphone.clipping", &[]);
            let peak = seen.microphone().peak_dbfs.unwrap().as_f64();
            assert_near("peak, dBFS", peak, 0.0, 0.1);
        }
        // An analog stage clips before the converter does.
        let early: Vec<f32> = overdriven.iter().map(|s| s * 0.5).collect();
        let _voice = room.plays(&early);
        room.checked(QUICK).names(
            "overdriven ahead of −6 dBFS",
            "device.microphone.clipping",
            &[],
        );
    });
}

#[test]
fn hum_and_noise() {
    in_lab("microphone::hum_and_noise", |lab| {
        let room = Room::new(lab);
        for mains in [50.0, 60.0] {
            // 50 Hz at −40 dBFS RMS, its third and fifth harmonic 6 and 12 dB below.
            let lines = [(1.0, -40.0), (3.0, -46.0), (5.0, -52.0)];
            let mut sound = noise(QUIET_DBFS);
            for (harmonic, dbfs) in lines {
                let peak = amplitude(dbfs) * 2_f64.sqrt();
                let line = tone(RATE_HZ, n_samples(), mains * harmonic, peak);
                sound = mixed(&sound, &line);
            }
            let power: f64 = lines.iter().map(|(_, dbfs)| amplitude(*dbfs).powi(2)).sum();
            let _hum = room.plays(&sound);
            let seen = room.checked(&[]);
            seen.names("hum", "device.microphone.hum", &[]);
            let hum = seen.microphone().hum.unwrap();
            assert_near("mains, Hz", hum.fundamental_hz, mains, 0.0);
            let fed = 10.0 * power.log10();
            assert_near("level of the hum, dBFS", hum.level_dbfs.as_f64(), fed, 0.5);
        }
        let loud = white_noise(&mut Random::new(5), n_samples(), amplitude(-38.0));
        let _noise = room.plays(&loud);
        let seen = room.checked(QUICK);
        seen.names("noise of -38 dBFS", "device.microphone.noisy", &[]);
        let floor = seen.microphone().noise_floor_dbfs.unwrap().as_f64();
        assert_near("noise floor, dBFS", floor, -38.0, 2.0);
    });
}

#[test]
fn off_center_narrow_or_on_one_side() {
    in_lab("microphone::off_center_narrow_or_on_one_side", |lab| {
        let room = Room::new(lab);
        {
            let off: Vec<f32> = noise(QUIET_DBFS).iter().map(|s| s + 0.05).collect();
            let _offset = room.plays(&off);
            let seen = room.checked(QUICK);
            seen.names("offset of 0.05", "device.microphone.dc_offset", &[]);
            let offset = seen.microphone().dc_offset.unwrap();
            assert_near("offset", offset, 0.05, 0.0005);
        }
        for edge_hz in [4_000.0, 8_000.0] {
            let voice = band_passed(&speech(-20.0), RATE_HZ, 20.0..edge_hz);
            let _voice = room.plays(&voice);
            room.checked(QUICK).names(
                &format!("nothing above {edge_hz} Hz"),
                "device.microphone.narrow_band",
                &[],
            );
        }
        let voice = mixed(&speech(-26.0), &noise(QUIET_DBFS));
        let silence = vec![0.0; voice.len()];
        let _left = room.plays_channels(&[voice, silence]);
        let seen = room.checked(QUICK);
        seen.names("one side", "device.microphone.dead_channel", &[]);
        assert_eq!(seen.microphone().dead_channels, [1]);
    });
}

#[test]
fn stalled_and_vanished() {
    in_lab("microphone::stalled_and_vanished", |lab| {
        let room = Room::new(lab);
        let _noise = room.is_quiet();
        let suspend = after(1000, || drop(lab.pactl(&["suspend-source", "mic", "1"])));
        room.checked_while(&[], suspend).names(
            "suspended during the check",
            "device.microphone.stalled",
            &[],
        );
        room.checked(QUICK)
            .names("suspended before", "device.microphone.stalled", &[]);
        lab.pactl(&["suspend-source", "mic", "0"]);
        let unload = after(1000, || {
            drop(lab.pactl(&["unload-module", "module-remap-source"]));
        });
        room.checked_while(&[], unload)
            .names("unplugged", "device.microphone.vanished", &[]);
    });
}

/// The server holds what is recorded meanwhile. But where its wait is interrupted, the client's connection to the
/// server ends, which is about every other time: the recording goes on with another one.
#[test]
fn held_up() {
    in_lab("microphone::held_up", |lab| {
        let room = Room::new(lab);
        let _noise = room.is_quiet();
        for _ in 0..4 {
            let stopped = Duration::from_millis(150);
            let seen = room.checked_held_up(&["--only", "microphone"], stopped);
            println!("    {:?}", seen.microphone().stream);
            seen.is_healthy("stopped for 0.15 s");
            let gap = seen.microphone().stream.longest_gap_ms.unwrap();
            assert!(gap.as_f64() > 100.0, "it was not held up: {gap:?}");
        }
    });
}
