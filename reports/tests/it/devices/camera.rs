//! Faults of cameras and of what encodes their pictures.

use greenroom_reports::model::camera::PictureSection;
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::report::Report;
use greenroom_reports::model::verdict::{Answer, Band, Capability, Confidence};
use greenroom_reports::samples;
use greenroom_reports::units::Ratio;
use greenroom_reports::verdict::profile::Profile;
use proptest::prelude::*;

use super::judged::{
    SHOW, assert_limits, assert_named, assert_silent, band, capability, healthy, ids, notes,
    report, with_camera, with_picture,
};

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
fn a_picture_that_stops_again_and_again_is_named_and_once_is_an_accident() {
    let stops = |freezes| with_camera(|camera| camera.freezes = freezes);
    for freezes in [None, Some(0), Some(1)] {
        assert_silent(stops(freezes));
    }
    let mut run = stops(Some(2));
    assert_limits(run.clone(), "device.camera.freezes", SHOW, Band::Fair);
    let mut busy = run.clone();
    busy.system.data_mut().unwrap().cpu.busy_ratio = Ratio::new(0.97);
    assert_named(&report(busy), "system.cpu.busy");
    // What is missing makes the rate low.
    run.camera.data_mut().unwrap().frame_rate = Some(samples::rate(18.0, 2.0));
    let report = assert_limits(run, "device.camera.freezes", SHOW, Band::Fair);
    assert_eq!(report.findings.len(), 2);
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

#[test]
fn a_call_without_video_has_no_camera_to_be_wrong() {
    let mut run = healthy();
    run.camera = samples::blocked(ReasonCode::DeviceBusy, "busy");
    let report = Report::assemble(run, Profile::voice());
    assert_eq!(ids(&report), [""; 0]);
    assert_eq!(report.verdict.answer, Answer::Ready);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

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
}
