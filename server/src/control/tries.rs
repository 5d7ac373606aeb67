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

    /// Whether the next try is looked at.
    ///
    /// # Errors
    /// When there were too many wrong ones: after how long the next is allowed.
    pub(crate) fn allow(&self, ip: IpAddr, key: &SessionKey, now: Millis) -> Result<(), Duration> {
        let count = self.known.get(&(household(ip), key.clone()));
        let left = count
            .filter(|count| count.wrong >= self.most)
            .map_or(0, |count| count.since + WINDOW_MS - now);
        match u64::try_from(left) {
            Ok(left) if left > 0 => Err(Duration::from_millis(left)),
            _ => Ok(()),
        }
    }

    /// A try was wrong. To be called before another one is looked at.
    pub(crate) fn was_wrong(&mut self, ip: IpAddr, key: &SessionKey, now: Millis) {
        self.make_room(now);
        let fresh = Count {
            wrong: 0,
            since: now,
        };
        let who = (household(ip), key.clone());
        let count = self.known.entry(who).or_insert(fresh);
        if now - count.since >= WINDOW_MS {
            *count = fresh;
        }
        count.wrong += 1;
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
            tries.allow(ip, &key("a"), at).unwrap();
            tries.was_wrong(ip, &key("a"), at);
        }
        let wait = Duration::from_millis(59_000);
        assert_eq!(tries.allow(ip, &key("a"), 1000), Err(wait));
        tries.allow(ip, &key("b"), 1000).unwrap();
        let other = IpAddr::from([192, 0, 2, 2]);
        tries.allow(other, &key("a"), 1000).unwrap();
        tries.allow(ip, &key("a"), 60_000).unwrap();
        tries.was_wrong(ip, &key("a"), 60_000);
        tries.allow(ip, &key("a"), 60_000).unwrap();
    }

    #[test]
    fn many_addresses_leave_it_bounded() {
        let mut tries = Tries::new(1);
        for number in 0..40_000_u32 {
            let ip = IpAddr::from(number.to_be_bytes());
            tries.was_wrong(ip, &key("a"), Millis::from(number / 10_000));
        }
        assert!(tries.known.len() <= MAX_KNOWN);
    }
}
