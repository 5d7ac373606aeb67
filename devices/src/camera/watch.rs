//! Tells when cameras come and go.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use super::catalog::Cameras;
use crate::device::DeviceInfo;
use crate::hotplug::{DeviceChange, changes};

/// How often it is looked for something new: twice and a listing fit into a second. More often
/// would keep a laptop's processor from sleeping.
const PERIOD: Duration = Duration::from_millis(300);

/// Lists that wait for a slow listener. Beyond, the thread waits; what changed meanwhile is in the
/// next list.
const QUEUE: usize = 4;

/// Watches the list of cameras, on a thread of its own that ends when this handle is dropped.
///
/// Changes come within a second, unless a driver holds up the listing. Right after a camera was
/// plugged in, the system still names it and sets its permissions, so a change is looked at once
/// more before it is told.
#[derive(Debug)]
pub struct CameraWatch {
    lists: Receiver<Vec<DeviceInfo>>,
    known: Vec<DeviceInfo>,
    pending: VecDeque<DeviceChange>,
    /// Dropping it ends the thread.
    _running: SyncSender<()>,
}

impl CameraWatch {
    /// Begins to watch. The cameras that there are already come as the first changes, unless they
    /// are in `known`.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start(cameras: Cameras, known: Vec<DeviceInfo>) -> std::io::Result<Self> {
        let (tell, lists) = mpsc::sync_channel(QUEUE);
        let (running, stopped) = mpsc::sync_channel(0);
        thread::Builder::new()
            .name("camera watch".to_owned())
            .spawn(move || watch(&cameras, &tell, &stopped))?;
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

fn watch(cameras: &Cameras, tell: &SyncSender<Vec<DeviceInfo>>, stopped: &Receiver<()>) {
    let mut news = News::default();
    loop {
        let fingerprint = cameras.fingerprint();
        if news.is_due(fingerprint) {
            // A list that fails now may succeed at the next change.
            let list = cameras.list().unwrap_or_default();
            if news.differs(&list) && tell.send(list).is_err() {
                return;
            }
        }
        match stopped.recv_timeout(PERIOD) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return,
        }
    }
}

/// Decides when to list, and when to tell.
#[derive(Debug, Default)]
struct News {
    /// Fingerprint at the last look.
    last: Option<Vec<u64>>,
    /// Fingerprint of the last list.
    listed: Option<Vec<u64>>,
    list: Option<Vec<DeviceInfo>>,
}

impl News {
    /// At the first look, after a change that has settled, and always where only listing tells.
    fn is_due(&mut self, now: Option<Vec<u64>>) -> bool {
        let has_settled = self.list.is_none() || now == self.last;
        let is_new = now.is_none() || now != self.listed;
        let is_due = has_settled && is_new;
        if is_due {
            self.listed.clone_from(&now);
        }
        self.last = now;
        is_due
    }

    fn differs(&mut self, list: &[DeviceInfo]) -> bool {
        let differs = self.list.as_deref() != Some(list);
        self.list = Some(list.to_vec());
        differs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::synthetic::SyntheticCamera;

    #[test]
    fn a_change_is_listed_once_it_has_settled() {
        let mut news = News::default();
        assert!(news.is_due(Some(vec![1])));
        assert!(news.differs(&[]));
        assert!(!news.is_due(Some(vec![1])));
        assert!(!news.is_due(Some(vec![2])));
        assert!(!news.is_due(Some(vec![3])));
        assert!(news.is_due(Some(vec![3])));
        assert!(!news.differs(&[]));
        assert!(!news.is_due(Some(vec![3])));
    }

    #[test]
    fn without_a_fingerprint_it_lists_each_time_and_tells_what_differs() {
        let mut news = News::default();
        assert!(news.is_due(None));
        assert!(news.differs(&[]));
        assert!(news.is_due(None));
        assert!(!news.differs(&[]));
        assert!(news.differs(&[SyntheticCamera::info()]));
    }
}
