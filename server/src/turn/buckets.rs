//! Token buckets: so many at once, so many a second.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use greenroom_protocol::measure::time::MonotonicTime;

use crate::http::slots::household;

/// What may be spent, refilled as time goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    at: MonotonicTime,
}

/// How a bucket refills.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refill {
    /// Tokens a second.
    pub(crate) per_second: f64,
    /// Most tokens.
    pub(crate) most: f64,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn full(refill: Refill, now: MonotonicTime) -> Self {
        Self {
            tokens: refill.most,
            at: now,
        }
    }

    /// Takes `n` tokens, if they are there.
    pub(crate) fn take(&mut self, refill: Refill, n: f64, now: MonotonicTime) -> bool {
        let gained = now.since(self.at).as_secs_f64() * refill.per_second;
        self.tokens = (self.tokens + gained).min(refill.most);
        self.at = now;
        let fits = self.tokens >= n;
        if fits {
            self.tokens -= n;
        }
        fits
    }
}

/// Addresses that are remembered at a time: 64 bytes each.
const MAX_ADDRESSES: usize = 8192;

/// A bucket for each address, and one for all that do not fit any more.
#[derive(Debug)]
pub(crate) struct AddressBuckets {
    refill: Refill,
    by_address: HashMap<IpAddr, Bucket>,
    rest: Bucket,
    swept: MonotonicTime,
}

impl AddressBuckets {
    /// Full buckets.
    pub(crate) fn new(refill: Refill) -> Self {
        Self {
            refill,
            by_address: HashMap::new(),
            rest: Bucket::full(refill, MonotonicTime::default()),
            swept: MonotonicTime::default(),
        }
    }

    /// Takes one token of an IPv4 address or an IPv6 /64.
    pub(crate) fn take(&mut self, ip: IpAddr, now: MonotonicTime) -> bool {
        let address = household(ip);
        let refill = self.refill;
        if self.by_address.len() >= MAX_ADDRESSES && !self.by_address.contains_key(&address) {
            self.sweep(now);
            if self.by_address.len() >= MAX_ADDRESSES {
                return self.rest.take(refill, 1.0, now);
            }
        }
        let full = || Bucket::full(refill, now);
        let bucket = self.by_address.entry(address).or_insert_with(full);
        bucket.take(refill, 1.0, now)
    }

    /// Forgets who is full again, once a second at most: a flood must not buy a scan a packet.
    fn sweep(&mut self, now: MonotonicTime) {
        if now.since(self.swept) < Duration::from_secs(1) {
            return;
        }
        self.swept = now;
        let refilled = Duration::from_secs_f64(self.refill.most / self.refill.per_second);
        self.by_address
            .retain(|_, bucket| now.since(bucket.at) < refilled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFILL: Refill = Refill {
        per_second: 2.0,
        most: 4.0,
    };

    fn at(ms: u64) -> MonotonicTime {
        MonotonicTime::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn an_address_gets_its_burst_and_then_its_rate() {
        let mut buckets = AddressBuckets::new(REFILL);
        let ip = "192.0.2.1".parse().unwrap();
        let taken =
            |buckets: &mut AddressBuckets, ms| (0..10).filter(|_| buckets.take(ip, at(ms))).count();
        assert_eq!(taken(&mut buckets, 5000), 4);
        assert_eq!(taken(&mut buckets, 6000), 2);
        assert!(buckets.take("192.0.2.2".parse().unwrap(), at(6000)));
    }

    #[test]
    fn many_addresses_take_bounded_memory_and_are_forgotten() {
        let mut buckets = AddressBuckets::new(REFILL);
        let ip = |n: u32| IpAddr::from(n.to_be_bytes());
        let n_answered = (0..20_000)
            .filter(|n| buckets.take(ip(*n), at(5000)))
            .count();
        assert_eq!(n_answered, MAX_ADDRESSES + 4);
        assert_eq!(buckets.by_address.len(), MAX_ADDRESSES);
        assert!(buckets.take(ip(30_000), at(8000)));
        assert_eq!(buckets.by_address.len(), 1);
    }
}
