//! Waits for what the client of the sound server promises, but not for long.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What the future gives; `None` when it takes longer.
pub(super) fn wait<T>(future: impl Future<Output = T>, longest: Duration) -> Option<T> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let until = Instant::now() + longest;
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[test]
    fn what_is_ready_is_given_and_what_never_comes_is_not_waited_for() {
        assert_eq!(wait(ready(7), Duration::ZERO), Some(7));
        assert_eq!(wait(pending::<()>(), Duration::from_millis(5)), None);
    }
}
