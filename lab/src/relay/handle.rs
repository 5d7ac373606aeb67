//! Control of a running relay.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::clock::{ClockPairing, monotonic_now};
use super::driver::{Shared, Tunnel, relay};
use crate::error::LabError;
use crate::link::{Counters, Direction, Duplex, Fate, LinkConfig, PacketRecord};

/// A link between two network namespaces, emulated in real time by a thread of this process; dropping it stops it.
///
/// All times are on `CLOCK_MONOTONIC`, the clock of `std::time::Instant`.
pub struct Relay {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<io::Result<()>>>,
    started_at: ClockPairing,
}

impl Relay {
    pub(crate) fn start(tunnel: Tunnel, duplex: Duplex) -> Result<Self, LabError> {
        let wake = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)
            .map_err(LabError::io("make an eventfd for the relay"))?;
        let shared = Arc::new(Shared {
            duplex: Mutex::new(duplex),
            is_stopping: AtomicBool::new(false),
            wake,
        });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("lab-relay".to_owned())
            .spawn(move || relay(&tunnel, &for_thread))
            .map_err(LabError::io("start the relay thread"))?;
        Ok(Self {
            shared,
            thread: Some(thread),
            started_at: ClockPairing::read().map_err(LabError::io("read the clocks"))?,
        })
    }

    /// Changes the behavior of one direction from now on; see [`crate::link::Link::set_config`].
    pub fn set_config(&self, direction: Direction, config: LinkConfig) {
        self.change(|duplex, now| duplex.link_mut(direction).set_config(now, config));
    }

    /// Changes the behavior of both directions.
    pub fn set_both(&self, config: &LinkConfig) {
        for direction in Direction::BOTH {
            self.set_config(direction, config.clone());
        }
    }

    /// Loses everything that enters in either direction for `duration` from now. Returns at once.
    pub fn start_outage(&self, duration: Duration) {
        self.change(|duplex, now| {
            for direction in Direction::BOTH {
                duplex.link_mut(direction).add_outage(now, now + duration);
            }
        });
    }

    /// Loses everything that enters in this direction until called with `false`.
    pub fn set_cut(&self, direction: Direction, is_cut: bool) {
        self.change(|duplex, _| duplex.link_mut(direction).set_cut(is_cut));
    }

    /// Totals of one direction since the start.
    pub fn counters(&self, direction: Direction) -> Counters {
        self.shared.lock().link(direction).counters()
    }

    /// The packets of both directions logged so far, in the order they entered.
    ///
    /// Copies the log while the relay waits, some 0.1 ms per thousand packets: ask when the traffic is over.
    pub fn records(&self) -> Vec<PacketRecord> {
        self.shared.lock().records()
    }

    /// Empties the log and gives what it held; a packet in flight stays [`Fate::InFlight`] in it.
    pub fn take_records(&self) -> Vec<PacketRecord> {
        self.shared.lock().take_records()
    }

    /// Whether records are missing since the log was full.
    pub fn has_log_overflowed(&self) -> bool {
        self.shared.lock().has_log_overflowed()
    }

    /// The log as JSON lines, see [`PacketRecord::to_json`].
    pub fn to_json_lines(&self) -> String {
        let lines = self
            .records()
            .into_iter()
            .map(|record| record.to_json() + "\n");
        lines.collect()
    }

    /// Whether the relay still works; false after somebody removed one of its interfaces.
    pub fn is_running(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    /// The clocks when the relay started.
    pub fn started_at(&self) -> ClockPairing {
        self.started_at
    }

    /// How late packets left, or `None` if the log has none that left.
    pub fn scheduling_error(&self) -> Option<SchedulingError> {
        SchedulingError::of(&self.records())
    }

    fn change(&self, change: impl FnOnce(&mut Duplex, Duration)) {
        let mut duplex = self.shared.lock();
        // Without a clock the relay has stopped already; any time will do.
        let now = monotonic_now().unwrap_or_default();
        change(&mut duplex, now);
        drop(duplex);
        self.wake();
    }

    fn wake(&self) {
        // Fails only when the counter is full, and then the thread wakes anyway.
        let _ = self.shared.wake.write(1);
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("started_at", &self.started_at)
            .finish_non_exhaustive()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A relay that failed lost all later packets, which its tests have noticed.
            let _ = thread.join();
        }
    }
}

/// How much later than intended packets left the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchedulingError {
    /// Packets counted.
    pub n_packets: usize,
    /// Half of them were at most this late.
    pub median: Duration,
    /// 95 % of them were at most this late.
    pub p95: Duration,
    /// 99 % of them were at most this late.
    pub p99: Duration,
    /// The latest one.
    pub max: Duration,
}

impl SchedulingError {
    /// Over the packets that left, or `None` if there are none.
    pub fn of(records: &[PacketRecord]) -> Option<Self> {
        let has_left = |record: &&PacketRecord| matches!(record.fate, Fate::Left { .. });
        let errors = records
            .iter()
            .filter(has_left)
            .filter_map(PacketRecord::scheduling_error);
        let mut sorted: Vec<Duration> = errors.collect();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        let percentile = |percent: usize| sorted[last * percent / 100];
        Some(Self {
            n_packets: sorted.len(),
            median: percentile(50),
            p95: percentile(95),
            p99: percentile(99),
            max: sorted[last],
        })
    }
}
