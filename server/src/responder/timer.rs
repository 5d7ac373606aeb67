//! A wake-up for the UDP thread that is exact to some ten microseconds, where the system has one.
//!
//! The poll's own timeout counts milliseconds: packets of a load would leave in clumps.

use std::{io, time::Duration};

use greenroom_protocol::measure::time::MonotonicTime;
use mio::{Registry, Token};
#[cfg(target_os = "linux")]
use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};

/// The timer.
#[derive(Debug)]
pub(super) struct WakeUp {
    #[cfg(target_os = "linux")]
    timer: TimerFd,
    #[cfg(target_os = "linux")]
    set_to: Option<MonotonicTime>,
}

#[cfg(target_os = "linux")]
impl WakeUp {
    /// A timer that wakes up whoever polls `registry`.
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        use std::os::fd::{AsFd, AsRawFd};

        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let fd = timer.as_fd().as_raw_fd();
        registry.register(
            &mut mio::unix::SourceFd(&fd),
            token,
            mio::Interest::READABLE,
        )?;
        Ok(Self {
            timer,
            set_to: None,
        })
    }

    /// Sees to it that a poll with the timeout returned ends at `at`, or after `longest`.
    pub(super) fn set(
        &mut self,
        now: MonotonicTime,
        at: Option<MonotonicTime>,
        longest: Duration,
    ) -> Duration {
        let Some(at) = at else { return longest };
        let wait = at.since(now);
        if wait.is_zero() || wait >= longest {
            return wait.min(longest);
        }
        if self.set_to == Some(at) {
            return longest;
        }
        // Setting it forgets that it went off, so that it need not be read.
        let once = Expiration::OneShot(TimeSpec::from_duration(wait));
        match self.timer.set(once, TimerSetTimeFlags::empty()) {
            Ok(()) => {
                self.set_to = Some(at);
                longest
            }
            Err(error) => {
                tracing::debug!(%error, "cannot set the timer");
                wait
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl WakeUp {
    /// No timer of its own.
    #[expect(clippy::unnecessary_wraps, reason = "fails on other systems")]
    pub(super) fn new(_registry: &Registry, _token: Token) -> io::Result<Self> {
        Ok(Self {})
    }

    /// The timeout after which `at` is reached, or `longest`; the poll rounds it up to a
    /// millisecond.
    #[expect(clippy::unused_self, reason = "has state on other systems")]
    pub(super) fn set(
        &mut self,
        now: MonotonicTime,
        at: Option<MonotonicTime>,
        longest: Duration,
    ) -> Duration {
        at.map_or(longest, |at| at.since(now).min(longest))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_poll_ends_when_it_is_to_and_again_the_next_time() {
        let mut poll = mio::Poll::new().unwrap();
        let mut events = mio::Events::with_capacity(4);
        let mut wake_up = WakeUp::new(poll.registry(), Token(0)).unwrap();
        let clock = Clock::start();
        let mut late = Vec::new();
        for _ in 0..50 {
            let now = clock.now();
            let at = now.after(Duration::from_micros(300));
            let longest = Duration::from_secs(5);
            assert_eq!(wake_up.set(now, Some(at), longest), longest);
            poll.poll(&mut events, Some(longest)).unwrap();
            assert!(clock.now() >= at);
            late.push(clock.now().since(at));
        }
        late.sort_unstable();
        // A busy machine may be late now and then, a timer of milliseconds always is.
        assert!(late[10] < Duration::from_micros(400), "{late:?}");
        assert_eq!(
            wake_up.set(clock.now(), None, Duration::ZERO),
            Duration::ZERO
        );
    }
}
