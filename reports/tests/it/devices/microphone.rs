//! Faults of microphones.

use greenroom_reports::model::microphone::{ClockDrift, MainsHum};
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::speaker::LoopResult;
use greenroom_reports::model::verdict::{Answer, Band, Capability};
use greenroom_reports::samples;
use greenroom_reports::units::{Dbfs, Millis, Ratio};
use proptest::prelude::*;

use super::judged::{
    SPEAK, assert_limits, assert_named, assert_silent, band, capability, ids, mixer, ms, report,
    voice, with_microphone,
};

#[test]
fn a_muted_microphone_explains_its_silence() {
    for silent in [mixer(true, 0.7), mixer(false, 0.0)] {
        let mut run = with_microphone(|m| {
            m.mixer = Some(silent);
            m.is_digital_silence = Some(true);
            m.peak_dbfs = None;
            m.rms_dbfs = None;
            m.noise_floor_dbfs = None;
            m.speech_level_dbfs = None;
        });
        let speaker = run.speaker.data_mut().unwrap();
        speaker.acoustic_loop.as_mut().unwrap().result = LoopResult::NotHeard;
        let report = assert_limits(run, "device.microphone.muted", SPEAK, Band::Fail);
        assert_eq!(report.findings.len(), 3, "{:?}", ids(&report));
    }
    // Muted, and not asked to speak: that alone is enough.
    let quiet = with_microphone(|m| {
        *m = samples::unasked_microphone();
        m.mixer = Some(mixer(true, 0.7));
    });
    assert_limits(quiet, "device.microphone.muted", SPEAK, Band::Fail);
}

#[test]
fn digital_silence_is_named_where_no_mixer_explains_it() {
    let run = with_microphone(|m| {
        m.mixer = None;
        m.is_digital_silence = Some(true);
        m.peak_dbfs = None;
        m.rms_dbfs = None;
        m.noise_floor_dbfs = None;
        m.speech_level_dbfs = None;
    });
    assert_limits(run, "device.microphone.digital_silence", SPEAK, Band::Fail);
    // Too short a recording tells nothing.
    assert_silent(with_microphone(|m| {
        *m = samples::unasked_microphone();
        m.recorded_ms = ms(300.0);
        m.is_digital_silence = Some(true);
        m.peak_dbfs = None;
        m.noise_floor_dbfs = None;
    }));
}

#[test]
fn a_voice_is_judged_from_both_sides() {
    for (level, at_best) in [
        (-45.0, Band::Fair),
        (-55.0, Band::Poor),
        (-65.0, Band::Fail),
    ] {
        assert_limits(voice(level), "device.microphone.level_low", SPEAK, at_best);
    }
    for (level, at_best) in [(-10.0, Band::Fair), (-8.0, Band::Poor), (-5.0, Band::Fail)] {
        assert_limits(voice(level), "device.microphone.level_high", SPEAK, at_best);
    }
    for level in [-40.0, -30.0, -22.0, -15.0, -12.1] {
        assert_silent(voice(level));
    }
}

#[test]
fn a_person_who_was_asked_and_not_heard_fails_and_nobody_who_was_not_asked_does() {
    let silent = with_microphone(|m| m.speech_level_dbfs = None);
    assert_limits(
        silent.clone(),
        "device.microphone.level_low",
        SPEAK,
        Band::Fail,
    );
    // Who stopped the check may have been about to speak.
    let mut stopped = silent;
    stopped.microphone = Outcome::Partial {
        data: stopped.microphone.data().unwrap().clone(),
        reason: Reason::new(ReasonCode::Cancelled, "stopped by the user"),
    };
    assert_silent(stopped);
    let unasked = |peak: f64| {
        with_microphone(|m| {
            *m = samples::unasked_microphone();
            m.peak_dbfs = Dbfs::new(peak);
            m.noise_floor_dbfs = Dbfs::new(peak - 12.0);
        })
    };
    let found = report(unasked(-51.0));
    let speak = capability(&found, Capability::Speak);
    let level = speak.metrics.iter().find(|m| m.metric == "speech_level");
    assert!(level.is_some_and(|m| m.band.is_none() && !m.required));
    assert_silent(unasked(-69.0));
    // Not even the noise of a room: said, but a voice might still be heard.
    let deaf = report(unasked(-78.0));
    assert_named(&deaf, "device.microphone.level_low");
    assert!(band(&deaf, Capability::Speak) <= Some(Band::Good));
}

#[test]
fn clipping_is_a_share_and_takes_its_level_along() {
    let clipped = |runs, ratio: f64| {
        with_microphone(|m| {
            m.clipped_runs = runs;
            m.clipped_ratio = Ratio::new(ratio);
            m.peak_dbfs = Some(Dbfs::FULL_SCALE);
        })
    };
    assert_limits(
        clipped(210, 0.02),
        "device.microphone.clipping",
        SPEAK,
        Band::Fair,
    );
    // A knock on the table, and a few peaks.
    assert_silent(clipped(1, 0.002));
    assert_silent(clipped(9, 0.0004));
    // An analog stage cuts off below full scale, where no run is counted.
    let early = with_microphone(|m| m.ceiling_dbfs = Dbfs::new(-6.0));
    assert_limits(early, "device.microphone.clipping", SPEAK, Band::Fair);
    let mut loud = clipped(900, 0.11);
    loud.microphone.data_mut().unwrap().speech_level_dbfs = Dbfs::new(-8.0);
    assert_limits(loud, "device.microphone.clipping", SPEAK, Band::Poor);
}

#[test]
fn hum_is_named_where_it_is_heard_and_takes_the_noise_along() {
    let hums = |level: f64, above| {
        with_microphone(|m| {
            m.hum = Some(MainsHum {
                fundamental_hz: 50.0,
                level_dbfs: Dbfs::new(level).unwrap(),
                above_surroundings_db: above,
            });
        })
    };
    assert_limits(
        hums(-42.0, 26.0),
        "device.microphone.hum",
        SPEAK,
        Band::Fair,
    );
    assert_silent(hums(-74.0, 14.0));
    assert_silent(hums(-50.0, 8.0));
    let mut noisy = hums(-30.0, 30.0);
    noisy.microphone.data_mut().unwrap().snr_db = Some(6.0);
    assert_limits(noisy, "device.microphone.hum", SPEAK, Band::Fair);
}

#[test]
fn noise_is_judged_against_the_voice_where_there_is_one() {
    let noisy = |snr: Option<f64>, floor: f64| {
        with_microphone(|m| {
            *m = if snr.is_some() {
                samples::microphone()
            } else {
                samples::unasked_microphone()
            };
            m.snr_db = snr;
            m.noise_floor_dbfs = Dbfs::new(floor);
        })
    };
    assert_limits(
        noisy(Some(9.0), -38.0),
        "device.microphone.noisy",
        SPEAK,
        Band::Fair,
    );
    assert_limits(
        noisy(None, -38.0),
        "device.microphone.noisy",
        SPEAK,
        Band::Fair,
    );
    // A loud voice above a loud room.
    assert_silent(noisy(Some(22.0), -42.0));
    assert_silent(noisy(None, -46.0));
    // Somebody speaks without a pause, or music plays: what is quietest is no noise.
    let mut talk = noisy(None, -42.0);
    talk.microphone.data_mut().unwrap().level_range_db = Some(24.0);
    assert_silent(talk);
    // A voice that drowns is not a microphone that is too quiet.
    let drowned = with_microphone(|m| {
        m.asked_to_speak = true;
        (m.snr_db, m.speech_level_dbfs) = (None, None);
        m.level_range_db = Some(4.0);
        m.noise_floor_dbfs = Dbfs::new(-33.0);
    });
    assert_limits(drowned, "device.microphone.noisy", SPEAK, Band::Fail);
}

#[test]
fn a_telephones_sound_is_named() {
    let of = |rate, cut| {
        with_microphone(|m| {
            m.sample_rate_hz = rate;
            m.is_narrow_band = Some(cut);
        })
    };
    let id = "device.microphone.narrow_band";
    assert_limits(of(8_000, true), id, SPEAK, Band::Fair);
    for run in [of(16_000, false), of(48_000, true)] {
        let report = report(run);
        assert_named(&report, id);
        assert!(band(&report, Capability::Speak) <= Some(Band::Good));
    }
    let mut far = of(16_000, true);
    let acoustic = far
        .speaker
        .data_mut()
        .unwrap()
        .acoustic_loop
        .as_mut()
        .unwrap();
    acoustic.result = samples::heard(260.0, 30.0);
    assert_named(&report(far), id);
}

#[test]
fn what_the_others_hardly_hear_limits_nothing() {
    let offset = report(with_microphone(|m| m.dc_offset = Some(-0.04)));
    assert_named(&offset, "device.microphone.dc_offset");
    assert_eq!(offset.verdict.answer, Answer::Ready);
    assert_silent(with_microphone(|m| m.dc_offset = Some(0.012)));
    let dead = report(with_microphone(|m| m.dead_channels = vec![1]));
    assert_named(&dead, "device.microphone.dead_channel");
    assert_eq!(dead.verdict.answer, Answer::Ready);
}

#[test]
fn a_wrong_sample_rate_is_named_beyond_its_interval_only() {
    let drifts = |drift_ppm: f64, half: f64| {
        with_microphone(|m| {
            m.drift = Some(ClockDrift {
                drift_ppm,
                low_ppm: drift_ppm - half,
                high_ppm: drift_ppm + half,
            });
        })
    };
    for ppm in [-81_250.0, 2_500.0] {
        assert_limits(
            drifts(ppm, 300.0),
            "device.microphone.drift",
            SPEAK,
            Band::Fair,
        );
    }
    assert_silent(drifts(1_400.0, 600.0));
    assert_silent(drifts(-900.0, 50.0));
    // In a second, half a buffer more or less is as much.
    let mut short = drifts(3_600.0, 1_700.0);
    short.microphone.data_mut().unwrap().recorded_ms = Millis::new(1_200.0).unwrap();
    assert_silent(short);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_level_has_one_band_and_a_worse_one_never_a_better(
        level in -90.0_f64..0.0, further in 0.0_f64..40.0
    ) {
        let band_of = |dbfs: f64| band(&report(voice(dbfs)), Capability::Speak);
        let here = band_of(level);
        prop_assert!(here.is_some());
        // Away from the middle of what is excellent.
        let worse = if level < -22.5 { level - further } else { level + further };
        prop_assert!(band_of(worse) >= here);
    }

    #[test]
    fn more_lost_samples_never_get_a_better_answer(
        xruns in 0_u64..400, more in 0_u64..400, callbacks in 1_u64..2_000
    ) {
        let of = |xruns| {
            let run = with_microphone(|m| {
                m.stream.xruns = xruns;
                m.stream.callbacks = callbacks;
            });
            let report = report(run);
            (band(&report, Capability::Speak), report.findings.len())
        };
        prop_assert!(of(xruns) <= of(xruns + more));
    }
}
