//! When to ping, and what the answers say.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Used where the server names none, as LiveKit's own default.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// Used where the server names none, as LiveKit's own default.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);
/// No server makes us ping more often than once in a second, or less often than once in a minute.
const INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// Pings that are remembered until they are answered.
const UNANSWERED: usize = 16;
/// Whatever a server says, silence of this length is the end of a connection.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(120);

/// Pings of one connection.
#[derive(Debug)]
pub(super) struct PingClock {
    interval: Duration,
    timeout: Duration,
    /// Zero of the time stamps that we send; only we read them again.
    epoch: Instant,
    next: Instant,
    /// When anything was heard last.
    heard: Instant,
    /// Stamps of pings that are not answered, with their times.
    sent: VecDeque<(i64, Instant)>,
    /// The newest round trip, which the next ping tells the server.
    rtt: Option<Duration>,
}

impl PingClock {
    /// Begins at `now`, by the seconds that the `JoinResponse` names; zero or less means none.
    pub(super) fn new(now: Instant, interval_secs: i32, timeout_secs: i32) -> Self {
        let seconds = |value: i32| u64::try_from(value).ok().filter(|value| *value > 0);
        let interval = seconds(interval_secs)
            .map_or(DEFAULT_INTERVAL, Duration::from_secs)
            .clamp(INTERVALS[0], INTERVALS[1]);
        let timeout = seconds(timeout_secs)
            .map_or(DEFAULT_TIMEOUT, Duration::from_secs)
            .clamp(interval, LONGEST_TIMEOUT);
        Self {
            interval,
            timeout,
            epoch: now,
            next: now,
            heard: now,
            sent: VecDeque::new(),
            rtt: None,
        }
    }

    /// Goes on over a new connection.
    pub(super) fn restart(&mut self, now: Instant) {
        self.next = now;
        self.heard = now;
        self.sent.clear();
    }

    /// Something came, whatever it was.
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard = self.heard.max(now);
    }

    /// Nothing was heard for longer than the server allows.
    pub(super) fn is_dead(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) >= self.timeout
    }

    /// The time stamp and the newest round trip, both in milliseconds, of a ping that is due.
    pub(super) fn due(&mut self, now: Instant) -> Option<(i64, i64)> {
        if now < self.next {
            return None;
        }
        self.next = now + self.interval;
        let stamp = millis(now.saturating_duration_since(self.epoch)).max(1);
        if self.sent.len() == UNANSWERED {
            self.sent.pop_front();
        }
        self.sent.push_back((stamp, now));
        Some((stamp, self.rtt.map_or(0, millis)))
    }

    /// The round-trip time of the ping whose stamp came back. `None` for a stamp that was not sent, or
    /// was answered before.
    pub(super) fn answer(&mut self, now: Instant, stamp: i64) -> Option<Duration> {
        let place = self.sent.iter().position(|(sent, _)| *sent == stamp)?;
        let (_, at) = self.sent.remove(place)?;
        let rtt = now.saturating_duration_since(at);
        self.rtt = Some(rtt);
        Some(rtt)
    }

    /// When this wants to be asked again.
    pub(super) fn wake_at(&self) -> Instant {
        self.next.min(self.heard + self.timeout)
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
