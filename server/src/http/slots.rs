//! Counted places: so many at a time in all, so many from one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The places.
#[derive(Debug)]
pub(crate) struct Slots {
    max: usize,
    max_per_address: usize,
    taken: Mutex<Taken>,
    n_refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    address: Option<IpAddr>,
}

impl Slots {
    /// Empty places.
    pub(crate) fn new(max: usize, max_per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            max_per_address,
            taken: Mutex::default(),
            n_refused: AtomicU64::new(0),
        })
    }

    /// A place for a client at `address`; `None` as address counts in the total only, which is
    /// for proxies that stand for many clients.
    pub(crate) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Slot> {
        let address = address.map(household);
        let mut taken = self.lock();
        if taken.total >= self.max || !taken.add(address, self.max_per_address) {
            drop(taken);
            self.n_refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        taken.total += 1;
        drop(taken);
        Some(Slot {
            slots: Arc::clone(self),
            address,
        })
    }

    /// Places taken now.
    pub(crate) fn n_taken(&self) -> usize {
        self.lock().total
    }

    /// Clients turned away since the start.
    pub(crate) fn n_refused(&self) -> u64 {
        self.n_refused.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn add(&mut self, address: Option<IpAddr>, max: usize) -> bool {
        let Some(address) = address else {
            return true;
        };
        let held = self.by_address.entry(address).or_default();
        let fits = *held < max;
        *held += usize::from(fits);
        fits
    }

    fn remove(&mut self, address: Option<IpAddr>) {
        self.total = self.total.saturating_sub(1);
        let Some(address) = address else {
            return;
        };
        if let Some(held) = self.by_address.get_mut(&address) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().remove(self.address);
    }
}

/// One IPv4 address, or one IPv6 /64, which is what one household holds.
pub(crate) fn household(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(slots: &Arc<Slots>, address: &str) -> Option<Slot> {
        slots.take(Some(address.parse().unwrap()))
    }

    #[test]
    fn one_address_takes_no_more_than_its_share_and_gets_it_back() {
        let slots = Slots::new(10, 2);
        let first = take(&slots, "192.0.2.1").unwrap();
        let _second = take(&slots, "::ffff:192.0.2.1").unwrap();
        assert!(take(&slots, "192.0.2.1").is_none());
        assert!(take(&slots, "192.0.2.2").is_some());
        drop(first);
        assert!(take(&slots, "192.0.2.1").is_some());
        assert_eq!(slots.n_refused(), 1);
    }

    #[test]
    fn a_64_counts_as_one_address() {
        let slots = Slots::new(10, 1);
        let _held = take(&slots, "2001:db8::1").unwrap();
        assert!(take(&slots, "2001:db8::ffff:1").is_none());
        assert!(take(&slots, "2001:db8:0:1::1").is_some());
    }

    #[test]
    fn the_total_binds_everybody_and_nothing_is_kept_of_those_who_left() {
        let slots = Slots::new(2, 2);
        let held = [
            slots.take(None).unwrap(),
            take(&slots, "192.0.2.1").unwrap(),
        ];
        assert!(slots.take(None).is_none());
        drop(held);
        assert_eq!(slots.n_taken(), 0);
        assert!(slots.lock().by_address.is_empty());
    }
}
