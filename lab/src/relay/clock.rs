//! The clocks of the log.

use std::io;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The same moment on two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockPairing {
    /// `CLOCK_MONOTONIC`: the clock of the log and of `std::time::Instant`.
    pub monotonic: Duration,
    /// `CLOCK_REALTIME`, since the Unix epoch.
    pub realtime: Duration,
    /// The two readings lie at most this far apart.
    pub uncertainty: Duration,
}

impl ClockPairing {
    /// Reads both clocks a few times and keeps the tightest pair.
    ///
    /// # Errors
    ///
    /// The kernel has no such clock, which does not happen on Linux.
    pub fn read() -> io::Result<Self> {
        let mut best = Self::read_once()?;
        for _ in 0..8 {
            let pairing = Self::read_once()?;
            if pairing.uncertainty < best.uncertainty {
                best = pairing;
            }
        }
        Ok(best)
    }

    /// The wall-clock time of a moment in the log, if the wall clock was not stepped meanwhile.
    pub fn to_realtime(&self, monotonic: Duration) -> Duration {
        (self.realtime + monotonic).saturating_sub(self.monotonic)
    }

    fn read_once() -> io::Result<Self> {
        let before = read(ClockId::CLOCK_MONOTONIC)?;
        let realtime = read(ClockId::CLOCK_REALTIME)?;
        let after = read(ClockId::CLOCK_MONOTONIC)?;
        let uncertainty = after.saturating_sub(before) / 2;
        Ok(Self {
            monotonic: before + uncertainty,
            realtime,
            uncertainty,
        })
    }
}

/// The time on `CLOCK_MONOTONIC`, the clock of the log.
///
/// # Errors
///
/// The kernel has no such clock, which does not happen on Linux.
pub fn monotonic_now() -> io::Result<Duration> {
    read(ClockId::CLOCK_MONOTONIC)
}

fn read(clock: ClockId) -> io::Result<Duration> {
    Ok(clock_gettime(clock)?.into())
}
