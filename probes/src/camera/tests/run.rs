//! The probe as a whole, on the synthetic camera and on ones that misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use greenroom_devices::camera::{
    CameraBackend, CameraClock, CameraStream, Cameras, CapturedFrame, Mode, Opened, Pulled,
    SYNTHETIC_CAMERA, SyntheticCamera, WantedMode,
};
use greenroom_devices::device::{DeviceInfo, DeviceKind};
use greenroom_devices::error::DeviceError;
use greenroom_devices::selection::DeviceId;
use greenroom_reports::model::camera::{CameraSection, EncodeHeadroom, PictureSize};
use greenroom_reports::model::outcome::{Outcome, ReasonCode};
use greenroom_reports::model::report;
use greenroom_reports::units::Millis;

use crate::camera::{CameraConfig, run};
use crate::cancel::{Cancel, CancelCause};
use crate::emit::Emitter;
use crate::event::EventKind;

/// A camera like the synthetic one, but for its fault.
#[derive(Debug)]
struct Faulty {
    fault: Fault,
    open: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Absent,
    Refused,
    HangsInOpen,
    Silent,
    StopsAfter(u64),
    VanishesAfter(u64),
}

#[derive(Debug)]
struct FaultyStream {
    inner: Box<dyn CameraStream>,
    fault: Fault,
    frames: u64,
    open: Arc<AtomicUsize>,
}

impl CameraBackend for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn list(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        let camera = DeviceInfo {
            kind: DeviceKind::Camera,
            id: DeviceId::new("faulty:0"),
            name: "Faulty Camera".to_owned(),
            backend: "faulty".to_owned(),
            is_default: true,
            is_synthetic: false,
        };
        let cameras = [camera].into_iter();
        Ok(cameras.filter(|_| self.fault != Fault::Absent).collect())
    }

    fn modes(&self, camera: &DeviceInfo) -> Result<Vec<Mode>, DeviceError> {
        SyntheticCamera.modes(camera)
    }

    #[expect(clippy::disallowed_methods, reason = "a driver that hangs")]
    fn open(
        &self,
        camera: &DeviceInfo,
        wanted: &WantedMode,
        clock: CameraClock,
    ) -> Result<Box<dyn CameraStream>, DeviceError> {
        match self.fault {
            Fault::Refused => {
                let device = camera.name.clone();
                return Err(DeviceError::AccessRefused { device });
            }
            Fault::HangsInOpen => std::thread::sleep(Duration::from_secs(20)),
            _ => {}
        }
        self.open.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(FaultyStream {
            inner: SyntheticCamera.open(camera, wanted, clock)?,
            fault: self.fault,
            frames: 0,
            open: Arc::clone(&self.open),
        }))
    }
}

impl Drop for FaultyStream {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl CameraStream for FaultyStream {
    fn opened(&self) -> &Opened {
        self.inner.opened()
    }

    fn fill(&mut self, wait: Duration, into: &mut CapturedFrame) -> Result<Pulled, DeviceError> {
        let pulled = self.inner.fill(wait, into)?;
        self.frames += u64::from(pulled == Pulled::Frame);
        match self.fault {
            Fault::Silent => Ok(Pulled::Timeout),
            Fault::StopsAfter(n) if self.frames > n => Ok(Pulled::Timeout),
            Fault::VanishesAfter(n) if self.frames > n => Err(DeviceError::Vanished {
                device: "Faulty Camera".to_owned(),
            }),
            _ => Ok(pulled),
        }
    }
}

fn faulty(fault: Fault) -> (CameraConfig, Arc<AtomicUsize>) {
    let open = Arc::default();
    let backend = Faulty {
        fault,
        open: Arc::clone(&open),
    };
    let config = CameraConfig {
        cameras: Cameras::default().with(Arc::new(backend)),
        ..CameraConfig::default()
    };
    (config, open)
}

fn synthetic(mode: report::Mode) -> CameraConfig {
    CameraConfig {
        mode,
        cameras: Cameras::default(),
        selection: Some(DeviceId::new(SYNTHETIC_CAMERA)),
        ..CameraConfig::default()
    }
}

async fn outcome(config: &CameraConfig) -> Outcome<CameraSection> {
    let (emitter, _events) = Emitter::new();
    run(config, &Cancel::new(), &emitter).await
}

fn code(outcome: &Outcome<CameraSection>) -> Option<ReasonCode> {
    outcome.reason().map(|reason| reason.code)
}

#[tokio::test]
async fn the_synthetic_camera_is_measured_and_labeled() {
    let (emitter, mut events) = Emitter::new();
    let config = synthetic(report::Mode::Full);
    let outcome = run(&config, &Cancel::new(), &emitter).await;
    let data = outcome.data().unwrap();
    assert!(data.device.is_synthetic);
    assert!(data.frames >= 20 && data.frames_corrupt == 0, "{data:?}");
    assert!(data.frame_rate.unwrap().fps > 5.0);
    let picture = data.picture.unwrap();
    assert_eq!(
        (picture.is_black, picture.is_frozen),
        (Some(false), Some(false))
    );
    assert_eq!(data.encoding, None);
    drop(emitter);
    let mut progress = 0;
    while let Some(event) = events.recv().await {
        progress += u32::from(matches!(event.kind, EventKind::Progress { .. }));
    }
    assert!(progress > 10, "{progress}");
}

#[tokio::test]
async fn what_this_machine_encodes_is_measured_after_the_camera() {
    fn measure(_stop: &AtomicBool) -> Option<EncodeHeadroom> {
        Some(EncodeHeadroom {
            codec: "VP8".to_owned(),
            size: PictureSize {
                width: 1280,
                height: 720,
            },
            frames: 30,
            cpu_per_frame_ms: Millis::new(8.0)?,
            fps: 125.0,
        })
    }
    let config = CameraConfig {
        encoding: Some(measure),
        ..synthetic(report::Mode::Quick)
    };
    let outcome = outcome(&config).await;
    assert_eq!(
        outcome.data().unwrap().encoding,
        measure(&AtomicBool::new(false))
    );
}

#[tokio::test]
async fn without_a_camera_it_is_blocked() {
    let (config, _) = faulty(Fault::Absent);
    let outcome = outcome(&config).await;
    assert!(matches!(outcome, Outcome::Blocked { .. }));
    assert_eq!(code(&outcome), Some(ReasonCode::NoDevice));
}

#[tokio::test]
async fn a_camera_that_the_system_refuses_is_blocked() {
    let (config, _) = faulty(Fault::Refused);
    let outcome = outcome(&config).await;
    assert!(matches!(outcome, Outcome::Blocked { .. }));
    assert_eq!(code(&outcome), Some(ReasonCode::AccessRefused));
}

#[tokio::test]
async fn a_camera_that_sends_nothing_is_stalled_and_closed() {
    let (config, open) = faulty(Fault::Silent);
    let outcome = outcome(&config).await;
    assert_eq!(code(&outcome), Some(ReasonCode::DeviceStalled));
    assert_eq!(outcome.data().unwrap().frames, 0);
    assert_eq!(open.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_camera_that_stops_towards_the_end_is_watched_until_it_is_sure() {
    let (mut config, _) = faulty(Fault::StopsAfter(24));
    config.mode = report::Mode::Quick;
    let outcome = outcome(&config).await;
    assert_eq!(code(&outcome), Some(ReasonCode::DeviceStalled));
    assert!((11..=24).contains(&outcome.data().unwrap().frames));
}

#[tokio::test]
async fn a_camera_that_vanishes_keeps_what_it_gave() {
    let (config, open) = faulty(Fault::VanishesAfter(5));
    let outcome = outcome(&config).await;
    assert_eq!(code(&outcome), Some(ReasonCode::DeviceVanished));
    assert!((1..=5).contains(&outcome.data().unwrap().frames));
    assert_eq!(open.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn another_camera_than_the_chosen_one_says_so() {
    let (mut config, _) = faulty(Fault::VanishesAfter(2));
    config.selection = Some(DeviceId::new("v4l2:gone"));
    let outcome = outcome(&config).await;
    let fallback = outcome.data().unwrap().device.fallback.clone().unwrap();
    assert!(
        fallback.contains("v4l2:gone") && fallback.contains("Faulty Camera"),
        "{fallback}"
    );
}

#[tokio::test]
async fn a_driver_that_hangs_holds_nobody_up() {
    let (mut config, _) = faulty(Fault::HangsInOpen);
    config.deadline = Duration::from_millis(300);
    let outcome = outcome(&config).await;
    assert!(matches!(outcome, Outcome::Blocked { .. }));
    assert_eq!(code(&outcome), Some(ReasonCode::DeviceStalled));
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "measures how long cancelling takes"
)]
async fn cancelling_ends_it_within_a_quarter_of_a_second_with_what_there_is() {
    for (fault, has_data) in [
        (Fault::VanishesAfter(u64::MAX), true),
        (Fault::HangsInOpen, false),
    ] {
        let (config, open) = faulty(fault);
        let (emitter, _events) = Emitter::new();
        let cancel = Cancel::new();
        let later = cancel.clone();
        let canceller = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(900)).await;
            later.cancel(CancelCause::User);
            Instant::now()
        });
        let outcome = run(&config, &cancel, &emitter).await;
        let took = canceller.await.unwrap().elapsed();
        assert!(took < Duration::from_millis(250), "{took:?}");
        assert_eq!(code(&outcome), Some(ReasonCode::Cancelled));
        assert_eq!(outcome.data().is_some(), has_data, "{outcome:?}");
        // The camera is closed right after.
        for _ in 0..100 {
            if open.load(Ordering::SeqCst) == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(open.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "waits for a camera to be closed")]
async fn dropping_the_future_closes_the_camera() {
    let (config, open) = faulty(Fault::VanishesAfter(u64::MAX));
    let (emitter, _events) = Emitter::new();
    let cancel = Cancel::new();
    let half = Duration::from_millis(700);
    let ended = tokio::time::timeout(half, run(&config, &cancel, &emitter)).await;
    assert!(ended.is_err());
    for _ in 0..200 {
        if open.load(Ordering::SeqCst) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the camera stays open");
}
