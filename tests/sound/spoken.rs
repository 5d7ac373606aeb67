//! The level of a voice is judged only of who was asked to speak, which a headless command line
//! does not do.

use greenroom::{Check, ProbeId};
use greenroom_devices::signal::testing::sounds::{mixed, root_mean_square};

use crate::pulse::in_lab;
use crate::room::{Room, Seen, assert_near, noise, speech};

/// What a check finds while somebody speaks.
fn spoken_to() -> Seen {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let began = std::time::Instant::now();
    let report = runtime.block_on(async {
        let builder = Check::builder().only([ProbeId::Microphone]);
        let mut check = builder.asks_to_speak(true).start().await.unwrap();
        check.finish().await
    });
    Seen {
        report,
        took: began.elapsed(),
    }
}

#[test]
fn a_voice_is_well_too_quiet_too_loud_or_not_there() {
    let test = "spoken::a_voice_is_well_too_quiet_too_loud_or_not_there";
    in_lab(test, |lab| {
        let room = Room::without_way(lab);
        for dbfs in [-38.0, -15.0] {
            let _voice = room.plays(&mixed(&speech(dbfs), &noise(-75.0)));
            let seen = spoken_to();
            seen.is_healthy(&format!("a voice of {dbfs} dBFS"));
            let level = seen.microphone().speech_level_dbfs.unwrap().as_f64();
            assert_near("speech level, dBFS", level, dbfs, 2.0);
        }
        {
            // The microphone is turned down by 35 dB, and so is what it hears.
            let _voice = room.plays(&mixed(&speech(-20.0), &noise(-60.0)));
            lab.pactl(&["set-source-volume", "mic", "-35dB"]);
            let seen = spoken_to();
            seen.names("a voice of -55 dBFS", "device.microphone.level_low", &[]);
            let level = seen.microphone().speech_level_dbfs.unwrap().as_f64();
            assert_near("speech level, dBFS", level, -55.0, 2.0);
            lab.pactl(&["set-source-volume", "mic", "100%"]);
        }
        {
            let _noise = room.is_quiet();
            spoken_to().names("nobody speaks", "device.microphone.level_low", &[]);
        }
        // The loudest of a voice stand 9 dB above its mean; then it no longer stands out.
        for noise_dbfs in [-30.0, -22.0] {
            let _voice = room.plays(&mixed(&speech(-26.0), &noise(noise_dbfs)));
            let what = format!("a voice of -26 dBFS in noise of {noise_dbfs} dBFS");
            spoken_to().names(&what, "device.microphone.noisy", &[]);
        }
        // Compressed rather than cut off.
        let loud = speech(-4.0)
            .iter()
            .map(|s| 1.3 * s / (1.0 + s.abs()))
            .collect::<Vec<_>>();
        let fed = 20.0 * (root_mean_square(&loud) / 0.8_f64.sqrt()).log10();
        let _voice = room.plays(&mixed(&loud, &noise(-75.0)));
        let seen = spoken_to();
        seen.names("a loud voice", "device.microphone.level_high", &[]);
        let level = seen.microphone().speech_level_dbfs.unwrap().as_f64();
        assert_near("speech level, dBFS", level, fed, 2.0);
    });
}
