//! One capture, many readers, and cameras that misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::scripted::{Act, LONG, Scripted, camera, opened};
use crate::camera::catalog::Cameras;
use crate::camera::clock::CameraClock;
use crate::camera::mode::WantedMode;
use crate::camera::shared::{CameraReader, Received, SharedCamera, StreamEnd};
use crate::error::DeviceError;
use crate::hotplug::DeviceChange;

fn start(backend: &Arc<Scripted>) -> SharedCamera {
    let backend = Arc::clone(backend);
    let (wanted, clock) = (WantedMode::default(), CameraClock::default());
    SharedCamera::start(backend, camera("scripted"), wanted, clock)
}

fn vanished() -> DeviceError {
    DeviceError::Vanished {
        device: "scripted".to_owned(),
    }
}

/// Levels of the frames until the end, and the end.
fn drain(reader: &mut CameraReader) -> (Vec<u8>, StreamEnd) {
    let mut levels = Vec::new();
    loop {
        match reader.next(LONG) {
            Received::Frame(frame) => levels.push(frame.data()[0]),
            Received::Ended(end) => return (levels, end),
            Received::Stalled => {}
            Received::Nothing => panic!("neither a frame nor an end"),
        }
    }
}

fn frames(n: u8) -> impl Iterator<Item = Act> {
    let late = Act::Silence(Duration::from_millis(200));
    std::iter::once(late).chain((0..n).map(Act::Frame))
}

#[test]
fn every_reader_sees_every_frame_and_the_end_of_a_camera_that_vanished() {
    let script = frames(20).chain([Act::Fail(vanished())]);
    let backend = Arc::new(Scripted::new(script));
    let shared = start(&backend);
    let mut readers = [shared.reader(32), shared.reader(32), shared.reader(32)];
    assert_eq!(shared.wait_opened(LONG), Some(Ok(opened())));
    for reader in &mut readers {
        let (levels, end) = drain(reader);
        assert_eq!(levels, (0..20).collect::<Vec<u8>>());
        assert_eq!(end, StreamEnd::Failed(vanished()));
        assert_eq!(reader.frames_missed(), 0);
    }
    assert_eq!(backend.running.load(Ordering::SeqCst), 0);
}

#[test]
fn a_slow_reader_sees_the_latest_frame_and_how_many_it_missed() {
    let script = frames(20).chain([Act::Fail(vanished())]);
    let shared = start(&Arc::new(Scripted::new(script)));
    let (mut slow, mut fast) = (shared.reader(1), shared.reader(32));
    assert_eq!(drain(&mut fast).0.len(), 20);
    assert_eq!(drain(&mut slow).0, [19]);
    assert_eq!(slow.frames_missed(), 19);
}

#[test]
fn a_reader_that_comes_after_the_end_is_told_of_it() {
    let shared = start(&Arc::new(Scripted::new([Act::Fail(vanished())])));
    drain(&mut shared.reader(1));
    let mut late = shared.reader(1);
    assert!(matches!(
        late.try_next(),
        Received::Ended(StreamEnd::Failed(_))
    ));
}

#[test]
fn a_camera_that_is_refused_says_why() {
    let refusal = DeviceError::Busy {
        device: "scripted".to_owned(),
        by: Some("cheese".to_owned()),
    };
    let backend = Arc::new(Scripted {
        refuses: Some(refusal.clone()),
        ..Scripted::new([])
    });
    let shared = start(&backend);
    let refused = StreamEnd::Failed(refusal);
    assert_eq!(shared.wait_opened(LONG), Some(Err(refused.clone())));
    assert_eq!(drain(&mut shared.reader(1)), (vec![], refused));
}

#[test]
fn a_stall_is_told_once_and_the_stream_goes_on() {
    let script = [
        Act::Frame(1),
        Act::Silence(Duration::from_millis(1600)),
        Act::Frame(2),
        Act::Fail(vanished()),
    ];
    let shared = start(&Arc::new(Scripted::new(script)));
    let mut reader = shared.reader(4);
    let mut seen = Vec::new();
    loop {
        match reader.next(LONG) {
            Received::Frame(frame) => seen.push(frame.data()[0]),
            Received::Stalled => seen.push(0),
            _ => break,
        }
    }
    // The first frame may come before the reader does.
    assert!(seen.ends_with(&[0, 2]), "{seen:?}");
    assert_eq!(
        seen.iter().position(|&level| level == 0),
        Some(seen.len() - 2)
    );
}

#[test]
fn a_library_that_panics_is_an_end_that_is_told() {
    let script = [Act::Silence(Duration::from_millis(100)), Act::Panic];
    let backend = Arc::new(Scripted::new(script));
    let shared = start(&backend);
    let (_, end) = drain(&mut shared.reader(1));
    assert!(
        matches!(end, StreamEnd::Failed(DeviceError::Failed { .. })),
        "{end:?}"
    );
    assert_eq!(backend.running.load(Ordering::SeqCst), 0);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "measures how long dropping takes"
)]
fn dropping_it_stops_a_silent_camera_at_once() {
    let backend = Arc::new(Scripted::new([]));
    let shared = start(&backend);
    assert!(shared.wait_opened(LONG).is_some());
    let mut reader = shared.reader(1);
    assert_eq!(backend.running.load(Ordering::SeqCst), 1);
    let began = Instant::now();
    drop(shared);
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(backend.running.load(Ordering::SeqCst), 0);
    assert!(matches!(
        reader.try_next(),
        Received::Ended(StreamEnd::Stopped)
    ));
}

#[test]
fn waking_tells_of_every_frame_and_of_the_end() {
    let script = frames(5).chain([Act::Fail(vanished())]);
    let shared = start(&Arc::new(Scripted::new(script)));
    let woken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&woken);
    let wake = move || {
        count.fetch_add(1, Ordering::SeqCst);
    };
    let mut reader = shared.reader_with_wake(8, wake);
    drain(&mut reader);
    // Waits for the capture, which wakes after it has told.
    drop(shared);
    assert_eq!(woken.load(Ordering::SeqCst), 6);
}

#[test]
fn a_camera_that_is_plugged_in_and_one_that_is_pulled_out_are_told() {
    let backend = Arc::new(Scripted::new([]));
    let cameras = Cameras::default().with(Arc::clone(&backend) as _);
    let known = cameras.list().unwrap();
    let mut watch = cameras.watch(known).unwrap();
    assert_eq!(watch.try_next(), None);
    backend.cameras.lock().unwrap().push(camera("second"));
    assert_eq!(
        watch.next(LONG),
        Some(DeviceChange::Added(camera("second")))
    );
    backend.cameras.lock().unwrap().remove(0);
    assert_eq!(
        watch.next(LONG),
        Some(DeviceChange::Removed(camera("scripted")))
    );
    assert_eq!(watch.next(Duration::from_millis(700)), None);
}
