//! Tells when microphones and speakers come and go.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::catalog::Audio;
use super::stream::control::{Running, Stop};
use crate::device::{DeviceInfo, DeviceKind};
use crate::hotplug::{DeviceChange, changes};

/// How often it is listed: twice and a listing fit into a second.
const PERIOD: Duration = Duration::from_millis(400);

/// Lists that wait for a slow listener. Beyond, what changed is in a later list.
const QUEUE: usize = 4;

/// Watches the list of microphones or of speakers, on a thread of its own that ends with this
/// handle. Changes come within a second, unless a sound server hangs: then there are none.
#[derive(Debug)]
pub struct AudioWatch {
    lists: Receiver<Vec<DeviceInfo>>,
    known: Vec<DeviceInfo>,
    pending: VecDeque<DeviceChange>,
    _running: Running,
}

impl AudioWatch {
    /// Begins to watch. The devices that there are already come as the first changes, unless they
    /// are in `known`.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start(audio: Audio, kind: DeviceKind, known: Vec<DeviceInfo>) -> std::io::Result<Self> {
        let (tell, lists) = sync_channel(QUEUE);
        let running = Running::start("audio watch", move |stop| watch(&audio, kind, &tell, &stop))?;
        Ok(Self {
            lists,
            known,
            pending: VecDeque::new(),
            _running: running,
        })
    }

    /// Waits for a change; `None` when there was none in that time.
    pub fn next(&mut self, wait: Duration) -> Option<DeviceChange> {
        let until = Instant::now() + wait;
        while self.pending.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            let list = self.lists.recv_timeout(left).ok()?;
            self.pending.extend(changes(&self.known, &list));
            self.known = list;
        }
        self.pending.pop_front()
    }

    /// A change, if there was one.
    pub fn try_next(&mut self) -> Option<DeviceChange> {
        self.next(Duration::ZERO)
    }
}

fn watch(audio: &Audio, kind: DeviceKind, tell: &SyncSender<Vec<DeviceInfo>>, stop: &Stop) {
    let mut told: Option<Vec<DeviceInfo>> = None;
    loop {
        // A list that fails now may succeed the next time.
        if let Ok(list) = audio.list(kind)
            && told.as_ref() != Some(&list)
            && tell.try_send(list.clone()).is_ok()
        {
            told = Some(list);
        }
        if stop.wait(PERIOD) {
            return;
        }
    }
}
