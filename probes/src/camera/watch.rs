//! The thread that watches a camera, and a second one that decodes, so that no stamp waits for a
//! picture.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use greenroom_devices::camera::{CameraClock, CameraReader, CapturedFrame, Received, SharedCamera};
use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_reports::model::report::ProbeId;

use super::machine::{End, Pictures, SILENCE, Stamps};
use crate::cancel::Cancel;
use crate::emit::Emitter;

/// Longest wait before it looks whether it is to stop.
const SLICE: Duration = Duration::from_millis(20);

/// How long a camera may take to open. The kernel waits five seconds for one that does not answer;
/// a slow one takes half a second.
const OPEN_LIMIT: Duration = Duration::from_secs(4);

/// How long a camera may take from opening to its first frame. A slow one takes half a second.
const FIRST_FRAME_LIMIT: Duration = Duration::from_millis(1500);

/// How much longer a camera is watched that gives too few frames for a rate, or has just stopped.
const EXTENSION: Duration = Duration::from_millis(1500);

/// No frame for so long at the end is a pause at least: the freeze rule's 150 ms more than usual,
/// at the 15 frames a second of a dark room.
const PAUSE: Duration = Duration::from_millis(220);

/// Frames that wait to be decoded. Beyond, they are not looked at.
const QUEUE: usize = 16;

/// From so many waiting frames on, pictures are only checked for damage.
const BEHIND: usize = 4;

/// Frames that wait for the watching thread, which does next to nothing with them.
const DEPTH: usize = 32;

/// What is watched, and for how long.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    pub(super) camera: &'a SharedCamera,
    pub(super) clock: CameraClock,
    pub(super) span: Duration,
    pub(super) cancel: &'a Cancel,
    /// Set when nobody waits for the outcome any more.
    pub(super) abandoned: &'a AtomicBool,
    pub(super) emitter: &'a Emitter,
}

impl Watch<'_> {
    /// Watches until the time is over, the camera ends, or somebody cancels; and when that was. Decoding goes on after
    /// it: on a slow machine so long that it would be taken for a camera's silence.
    pub(super) fn run(&self, stamps: &mut Stamps) -> (Pictures, (MonotonicTime, End)) {
        let mut reader = self.camera.reader(DEPTH);
        if let Some(end) = self.wait_opened(stamps) {
            return (Pictures::default(), (self.clock.now(), end));
        }
        let waiting = &AtomicUsize::new(0);
        let (send, frames) = mpsc::sync_channel(QUEUE);
        thread::scope(|scope| {
            let decoder = scope.spawn(move || self.decode(&frames, waiting));
            let decode = Decode { send, waiting };
            let end = self.pump(&mut reader, stamps, &decode);
            let ended = (self.clock.now(), end);
            drop(decode);
            // A decoder that panics is a defect; what the stamps say still counts.
            (decoder.join().unwrap_or_default(), ended)
        })
    }

    fn wait_opened(&self, stamps: &mut Stamps) -> Option<End> {
        let until = self.clock.now().after(OPEN_LIMIT);
        loop {
            if let Some(end) = self.stopped() {
                return Some(end);
            }
            match self.camera.wait_opened(SLICE) {
                Some(Ok(opened)) => {
                    stamps.open(opened);
                    return None;
                }
                Some(Err(end)) => return Some(End::Stream(end)),
                None if self.clock.now() >= until => return Some(End::NotOpened),
                None => {}
            }
        }
    }

    fn pump(&self, reader: &mut CameraReader, stamps: &mut Stamps, decode: &Decode<'_>) -> End {
        let opened_at = self.clock.now();
        loop {
            let over = self.over(stamps, opened_at, self.clock.now());
            if let Some(end) = self.stopped().or(over) {
                return end;
            }
            match reader.next(SLICE) {
                Received::Frame(frame) => {
                    stamps.push(&frame);
                    decode.give(frame);
                }
                Received::Ended(end) => return End::Stream(end),
                // Whether it is one for good shows at the end.
                Received::Stalled | Received::Nothing => {}
            }
        }
    }

    /// Whether it was watched long enough.
    fn over(&self, stamps: &Stamps, opened_at: MonotonicTime, now: MonotonicTime) -> Option<End> {
        let Some(first) = stamps.first_at() else {
            return (now.since(opened_at) >= FIRST_FRAME_LIMIT).then_some(End::NoFrame);
        };
        let watched = now.since(first);
        let done = watched.as_secs_f64() / self.span.as_secs_f64();
        self.emitter.progress(ProbeId::Camera, done);
        // One that has just stopped is watched on: whether it pauses, or stops for good.
        let silence = now.since(stamps.last_at());
        let is_well = stamps.has_rate() && silence < PAUSE;
        let is_enough = watched >= self.span && (is_well || silence >= SILENCE);
        (is_enough || watched >= self.span + EXTENSION).then_some(End::Complete)
    }

    fn stopped(&self) -> Option<End> {
        self.is_stopping()
            .then(|| End::Stopped(self.cancel.reason()))
    }

    fn is_stopping(&self) -> bool {
        self.cancel.cause().is_some() || self.abandoned.load(Ordering::Acquire)
    }

    fn decode(&self, frames: &Receiver<Arc<CapturedFrame>>, waiting: &AtomicUsize) -> Pictures {
        let mut pictures = Pictures::default();
        for frame in frames {
            let behind = waiting.fetch_sub(1, Ordering::AcqRel);
            if self.is_stopping() {
                break;
            }
            pictures.push(&frame, behind > BEHIND);
        }
        pictures
    }
}

/// The way to the thread that decodes. It ends when this is dropped.
struct Decode<'a> {
    send: SyncSender<Arc<CapturedFrame>>,
    waiting: &'a AtomicUsize,
}

impl Decode<'_> {
    fn give(&self, frame: Arc<CapturedFrame>) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        if self.send.try_send(frame).is_err() {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
