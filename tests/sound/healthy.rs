//! Healthy set-ups raise no alarm.

use greenroom::model::speaker::LoopResult;
use greenroom_devices::signal::testing::sounds::{mixed, tone};

use crate::pulse::in_lab;
use crate::room::{QUIET_DBFS, RATE_HZ, Room, amplitude, assert_near, n_samples, noise, speech};

#[test]
fn a_quiet_room_a_voice_and_a_tone_raise_nothing() {
    let test = "healthy::a_quiet_room_a_voice_and_a_tone_raise_nothing";
    in_lab(test, |lab| {
        let room = Room::new(lab);
        for arguments in [&[][..], &["--quick"]] {
            let _noise = room.is_quiet();
            let seen = room.checked(arguments);
            seen.is_healthy("a quiet room");
            let floor = seen.microphone().noise_floor_dbfs.unwrap();
            assert_near("noise floor, dBFS", floor.as_f64(), QUIET_DBFS, 2.0);
            let heard = seen.speaker().acoustic_loop.as_ref().unwrap().result;
            let LoopResult::Heard { gain_db, .. } = heard else {
                panic!("{heard:?}");
            };
            assert_near("gain of the way, dB", gain_db, -20.0, 1.0);
        }
        for dbfs in [-38.0, -26.0, -16.0] {
            let _voice = room.plays(&mixed(&speech(dbfs), &noise(QUIET_DBFS)));
            room.checked(&["--quick"])
                .is_healthy(&format!("a voice of {dbfs} dBFS"));
        }
        // A tone tells how true levels are.
        let _tone = room.plays(&tone(RATE_HZ, n_samples(), 1000.0, amplitude(-60.0)));
        let seen = room.checked(&["--quick"]);
        seen.is_healthy("a quiet tone");
        let rms = seen.microphone().rms_dbfs.unwrap().as_f64();
        assert_near("level of a tone, dBFS", rms, -63.01, 0.2);
    });
}
