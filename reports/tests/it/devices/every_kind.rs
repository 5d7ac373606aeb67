//! What cameras, microphones and speakers have in common: missing, broken, left out, lost samples.

use greenroom_reports::finding::explain;
use greenroom_reports::model::device::StreamHealth;
use greenroom_reports::model::finding::{Complaint, Severity};
use greenroom_reports::model::microphone::ClockDrift;
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::report::Report;
use greenroom_reports::model::speaker::LoopResult;
use greenroom_reports::model::verdict::{Answer, Band, Capability};
use greenroom_reports::samples;
use greenroom_reports::units::{Dbfs, Ratio};
use greenroom_reports::verdict::assemble::Run;
use greenroom_reports::verdict::profile::Profile;
use proptest::prelude::*;

use super::judged::{
    HEAR, SHOW, SPEAK, assert_limits, assert_named, assert_silent, band, capability, healthy, ids,
    ms, notes, report, with_camera, with_loop, with_microphone, with_picture, with_speaker,
};

const REASONS: [(ReasonCode, &str); 6] = [
    (ReasonCode::NoDevice, "none"),
    (ReasonCode::AccessRefused, "access_refused"),
    (ReasonCode::DeviceBusy, "busy"),
    (ReasonCode::DeviceFailed, "failed"),
    (ReasonCode::Unsupported, "failed"),
    (ReasonCode::DeviceVanished, "vanished"),
];

#[test]
fn healthy_devices_raise_no_alarm() {
    assert_silent(healthy());
    // Nobody was asked to speak, and nothing listened to the speaker.
    let mut run = healthy();
    run.microphone = Outcome::Measured {
        data: samples::unasked_microphone(),
    };
    run.speaker.data_mut().unwrap().acoustic_loop = None;
    assert_silent(run);
}

#[test]
fn healthy_devices_are_good_and_say_so() {
    let report = report(healthy());
    assert_eq!(report.verdict.answer.exit_code(), 0);
    assert_eq!(band(&report, Capability::Show), Some(Band::Excellent));
    assert!(report.verdict.headline.contains("Your devices"));
    let speak = capability(&report, Capability::Speak);
    let level = speak.metrics.iter().find(|m| m.metric == "speech_level");
    assert_eq!(level.unwrap().band, Some(Band::Excellent));
}

#[test]
fn a_device_that_gives_nothing_fails_its_own_capability_alone() {
    for (code, name) in REASONS {
        let mut run = healthy();
        run.camera = samples::blocked(code, "because");
        assert_limits(run, &format!("device.camera.{name}"), SHOW, Band::Fail);
        let mut run = healthy();
        run.microphone = samples::blocked(code, "because");
        assert_limits(run, &format!("device.microphone.{name}"), SPEAK, Band::Fail);
        let mut run = healthy();
        run.speaker = samples::blocked(code, "because");
        assert_limits(run, &format!("device.speaker.{name}"), HEAR, Band::Fail);
    }
}

#[test]
fn a_device_that_stalls_at_once_fails_its_own_capability_alone() {
    let code = ReasonCode::DeviceStalled;
    let mut run = healthy();
    run.camera = samples::blocked(code, "it delivers nothing");
    assert_limits(run, "device.camera.no_frames", SHOW, Band::Fail);
    let mut run = healthy();
    run.microphone = samples::blocked(code, "it delivers nothing");
    assert_limits(run, "device.microphone.stalled", SPEAK, Band::Fail);
    let mut run = healthy();
    run.speaker = samples::blocked(code, "it takes nothing");
    assert_limits(run, "device.speaker.stalled", HEAR, Band::Fail);
}

#[test]
fn what_ends_a_required_capability_is_critical_and_what_may_be_missing_is_not() {
    let severity = |report: &Report| report.findings[0].severity;
    let mut run = healthy();
    run.camera = samples::blocked(ReasonCode::NoDevice, "there is no camera");
    assert_eq!(severity(&report(run.clone())), Severity::Warning);
    let mut wants_video = Profile::default_profile();
    wants_video.required.push(Capability::Show);
    let wanted = Report::assemble(run, wants_video);
    assert_eq!(severity(&wanted), Severity::Critical);
    let mut run = healthy();
    run.microphone = samples::blocked(ReasonCode::NoDevice, "there is no microphone");
    assert_eq!(severity(&report(run)), Severity::Critical);
}

#[test]
fn a_server_without_devices_can_be_joined_from_and_is_limited() {
    let report = report(samples::headless());
    assert_eq!(report.verdict.answer, Answer::Limited);
    assert_eq!(report.verdict.answer.exit_code(), 3);
    assert_eq!(band(&report, Capability::Join), Some(Band::Excellent));
    assert!(band(&report, Capability::See) <= Some(Band::Good));
    for which in [Capability::Hear, Capability::Speak, Capability::Show] {
        assert_eq!(band(&report, which), Some(Band::Fail), "{which:?}");
    }
    let first_three = &ids(&report)[..3];
    assert_eq!(
        first_three,
        [
            "device.microphone.none",
            "device.speaker.none",
            "device.camera.none"
        ]
    );
}

#[test]
fn a_missing_device_fails_even_where_the_network_is_unknown() {
    let mut run = samples::builtin();
    run.microphone = samples::blocked(ReasonCode::NoDevice, "there is no microphone");
    let report = report(run);
    assert_eq!(band(&report, Capability::Speak), Some(Band::Fail));
    assert_eq!(band(&report, Capability::Hear), None);
    assert_eq!(report.verdict.answer, Answer::Undetermined);
}

#[test]
fn the_network_stands_before_the_devices_among_equals() {
    let mut run = samples::lossy();
    run.microphone = samples::blocked(ReasonCode::NoDevice, "there is no microphone");
    let report = report(run);
    assert_eq!(
        ids(&report),
        ["network.path.loss_up", "device.microphone.none"]
    );
    assert!(report.findings.iter().all(|f| f.consequence_of.is_none()));
}

#[test]
fn what_was_left_out_or_cannot_be_reached_is_not_judged() {
    for code in [ReasonCode::NotSelected, ReasonCode::Unsupported] {
        let report = report(samples::without_devices(healthy(), code, "left out"));
        assert_eq!(ids(&report), [""; 0]);
        assert_eq!(report.verdict.answer, Answer::Ready);
        assert!(band(&report, Capability::Speak) <= Some(Band::Good));
        // Without the camera, showing cannot be called good.
        assert_eq!(band(&report, Capability::Show), None);
        for (which, device) in [
            (Capability::Speak, "microphone"),
            (Capability::Hear, "speaker"),
        ] {
            let note = format!("the {device} was not checked: left out");
            assert!(notes(&report, which).contains(&note));
        }
        assert!(report.verdict.headline.starts_with("The network is"));
        assert!(report.verdict.headline.contains("camera was not checked"));
    }
}

#[test]
fn a_check_of_a_device_that_broke_off_leaves_the_answer_open() {
    for code in [
        ReasonCode::Cancelled,
        ReasonCode::OutOfTime,
        ReasonCode::InternalError,
    ] {
        let mut run = healthy();
        run.microphone = Outcome::not_run(code, "the time was used up");
        let report = report(run);
        assert_eq!(band(&report, Capability::Speak), None);
        assert_eq!(report.verdict.answer, Answer::Undetermined, "{code:?}");
        assert!(report.verdict.headline.contains("the time was used up"));
        assert!(report.findings.is_empty());
    }
}

#[test]
fn a_run_from_before_devices_is_judged_without_them() {
    let report = report(samples::before_devices(healthy()));
    assert_eq!(report.verdict.answer, Answer::Ready);
    assert_eq!(band(&report, Capability::Show), None);
    assert!(notes(&report, Capability::Show).contains("the camera is not checked by this version"));
    let json = serde_json::to_value(&report).unwrap();
    for key in ["camera", "microphone", "speaker"] {
        assert!(json.get(key).is_none(), "{key}");
    }
    let mut run = samples::before_devices(healthy());
    run.throughput = Outcome::earlier_version();
    let report = self::report(run);
    let show = notes(&report, Capability::Show);
    assert!(
        show.contains("the camera and the uplink rate are not checked"),
        "{show}"
    );
}

#[test]
fn devices_that_go_away_explain_what_they_leave_behind() {
    let reason = || Reason::new(ReasonCode::DeviceVanished, "it went away");
    let mut run = with_camera(|camera| {
        camera.frames_corrupt = 9;
        camera.frame_rate = Some(samples::rate(11.0, 1.0));
        camera.picture.as_mut().unwrap().is_frozen = Some(true);
    });
    run.camera = Outcome::Partial {
        data: run.camera.data().unwrap().clone(),
        reason: reason(),
    };
    assert_limits(run, "device.camera.vanished", SHOW, Band::Fail);
    let mut run = with_microphone(|m| {
        m.is_digital_silence = Some(true);
        m.stream.longest_gap_ms = Some(ms(1_400.0));
        m.stream.xruns = 40;
    });
    run.microphone = Outcome::Partial {
        data: run.microphone.data().unwrap().clone(),
        reason: reason(),
    };
    run.speaker
        .data_mut()
        .unwrap()
        .acoustic_loop
        .as_mut()
        .unwrap()
        .result = LoopResult::NotHeard;
    assert_limits(run, "device.microphone.vanished", SPEAK, Band::Fail);
    let mut run = with_speaker(|s| {
        s.stream.longest_gap_ms = Some(ms(900.0));
        s.acoustic_loop.as_mut().unwrap().result = LoopResult::NotHeard;
    });
    run.speaker = Outcome::Partial {
        data: run.speaker.data().unwrap().clone(),
        reason: reason(),
    };
    assert_limits(run, "device.speaker.vanished", HEAR, Band::Fail);
}

#[test]
fn lost_samples_are_a_rate_and_not_an_event() {
    let storm = |xruns| StreamHealth {
        xruns,
        longest_gap_ms: Some(ms(24.0)),
        callbacks: 300,
    };
    for xruns in [0, 1, 2] {
        assert_silent(with_microphone(|m| m.stream = storm(xruns)));
        assert_silent(with_speaker(|s| s.stream = storm(xruns)));
    }
    for xruns in [5, 60, 900] {
        let run = with_microphone(|m| m.stream = storm(xruns));
        assert_limits(run, "device.microphone.xruns", SPEAK, Band::Fair);
        let run = with_speaker(|s| s.stream = storm(xruns));
        assert_limits(run, "device.speaker.xruns", HEAR, Band::Fair);
    }
    // Who does not fetch samples in time makes the pauses too.
    let late = with_microphone(|m| {
        m.stream = storm(30);
        m.stream.longest_gap_ms = Some(ms(640.0));
    });
    let late = assert_limits(late, "device.microphone.xruns", SPEAK, Band::Fair);
    assert_eq!(ids(&late), ["device.microphone.xruns"]);
    let mut evidence = late.findings[0].evidence.iter();
    assert!(evidence.any(|e| e.metric == "longest_stall"));
    let mut busy = with_microphone(|m| m.stream = storm(30));
    busy.system.data_mut().unwrap().cpu.busy_ratio = Ratio::new(0.97);
    assert_named(&report(busy), "system.cpu.busy");
}

#[test]
fn streams_that_stop_are_named() {
    let id = "device.microphone.stalled";
    let gap = with_microphone(|m| m.stream.longest_gap_ms = Some(ms(640.0)));
    assert_limits(gap, id, SPEAK, Band::Fair);
    assert_silent(with_microphone(|m| {
        m.stream.longest_gap_ms = Some(ms(120.0));
    }));
    let nothing = with_microphone(|m| {
        m.first_sample_ms = None;
        m.recorded_ms = ms(0.0);
        m.peak_dbfs = None;
        m.speech_level_dbfs = None;
    });
    assert_limits(nothing, id, SPEAK, Band::Fail);
    let gap = with_speaker(|s| s.stream.longest_gap_ms = Some(ms(640.0)));
    assert_limits(gap, "device.speaker.stalled", HEAR, Band::Fair);
    let nothing = with_speaker(|s| s.first_callback_ms = None);
    assert_limits(nothing, "device.speaker.stalled", HEAR, Band::Fail);
}

#[test]
fn a_device_taken_in_place_of_another_is_said() {
    let mut run = healthy();
    let why = "there is no camera called \"C920\"".to_owned();
    run.camera.data_mut().unwrap().device.fallback = Some(why);
    let found = report(run.clone());
    assert_named(&found, "device.fallback");
    assert_eq!(found.verdict.answer, Answer::Ready);
    assert_eq!(found.findings[0].evidence.len(), 1);
    // A call without video takes no camera.
    let voice = Report::assemble(run, Profile::voice());
    assert_eq!(ids(&voice), [""; 0]);
}

#[test]
fn a_device_made_by_this_program_never_makes_a_capability_good() {
    let mut run = healthy();
    run.camera.data_mut().unwrap().device.is_synthetic = true;
    run.microphone.data_mut().unwrap().device.is_synthetic = true;
    run.speaker.data_mut().unwrap().device.is_synthetic = true;
    let found = report(run.clone());
    assert_eq!(ids(&found), ["device.synthetic"]);
    assert_eq!(found.findings[0].severity, Severity::Info);
    assert_eq!(band(&found, Capability::Show), None);
    assert!(found.verdict.headline.starts_with("The network is"));
    assert!(notes(&found, Capability::Speak).contains("your own was not checked"));
    let metrics = &capability(&found, Capability::Speak).metrics;
    assert!(metrics.iter().all(|m| m.metric != "microphone"));
    // What it lacks is what a call would send.
    let picture = &mut run.camera.data_mut().unwrap().picture;
    picture.as_mut().unwrap().is_black = Some(true);
    let black = report(run);
    assert_eq!(ids(&black), ["device.camera.black", "device.synthetic"]);
    assert_eq!(band(&black, Capability::Show), Some(Band::Fail));
}

#[test]
fn complaints_lead_to_devices() {
    let explained = |run: Run, complaint| -> Vec<String> {
        let report = report(run);
        let found = explain(&report, complaint).into_iter();
        found.map(|f| f.id.clone()).collect()
    };
    let blurry = explained(samples::devices(), Complaint::BlurryVideo);
    for id in [
        "system.cpu.no_encode_headroom",
        "device.camera.low_light",
        "device.camera.low_resolution",
        "device.camera.low_frame_rate",
    ] {
        assert!(blurry.iter().any(|found| found == id), "{id}: {blurry:?}");
    }
    let blurred = with_picture(|p| p.is_blurred = Some(true));
    let blurry = explained(blurred, Complaint::BlurryVideo);
    assert_eq!(blurry, ["device.camera.blurred"]);
    let choppy = |run| explained(run, Complaint::ChoppyAudio);
    let storm = with_microphone(|m| m.stream.xruns = 60);
    assert_eq!(choppy(storm), ["device.microphone.xruns"]);
    let stalls = with_speaker(|s| s.stream.longest_gap_ms = Some(ms(800.0)));
    assert_eq!(choppy(stalls), ["device.speaker.stalled"]);
    let far = with_loop(samples::heard(240.0, 30.0));
    assert_eq!(choppy(far), ["device.speaker.long_delay"]);
    let drift = ClockDrift {
        drift_ppm: 5_000.0,
        low_ppm: 4_900.0,
        high_ppm: 5_100.0,
    };
    let drifts = with_microphone(|m| m.drift = Some(drift));
    assert_eq!(choppy(drifts), ["device.microphone.drift"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn devices_within_what_is_healthy_raise_nothing(
        fps in 24.5_f64..60.0, luma in 60.0_f64..200.0, voice in -39.9_f64..-12.1,
        floor in -90.0_f64..-50.0, delay in 5.0_f64..190.0, loss in 10.0_f64..60.0,
        ppm in -400.0_f64..400.0, encode in 60.0_f64..900.0
    ) {
        let mut run = healthy();
        let camera = run.camera.data_mut().unwrap();
        camera.frame_rate = Some(samples::rate(fps, 0.4));
        camera.encoding = Some(samples::encoding(encode));
        camera.picture.as_mut().unwrap().mean_luma = Some(luma);
        let microphone = run.microphone.data_mut().unwrap();
        microphone.speech_level_dbfs = Dbfs::new(voice);
        microphone.noise_floor_dbfs = Dbfs::new(floor);
        microphone.snr_db = Some((voice - floor).max(15.0));
        microphone.drift = Some(ClockDrift {
            drift_ppm: ppm,
            low_ppm: ppm - 500.0,
            high_ppm: ppm + 500.0,
        });
        let acoustic = run.speaker.data_mut().unwrap().acoustic_loop.as_mut().unwrap();
        acoustic.result = samples::heard(delay, loss);
        let report = report(run);
        prop_assert!(report.findings.is_empty(), "{:?}", ids(&report));
        prop_assert_eq!(report.verdict.answer, Answer::Ready);
    }
}
