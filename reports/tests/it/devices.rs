//! Faults of cameras, microphones and speakers: each is named first, limits what it should, and
//! takes along what follows from it; what is healthy or was left out raises no alarm.

use greenroom_reports::derive::ladder::Rung;
use greenroom_reports::finding::explain;
use greenroom_reports::model::camera::{CameraMode, CameraSection, PictureSection};
use greenroom_reports::model::derived::{CallOutlook, LimitedBy};
use greenroom_reports::model::device::{Mixer, StreamHealth};
use greenroom_reports::model::finding::{Complaint, Finding, Severity};
use greenroom_reports::model::microphone::{ClockDrift, MainsHum, MicrophoneSection};
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::report::Report;
use greenroom_reports::model::speaker::{LoopDoubt, LoopResult, SpeakerSection};
use greenroom_reports::model::verdict::{Answer, Band, Capability, CapabilityVerdict, Confidence};
use greenroom_reports::samples::{self, PathModel, ThroughputModel};
use greenroom_reports::units::{Dbfs, Millis, Ratio};
use greenroom_reports::verdict::assemble::Run;
use greenroom_reports::verdict::profile::Profile;
use proptest::prelude::*;

fn healthy() -> Run {
    samples::run_over(&PathModel::default(), 1)
}

fn report(run: Run) -> Report {
    Report::assemble(run, Profile::default_profile())
}

fn ids(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|f| f.id.as_str()).collect()
}

fn capability(report: &Report, which: Capability) -> &CapabilityVerdict {
    let mut all = report.verdict.capabilities.iter();
    all.find(|c| c.capability == which).unwrap()
}

fn band(report: &Report, which: Capability) -> Option<Band> {
    capability(report, which).band
}

fn notes(report: &Report, which: Capability) -> String {
    capability(report, which).notes.join("; ")
}

fn ms(value: f64) -> Millis {
    Millis::new(value).unwrap()
}

fn with_camera(change: impl FnOnce(&mut CameraSection)) -> Run {
    let mut run = healthy();
    change(run.camera.data_mut().unwrap());
    run
}

fn with_picture(change: impl FnOnce(&mut PictureSection)) -> Run {
    with_camera(|camera| change(camera.picture.as_mut().unwrap()))
}

fn with_microphone(change: impl FnOnce(&mut MicrophoneSection)) -> Run {
    let mut run = healthy();
    change(run.microphone.data_mut().unwrap());
    run
}

fn with_speaker(change: impl FnOnce(&mut SpeakerSection)) -> Run {
    let mut run = healthy();
    change(run.speaker.data_mut().unwrap());
    run
}

fn with_loop(result: LoopResult) -> Run {
    with_speaker(|s| s.acoustic_loop.as_mut().unwrap().result = result)
}

/// The fault stands first and alone, but for what follows from it.
fn assert_named(report: &Report, id: &str) {
    let belongs = |f: &Finding| f.id == id || f.consequence_of.is_some();
    let first = report.findings.first().map(|f| f.id.as_str());
    assert_eq!(first, Some(id), "{:?}", ids(report));
    assert!(report.findings.iter().all(belongs), "{:?}", ids(report));
    assert!(!report.findings[0].evidence.is_empty(), "{id}");
}

/// The fault is named, and these capabilities, and no others, are no better than so.
fn assert_limits(run: Run, id: &str, limited: &[Capability], at_best: Band) -> Report {
    let report = report(run);
    assert_named(&report, id);
    for verdict in &report.verdict.capabilities {
        if limited.contains(&verdict.capability) {
            assert_eq!(
                verdict.band,
                Some(at_best),
                "{id}: {:?}",
                verdict.capability
            );
        } else {
            let fine = verdict.band <= Some(Band::Good);
            assert!(fine, "{id}: {:?}", verdict.capability);
        }
    }
    report
}

fn assert_silent(run: Run) {
    let report = report(run);
    assert_eq!(ids(&report), [""; 0]);
    assert_eq!(report.verdict.answer, Answer::Ready);
}

const SHOW: &[Capability] = &[Capability::Show];
const SPEAK: &[Capability] = &[Capability::Speak];
const HEAR: &[Capability] = &[Capability::Hear];

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
fn a_stopped_check_of_a_camera_raises_no_alarm() {
    let mut run = with_camera(|camera| {
        camera.frames = 0;
        camera.resolution = None;
        camera.frame_rate = None;
        camera.picture = None;
        camera.encoding = None;
    });
    run.camera = Outcome::Partial {
        data: run.camera.data().unwrap().clone(),
        reason: Reason::new(ReasonCode::Cancelled, "stopped by the user"),
    };
    let report = report(run);
    assert!(report.findings.is_empty(), "{:?}", ids(&report));
    assert_eq!(band(&report, Capability::Show), None);
}

type Change = fn(&mut PictureSection);

#[test]
fn faults_of_the_picture_are_named() {
    let cases: [(Change, &str, Band); 5] = [
        (|p| p.is_black = Some(true), "black", Band::Fail),
        (|p| p.is_covered = Some(true), "covered", Band::Fail),
        (|p| p.is_frozen = Some(true), "frozen", Band::Fail),
        (|p| p.is_low_light = Some(true), "low_light", Band::Fair),
        (|p| p.is_blurred = Some(true), "blurred", Band::Fair),
    ];
    for (change, name, at_best) in cases {
        let id = format!("device.camera.{name}");
        let report = assert_limits(with_picture(change), &id, SHOW, at_best);
        assert_eq!(report.verdict.answer, Answer::Limited);
    }
}

#[test]
fn what_hides_the_picture_explains_what_else_is_wrong_with_it() {
    let everything = |picture: &mut PictureSection| {
        picture.is_frozen = Some(true);
        picture.is_low_light = Some(true);
        picture.is_blurred = Some(true);
    };
    let mut run = with_picture(|p| p.is_covered = Some(true));
    let camera = run.camera.data_mut().unwrap();
    everything(camera.picture.as_mut().unwrap());
    camera.picture.as_mut().unwrap().is_black = Some(true);
    camera.frame_rate = Some(samples::rate(7.0, 0.2));
    let report = assert_limits(run, "device.camera.covered", SHOW, Band::Fail);
    assert_eq!(report.findings.len(), 6);
    // What follows is not said again.
    assert!(!notes(&report, Capability::Show).contains("too little light"));
    let mut run = with_picture(|p| p.is_black = Some(true));
    everything(run.camera.data_mut().unwrap().picture.as_mut().unwrap());
    assert_limits(run, "device.camera.black", SHOW, Band::Fail);
}

#[test]
fn a_camera_that_sends_nothing_is_named() {
    let run = with_camera(|camera| {
        camera.frames = 0;
        camera.first_frame_ms = None;
        camera.resolution = None;
        camera.frame_rate = None;
        camera.picture = None;
    });
    let report = assert_limits(run, "device.camera.no_frames", SHOW, Band::Fail);
    // The figures that cannot be known are not complained about.
    assert_eq!(
        notes(&report, Capability::Show)
            .matches("frame rate")
            .count(),
        0
    );
}

#[test]
fn a_stream_that_stops_is_a_picture_that_stands_still() {
    let mut run = healthy();
    run.camera = Outcome::Partial {
        data: samples::camera(),
        reason: Reason::new(ReasonCode::DeviceStalled, "C920 delivers nothing any more"),
    };
    assert_limits(run, "device.camera.frozen", SHOW, Band::Fail);
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
fn few_frames_are_named_when_the_whole_interval_is_below_good() {
    let slow = |fps, half| with_camera(|c| c.frame_rate = Some(samples::rate(fps, half)));
    for (fps, at_best) in [(15.0, Band::Fair), (7.0, Band::Poor), (4.0, Band::Fail)] {
        assert_limits(
            slow(fps, 0.4),
            "device.camera.low_frame_rate",
            SHOW,
            at_best,
        );
    }
    // It may be good: judged, with doubt, and no cause is named.
    let near = report(slow(23.8, 0.5));
    assert_eq!(ids(&near), [""; 0]);
    assert_eq!(band(&near, Capability::Show), Some(Band::Fair));
    let confidence = capability(&near, Capability::Show).confidence;
    assert_eq!(confidence, Confidence::Low);
    assert_silent(slow(24.4, 0.2));
}

#[test]
fn a_camera_asked_for_fewer_frames_is_not_judged_by_thirty() {
    assert_silent(with_camera(|camera| {
        camera.requested.millifps = 15_000;
        camera.frame_rate = Some(samples::rate(15.0, 0.1));
    }));
}

#[test]
fn too_few_frames_leave_showing_unknown() {
    let report = report(with_camera(|camera| camera.frame_rate = None));
    assert_eq!(band(&report, Capability::Show), None);
    assert!(
        report
            .verdict
            .headline
            .contains("camera could not be judged")
    );
}

#[test]
fn a_small_picture_is_named_unless_it_was_asked_for() {
    let small = |width, height| {
        with_camera(|camera| {
            camera.resolution = Some(samples::size(width, height));
            camera.modes.clear();
        })
    };
    assert_limits(
        small(640, 480),
        "device.camera.low_resolution",
        SHOW,
        Band::Fair,
    );
    assert_limits(
        small(320, 240),
        "device.camera.low_resolution",
        SHOW,
        Band::Poor,
    );
    assert_silent(small(960, 720));
    assert_silent(with_camera(|camera| {
        camera.requested.size = samples::size(640, 360);
        camera.resolution = Some(samples::size(640, 360));
    }));
}

#[test]
fn damaged_frames_are_named_as_a_share() {
    let corrupt = |n| with_camera(|camera| camera.frames_corrupt = n);
    assert_limits(corrupt(6), "device.camera.corrupt_frames", SHOW, Band::Fair);
    // A stream's first frame.
    assert_silent(corrupt(1));
    let all = with_camera(|camera| {
        camera.frames = 0;
        camera.frames_corrupt = 60;
    });
    let first = report(all);
    assert_eq!(first.findings[0].id, "device.camera.no_frames");
    assert_eq!(band(&first, Capability::Show), Some(Band::Fail));
}

#[test]
fn a_slow_encoder_is_named_as_the_processors_fault() {
    let encoder = |fps| with_camera(|camera| camera.encoding = Some(samples::encoding(fps)));
    let id = "system.cpu.no_encode_headroom";
    assert_limits(encoder(59.9), id, SHOW, Band::Fair);
    assert_limits(encoder(12.0), id, SHOW, Band::Poor);
    assert_silent(encoder(60.0));
    let mut saving = encoder(40.0);
    saving.system.data_mut().unwrap().power.saver_active = Some(true);
    assert_named(&report(saving), "system.power.saver");
}

fn mixer(is_muted: bool, volume: f64) -> Mixer {
    Mixer {
        is_muted,
        volume_ratio: Ratio::new(volume),
    }
}

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

fn voice(dbfs: f64) -> Run {
    with_microphone(|m| {
        m.speech_level_dbfs = Dbfs::new(dbfs);
        m.snr_db = Some(30.0);
    })
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

#[test]
fn a_muted_speaker_explains_that_it_is_not_heard() {
    for silent in [mixer(true, 0.6), mixer(false, 0.0)] {
        let mut run = with_loop(LoopResult::NotHeard);
        run.speaker.data_mut().unwrap().mixer = Some(silent);
        assert_limits(run, "device.speaker.muted", HEAR, Band::Fail);
    }
}

#[test]
fn a_speaker_that_is_not_heard_may_be_a_headset() {
    let found = report(with_loop(LoopResult::NotHeard));
    assert_named(&found, "device.speaker.not_heard");
    assert_eq!(found.findings[0].severity, Severity::Warning);
    assert_eq!(found.verdict.answer, Answer::Ready);
    let mut worn = with_loop(LoopResult::NotHeard);
    let device = &mut worn.speaker.data_mut().unwrap().device;
    "Jabra Evolve Headset".clone_into(&mut device.name);
    assert_eq!(report(worn).findings[0].severity, Severity::Info);
    for doubt in [LoopDoubt::Noise, LoopDoubt::Weak, LoopDoubt::NoRecording] {
        assert_silent(with_loop(LoopResult::Uncertain { doubt }));
    }
}

#[test]
fn echo_and_delay_are_named() {
    let echo = report(with_loop(samples::heard(46.0, 4.0)));
    assert_named(&echo, "device.speaker.strong_echo");
    assert_eq!(echo.verdict.answer, Answer::Ready);
    assert_silent(with_loop(samples::heard(46.0, 10.0)));
    let far = with_loop(samples::heard(240.0, 30.0));
    let both = [Capability::Hear, Capability::Speak];
    assert_limits(far, "device.speaker.long_delay", &both, Band::Fair);
    assert_silent(with_loop(samples::heard(199.0, 30.0)));
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
fn a_call_without_video_has_no_camera_to_be_wrong() {
    let mut run = healthy();
    run.camera = samples::blocked(ReasonCode::DeviceBusy, "busy");
    let report = Report::assemble(run, Profile::voice());
    assert_eq!(ids(&report), [""; 0]);
    assert_eq!(report.verdict.answer, Answer::Ready);
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

fn outlook(run: Run) -> CallOutlook {
    report(run).derived.call.unwrap()
}

#[test]
fn the_camera_limits_what_is_sent_and_not_what_is_received() {
    let small = with_camera(|camera| {
        camera.modes.retain(|mode| mode.size.height <= 480);
        camera.resolution = Some(samples::size(640, 480));
    });
    let call = outlook(small.clone());
    let send = call.send.unwrap();
    assert_eq!(
        (send.rung, send.limited_by),
        (Some(Rung::P360), LimitedBy::Camera)
    );
    assert!(send.verified);
    assert_eq!(call.receive.unwrap().rung, Some(Rung::P1080));
    assert!(
        call.sentence
            .starts_with("360p30 up, limited by camera 640x480; 1080p30 down"),
        "{}",
        call.sentence
    );
    // A smaller uplink still is the limit.
    let mut narrow = small;
    let link = ThroughputModel {
        up_kbps: 300,
        ..ThroughputModel::default()
    };
    narrow.throughput = Outcome::Measured {
        data: link.section(),
    };
    let send = outlook(narrow).send.unwrap();
    assert_eq!(
        (send.rung, send.limited_by),
        (Some(Rung::P270), LimitedBy::Uplink)
    );
}

#[test]
fn a_camera_limits_nothing_that_is_not_known_of_it() {
    // It gave what it was asked for, and offers 1080p at a rate of a call.
    assert_eq!(outlook(healthy()).send.unwrap().rung, Some(Rung::P1080));
    let slow_large: fn(&mut CameraMode) = |mode| {
        if mode.size.height > 720 {
            mode.millifps = 5_000;
        }
    };
    let run = with_camera(|camera| camera.modes.iter_mut().for_each(slow_large));
    let call = outlook(run);
    assert!(
        call.sentence.contains("limited by camera 1280x720"),
        "{}",
        call.sentence
    );
    // It does not tell what else it offers.
    let silent = with_camera(|camera| camera.modes.clear());
    assert_eq!(outlook(silent).send.unwrap().rung, Some(Rung::P1080));
    let left_out = samples::without_devices(healthy(), ReasonCode::NotSelected, "left out");
    assert_eq!(outlook(left_out).send.unwrap().rung, Some(Rung::P1080));
    let mut made = with_camera(|camera| camera.modes.truncate(0));
    let camera = made.camera.data_mut().unwrap();
    camera.resolution = Some(samples::size(320, 240));
    camera.device.is_synthetic = true;
    assert_eq!(outlook(made).send.unwrap().rung, Some(Rung::P1080));
}

#[test]
fn without_a_camera_audio_is_all_there_is_to_send() {
    let call = outlook(samples::headless());
    let send = call.send.unwrap();
    assert_eq!(
        (send.rung, send.limited_by),
        (Some(Rung::Audio), LimitedBy::Camera)
    );
    assert!(call.sentence.starts_with("audio only up, without a camera"));
}

#[test]
fn a_slow_camera_sends_its_own_frames() {
    let call = outlook(with_camera(|c| {
        c.frame_rate = Some(samples::rate(14.9, 0.2));
    }));
    let send = call.send.unwrap();
    assert_eq!(send.frames_per_second, Some(15));
    assert_eq!(
        (send.rung, send.limited_by),
        (Some(Rung::P1080), LimitedBy::Camera)
    );
    assert!(
        call.sentence
            .starts_with("1080p15 up, limited by the camera's frame rate"),
        "{}",
        call.sentence
    );
}

#[test]
fn the_processor_limits_what_is_sent() {
    let of = |fps| {
        let run = with_camera(|camera| camera.encoding = Some(samples::encoding(fps)));
        let call = outlook(run);
        let send = call.send.unwrap();
        (send.rung, send.limited_by, call.sentence)
    };
    let (rung, by, sentence) = of(40.0);
    assert_eq!((rung, by), (Some(Rung::P540), LimitedBy::Cpu));
    assert!(
        sentence.contains("540p30 up, limited by this machine's processor"),
        "{sentence}"
    );
    assert_eq!(of(20.0).0, Some(Rung::P360));
    assert_eq!(of(0.5).0, Some(Rung::Audio));
    assert_eq!(of(60.0).0, Some(Rung::P1080));
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
    fn fewer_frames_never_get_a_better_band_or_rate(
        fps in 0.5_f64..60.0, less in 0.1_f64..1.0
    ) {
        let of = |fps: f64| {
            let run = with_camera(|c| c.frame_rate = Some(samples::rate(fps, fps * 0.01)));
            report(run)
        };
        let (before, after) = (of(fps), of(fps * less));
        prop_assert!(band(&before, Capability::Show) <= band(&after, Capability::Show));
        let frames = |r: &Report| {
            let send = r.derived.call.clone().unwrap().send.unwrap();
            send.frames_per_second
        };
        prop_assert!(frames(&after) <= frames(&before));
    }

    #[test]
    fn a_slower_encoder_or_smaller_picture_never_sends_more(
        fps in 0.1_f64..300.0, height in 90_u32..1200, less in 0.1_f64..1.0
    ) {
        let of = |fps: f64, height: u32| {
            let run = with_camera(|c| {
                c.modes.clear();
                c.resolution = Some(samples::size(height * 16 / 9, height));
                c.encoding = Some(samples::encoding(fps));
            });
            let report = report(run);
            let rung = report.derived.call.clone().unwrap().send.unwrap().rung;
            (rung, band(&report, Capability::Show))
        };
        let (rung, show) = of(fps, height);
        for (other, other_show) in [of(fps * less, height), of(fps, height * 2 / 3)] {
            prop_assert!(other <= rung);
            prop_assert!(other_show >= show);
        }
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
