//! The sending end of the event stream.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::time::Instant;

use greenroom_reports::model::report::ProbeId;
use greenroom_reports::units::Ratio;
use tokio::sync::mpsc;

use crate::event::{Event, EventKind, Sample};

/// Events that wait for a slow listener. Samples beyond are left out, everything else waits.
const QUEUE: usize = 1024;

/// Sends the events of one run.
#[derive(Clone, Debug)]
pub struct Emitter {
    began: Instant,
    events: mpsc::Sender<Event>,
}

/// Receives the events of one run.
pub type EventReceiver = mpsc::Receiver<Event>;

impl Emitter {
    /// A stream that begins now.
    pub fn new() -> (Self, EventReceiver) {
        let (events, receiver) = mpsc::channel(QUEUE);
        let began = Instant::now();
        (Self { began, events }, receiver)
    }

    /// Sends an event that must not be lost; waits while the listener is behind. Without a
    /// listener it is gone: nobody wants to know.
    ///
    /// # Cancel safety
    /// Dropping the future may lose the event.
    pub async fn tell(&self, kind: EventKind) {
        let _gone = self.events.send(self.stamp(kind)).await;
    }

    /// Sends an observation, unless the listener is behind.
    pub fn sample(&self, probe: ProbeId, sample: Sample) {
        let _behind = self
            .events
            .try_send(self.stamp(EventKind::Sample { probe, sample }));
    }

    /// Sends how far a probe is, unless the listener is behind.
    pub fn progress(&self, probe: ProbeId, done: f64) {
        let done_ratio = Ratio::new(done.clamp(0.0, 1.0)).unwrap_or_default();
        let _behind = self
            .events
            .try_send(self.stamp(EventKind::Progress { probe, done_ratio }));
    }

    fn stamp(&self, kind: EventKind) -> Event {
        Event {
            at_ms: self.began.elapsed().into(),
            kind,
        }
    }
}
