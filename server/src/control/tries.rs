//! Wrong passcodes, counted for each address and topic.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::session::Millis;
use super::store::SessionKey;
use crate::http::slots::household;

/// Addresses and topics that are remembered at a time; beyond that, some are forgotten.
const MAX_KNOWN: usize = 16_384;
/// Tries are counted over this time.
const WINDOW_MS: Millis = 60_000;
/// How often what is past is looked for, when there are many.
const SWEEP_MS: Millis = 1_000;

/// Wrong tries of the last minute.
#[derive(Debug)]
pub(crate) struct Tries {
    most: u32,
    known: HashMap<(IpAddr, SessionKey), Count>,
    swept: Millis,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    wrong: u32,
    since: Millis,
}

impl Tries {
    /// Allows `most` wrong tries a minute.
    pub(crate) fn new(most: u32) -> Self {
        Self {
            most,
            known: HashMap::new(),
            swept: Millis::MIN,
        }
    }

    /// Counts a try as wrong before it is looked at, so that many at a time are no way around the
    /// limit. [`Tries::was_right`] takes it back.
    ///
    /// # Errors
    /// When there were too many: after how long the next is allowed.
    pub(crate) fn begin(
        &mut self,
        ip: IpAddr,
        key: &SessionKey,
        now: Millis,
    ) -> Result<(), Duration> {
        self.make_room(now);
        let fresh = Count {
            wrong: 0,
            since: now,
        };
        let count = self
            .known
            .entry((household(ip), key.clone()))
            .or_insert(fresh);
        if now - count.since >= WINDOW_MS {
            *count = fresh;
        }
        if count.wrong >= self.most {
            let left = u64::try_from(count.since + WINDOW_MS - now).unwrap_or_default();
            return Err(Duration::from_millis(left));
        }
        count.wrong += 1;
        Ok(())
    }

    /// The try was right, or about something else than the passcode.
    pub(crate) fn was_right(&mut self, ip: IpAddr, key: &SessionKey) {
        let who = (household(ip), key.clone());
        if let Some(count) = self.known.get_mut(&who) {
            count.wrong = count.wrong.saturating_sub(1);
            if count.wrong == 0 {
                self.known.remove(&who);
            }
        }
    }

    fn make_room(&mut self, now: Millis) {
        if self.known.len() < MAX_KNOWN {
            return;
        }
        if now.saturating_sub(self.swept) >= SWEEP_MS {
            self.swept = now;
            self.known.retain(|_, count| now - count.since < WINDOW_MS);
        }
        // Any one: to look for the oldest among all would make each try of an attack dear.
        if self.known.len() >= MAX_KNOWN
            && let Some(who) = self.known.keys().next().cloned()
        {
            self.known.remove(&who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use greenroom_protocol::session::Topic;

    fn key(topic: &str) -> SessionKey {
        SessionKey {
            app: "trial".to_owned(),
            topic: Topic::new(topic).unwrap(),
        }
    }

    #[test]
    fn s52_wrong_tries_are_limited_by_address_and_topic() {
        let mut tries = Tries::new(3);
        let ip = IpAddr::from([192, 0, 2, 1]);
        for at in 0..3 {
            tries.begin(ip, &key("a"), at).unwrap();
        }
        assert_eq!(
            tries.begin(ip, &key("a"), 1000),
            Err(Duration::from_millis(59_000))
        );
        tries.begin(ip, &key("b"), 1000).unwrap();
        tries
            .begin(IpAddr::from([192, 0, 2, 2]), &key("a"), 1000)
            .unwrap();
        tries.begin(ip, &key("a"), 60_000).unwrap();
    }

    #[test]
    fn right_ones_do_not_count_and_nothing_is_kept_of_them() {
        let mut tries = Tries::new(1);
        let ip = IpAddr::from([192, 0, 2, 1]);
        for at in 0..100 {
            tries.begin(ip, &key("a"), at).unwrap();
            tries.was_right(ip, &key("a"));
        }
        assert!(tries.known.is_empty());
    }

    #[test]
    fn many_addresses_leave_it_bounded() {
        let mut tries = Tries::new(1);
        for number in 0..40_000_u32 {
            let ip = IpAddr::from(number.to_be_bytes());
            tries
                .begin(ip, &key("a"), Millis::from(number / 10_000))
                .unwrap();
        }
        assert!(tries.known.len() <= MAX_KNOWN);
    }
}
