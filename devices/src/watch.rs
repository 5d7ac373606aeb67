//! Tells when devices of one kind come and go.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use crate::device::DeviceInfo;
use crate::hotplug::{DeviceChange, changes};
use crate::running::{Running, Stop};

/// Lists that wait for a slow listener. Beyond, what changed is in a later list.
const QUEUE: usize = 4;

/// Watches a list of devices, on a thread of its own that ends with this handle.
///
/// Changes come within a second, unless a driver or a sound server holds up the listing: then there
/// are none.
#[derive(Debug)]
pub struct ListWatch {
    // Dropped first, so that the thread finds nobody to tell.
    lists: Receiver<Vec<DeviceInfo>>,
    known: Vec<DeviceInfo>,
    pending: VecDeque<DeviceChange>,
    _running: Running,
}

impl ListWatch {
    /// Begins to look every `period`. The devices that there are already come as the first changes,
    /// unless they are in `known`. `look` gives the list where there is a reason to make one.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(crate) fn start(
        name: &str,
        period: Duration,
        known: Vec<DeviceInfo>,
        look: impl FnMut() -> Option<Vec<DeviceInfo>> + Send + 'static,
    ) -> std::io::Result<Self> {
        let (tell, lists) = sync_channel(QUEUE);
        let running = Running::start(name, move |stop| watch(period, look, &tell, &stop))?;
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

/// Tells each list that differs from the one that was told before.
fn watch(
    period: Duration,
    mut look: impl FnMut() -> Option<Vec<DeviceInfo>>,
    tell: &SyncSender<Vec<DeviceInfo>>,
    stop: &Stop,
) {
    let mut told: Option<Vec<DeviceInfo>> = None;
    let mut latest: Option<Vec<DeviceInfo>> = None;
    loop {
        latest = look().or(latest);
        if let Some(list) = &latest
            && told.as_ref() != Some(list)
        {
            match tell.try_send(list.clone()) {
                Ok(()) => told = Some(list.clone()),
                // It is told once there is room.
                Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Disconnected(_)) => return,
            }
        }
        if stop.wait(period) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::camera::SyntheticCamera;

    const SHORT: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(5);

    #[test]
    fn the_last_list_is_told_although_the_listener_was_slow() {
        let device = |n: usize| DeviceInfo {
            name: n.to_string(),
            id: crate::selection::DeviceId::new(n.to_string()),
            ..SyntheticCamera::info()
        };
        let n_lists = 3 * QUEUE;
        let made = Arc::new(Mutex::new(0));
        let count = Arc::clone(&made);
        // Each is told of once, as of a camera whose fingerprint stays the same afterwards.
        let look = move || {
            let mut made = count.lock().unwrap();
            *made += 1;
            (*made <= n_lists).then(|| vec![device(*made)])
        };
        let mut watch = ListWatch::start("test", SHORT, Vec::new(), look).unwrap();
        while *made.lock().unwrap() <= n_lists {
            std::thread::yield_now();
        }
        let last = DeviceChange::Added(DeviceInfo {
            name: n_lists.to_string(),
            id: crate::selection::DeviceId::new(n_lists.to_string()),
            ..SyntheticCamera::info()
        });
        let told = std::iter::from_fn(|| watch.next(LONG));
        assert!(told.into_iter().any(|change| change == last));
    }

    #[test]
    fn a_listing_that_fails_is_no_change() {
        let mut lists = vec![None, Some(vec![SyntheticCamera::info()])];
        let look = move || lists.pop().flatten();
        let mut watch = ListWatch::start("test", SHORT, Vec::new(), look).unwrap();
        let added = DeviceChange::Added(SyntheticCamera::info());
        assert_eq!(watch.next(LONG), Some(added));
        assert_eq!(watch.next(20 * SHORT), None);
    }
}
