//! What a camera and a processor leave of a call.

use greenroom_reports::derive::ladder::Rung;
use greenroom_reports::model::camera::CameraMode;
use greenroom_reports::model::derived::{CallOutlook, LimitedBy};
use greenroom_reports::model::outcome::{Outcome, ReasonCode};
use greenroom_reports::samples::{self, ThroughputModel};
use greenroom_reports::verdict::assemble::Run;

use super::judged::{healthy, report, with_camera};

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
