//! The synthetic camera looks like one.

use std::time::Duration;

use super::scripted::LONG;
use crate::camera::catalog::Cameras;
use crate::camera::mode::WantedMode;
use crate::camera::shared::Received;
use crate::camera::synthetic::{SYNTHETIC_CAMERA, SyntheticCamera};
use crate::picture::convert::Unpacker;
use crate::picture::intervals::FrameIntervals;
use crate::picture::quality::PictureQuality;
use crate::selection::DeviceId;

#[test]
fn it_gives_thirty_different_and_faultless_pictures_a_second() {
    let cameras = Cameras::default();
    let shared = cameras
        .start(SyntheticCamera::info(), WantedMode::default())
        .unwrap();
    let mut reader = shared.reader(32);
    let (mut intervals, mut quality) = (FrameIntervals::default(), PictureQuality::default());
    let mut unpacker = Unpacker::default();
    for _ in 0..40 {
        let Received::Frame(frame) = reader.next(LONG) else {
            panic!("no frame");
        };
        intervals.push(frame.captured_at, frame.sequence);
        let picture = unpacker.unpack(&frame.frame().unwrap()).unwrap();
        quality.push(frame.captured_at, picture);
    }
    let rate = intervals.summary().rate.unwrap();
    // Where this machine is busy, frames are left out as a driver leaves them out.
    assert!(rate.fps > 15.0 && rate.fps < 30.5, "{rate:?}");
    let quality = quality.summary();
    assert_eq!(quality.unique, Some(40));
    assert_eq!(quality.black, Some(false));
    assert_eq!(quality.covered, Some(false));
    assert_eq!(quality.frozen, Some(false));
    assert_eq!(quality.low_light, Some(false), "{quality:?}");
    assert_eq!(quality.blurred, Some(false), "{quality:?}");
    let noise = quality.noise.unwrap();
    assert!((1.0..6.0).contains(&noise), "{noise}");
}

#[test]
fn it_is_found_by_its_id_and_listed_only_where_asked_for() {
    let id = DeviceId::new(SYNTHETIC_CAMERA);
    let cameras = Cameras::default();
    assert_eq!(cameras.list().unwrap(), []);
    assert!(cameras.choose(None).is_err());
    let choice = cameras.choose(Some(&id)).unwrap();
    assert!(choice.chosen.info.is_synthetic);
    assert_eq!(
        cameras.with_synthetic().list().unwrap(),
        [choice.chosen.info]
    );
}

#[test]
fn what_nobody_takes_in_time_is_left_out_of_the_numbers() {
    let cameras = Cameras::default();
    let shared = cameras
        .start(SyntheticCamera::info(), WantedMode::default())
        .unwrap();
    let mut reader = shared.reader(1);
    let mut numbers = Vec::new();
    while numbers.len() < 5 {
        if let Received::Frame(frame) = reader.next(Duration::from_millis(100)) {
            numbers.extend(frame.sequence);
        }
    }
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}
