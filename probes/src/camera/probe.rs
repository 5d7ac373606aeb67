//! Chooses a camera, has it watched, and ends in time whatever the driver does.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use greenroom_devices::camera::{Cameras, SharedCamera, WantedMode};
use greenroom_devices::error::DeviceError;
use greenroom_devices::selection::DeviceId;
use greenroom_reports::model::camera::{CameraSection, EncodeHeadroom};
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::report::Mode;
use tokio::sync::oneshot;

use super::machine::{Pictures, Stamps, Subject, conclude};
use super::watch::Watch;
use crate::cancel::Cancel;
use crate::emit::Emitter;

/// How long a full check watches: 60 frames, of which the first settle the exposure.
const FULL_SPAN: Duration = Duration::from_secs(2);

/// How long a quick one watches: a picture that is black or frozen for a second must have been seen
/// for more than that.
const QUICK_SPAN: Duration = Duration::from_millis(1200);

/// How long the thread may take to end when it is cancelled. It takes a slice of 20 ms and the
/// picture that is being decoded.
const GRACE: Duration = Duration::from_millis(200);

/// Measures what this machine encodes; it ends early when the flag is set.
pub type MeasureEncoding = fn(&AtomicBool) -> Option<EncodeHeadroom>;

/// How a camera is looked at.
#[derive(Clone, Debug)]
pub struct CameraConfig {
    /// Depth.
    pub mode: Mode,
    /// The cameras that there are.
    pub cameras: Cameras,
    /// The one that was chosen; `None` takes the system's default.
    pub selection: Option<DeviceId>,
    /// What a call would ask it for.
    pub wanted: WantedMode,
    /// What this machine encodes is measured by this, once the camera is closed; `None` leaves it
    /// out.
    pub encoding: Option<MeasureEncoding>,
    /// When it ends in any case. Opening takes up to 4 s, the first frame 1.5 s, watching up to
    /// 3.5 s; a camera that is well needs 3 s for all of it.
    pub deadline: Duration,
}

impl Default for CameraConfig {
    /// The system's cameras, 1280x720 at 30 frames a second.
    fn default() -> Self {
        Self {
            mode: Mode::Full,
            cameras: Cameras::of_system(),
            selection: None,
            wanted: WantedMode::default(),
            encoding: None,
            deadline: Duration::from_secs(10),
        }
    }
}

/// Opens a camera as a call would, watches it, and closes it again.
///
/// # Cancel safety
/// On `cancel` it returns within 250 ms with what it has; the camera is closed right after.
/// Dropping the future closes the camera as well. A driver that hangs in the kernel keeps a thread
/// until the kernel gives up, which nobody waits for.
pub async fn run(
    config: &CameraConfig,
    cancel: &Cancel,
    emitter: &Emitter,
) -> Outcome<CameraSection> {
    let abandoned = Abandon::default();
    let (tell, mut told) = oneshot::channel();
    let thread = CameraProbe {
        config: config.clone(),
        cancel: cancel.clone(),
        emitter: emitter.clone(),
        abandoned: Arc::clone(&abandoned.0),
    };
    if let Err(error) = thread.spawn(tell) {
        let message = format!("the system gives no thread to watch the camera: {error}");
        return Outcome::not_run(ReasonCode::InternalError, message);
    }
    let late = tokio::select! {
        biased;
        outcome = &mut told => return outcome.unwrap_or_else(|_| defect()),
        () = cancel.cancelled() => Outcome::NotRun { reason: cancel.reason() },
        () = tokio::time::sleep(config.deadline) => Outcome::Blocked { reason: hangs() },
    };
    drop(abandoned);
    match tokio::time::timeout(GRACE, told).await {
        Ok(Ok(outcome)) if cancel.cause().is_some() => outcome,
        _ => late,
    }
}

fn defect() -> Outcome<CameraSection> {
    let message = "the camera's thread ended without an outcome";
    Outcome::not_run(ReasonCode::InternalError, message)
}

fn hangs() -> Reason {
    let message = "the camera's driver does not answer: unplug the camera, or restart the machine";
    Reason::new(ReasonCode::DeviceStalled, message)
}

/// Tells the thread that nobody waits any more, also when the future is dropped.
#[derive(Debug, Default)]
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// What runs on the thread.
struct CameraProbe {
    config: CameraConfig,
    cancel: Cancel,
    emitter: Emitter,
    abandoned: Arc<AtomicBool>,
}

impl CameraProbe {
    fn spawn(self, tell: oneshot::Sender<Outcome<CameraSection>>) -> std::io::Result<()> {
        let builder = thread::Builder::new().name("camera probe".to_owned());
        builder.spawn(move || self.run(tell)).map(drop)
    }

    fn run(self, tell: oneshot::Sender<Outcome<CameraSection>>) {
        let (outcome, open) = match self.start() {
            Ok((subject, camera)) => self.watch(&subject, camera),
            Err(error) => (blocked(&error), None),
        };
        // Nobody may wait any more.
        let _abandoned = tell.send(outcome);
        drop(open);
    }

    fn start(&self) -> Result<(Subject, SharedCamera), DeviceError> {
        let cameras = &self.config.cameras;
        let choice = cameras.choose(self.config.selection.as_ref())?;
        let subject = Subject {
            device: choice.chosen.info,
            fallback: choice.chosen.fallback,
            n_cameras: choice.n_cameras,
            wanted: self.config.wanted,
        };
        let camera = cameras.start(subject.device.clone(), self.config.wanted)?;
        Ok((subject, camera))
    }

    /// The outcome, and the camera where it is to be told before the camera is closed: closing may
    /// take longer than a cancelled run has.
    fn watch(
        &self,
        subject: &Subject,
        camera: SharedCamera,
    ) -> (Outcome<CameraSection>, Option<SharedCamera>) {
        let clock = self.config.cameras.clock();
        let mut stamps = Stamps::new(clock.now());
        let watch = Watch {
            camera: &camera,
            clock,
            span: match self.config.mode {
                Mode::Full => FULL_SPAN,
                Mode::Quick => QUICK_SPAN,
            },
            cancel: &self.cancel,
            abandoned: &self.abandoned,
            emitter: &self.emitter,
        };
        let (mut pictures, (ended_at, end)) = watch.run(&mut stamps);
        let ended = (ended_at, &end);
        let conclude =
            |pictures: &Pictures, encoding| conclude(subject, &stamps, pictures, ended, encoding);
        if self.cancel.cause().is_some() {
            return (conclude(&pictures, None), Some(camera));
        }
        // Encoding is what takes most memory of a whole check.
        drop(camera);
        pictures.free();
        let measure = self.config.encoding;
        let encoding = measure.and_then(|measure| measure(&self.abandoned));
        (conclude(&pictures, encoding), None)
    }
}

fn blocked(error: &DeviceError) -> Outcome<CameraSection> {
    let reason = error.reason();
    Outcome::Blocked { reason }
}
