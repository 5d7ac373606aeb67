//! How many allocations there may be, and whose they are.

use std::{collections::HashMap, net::IpAddr};

use crate::http::slots::household;
use crate::turn::credentials::Reach;

/// Most allocations of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quotas {
    /// In all.
    pub(crate) total: usize,
    /// Of these with public credentials: the operator's own users are not crowded out.
    pub(crate) public: usize,
    /// From one IPv4 address or IPv6 /64.
    pub(crate) per_address: usize,
    /// Of one user name.
    pub(crate) per_user: usize,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// The user or the address has had enough (486).
    Quota,
    /// The server has (508).
    Capacity,
}

/// Allocations counted.
#[derive(Debug, Default)]
pub(crate) struct Held {
    total: usize,
    public: usize,
    by_address: HashMap<IpAddr, usize>,
    by_user: HashMap<String, usize>,
}

impl Held {
    /// Takes a place for a user at an address.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn take(
        &mut self,
        quotas: Quotas,
        ip: IpAddr,
        user: &str,
        reach: Reach,
    ) -> Result<(), NoRoom> {
        let of_address = self.by_address.get(&household(ip)).copied().unwrap_or(0);
        let of_user = self.by_user.get(user).copied().unwrap_or(0);
        if of_address >= quotas.per_address || of_user >= quotas.per_user {
            return Err(NoRoom::Quota);
        }
        let is_public = reach == Reach::Own;
        if self.total >= quotas.total || (is_public && self.public >= quotas.public) {
            return Err(NoRoom::Capacity);
        }
        self.total += 1;
        self.public += usize::from(is_public);
        *self.by_address.entry(household(ip)).or_default() += 1;
        *self.by_user.entry(user.to_owned()).or_default() += 1;
        Ok(())
    }

    /// Gives a place back.
    pub(crate) fn give_back(&mut self, ip: IpAddr, user: &str, reach: Reach) {
        self.total = self.total.saturating_sub(1);
        self.public = self.public.saturating_sub(usize::from(reach == Reach::Own));
        let address = household(ip);
        if let Some(n) = self.by_address.get_mut(&address) {
            *n = n.saturating_sub(1);
            if *n == 0 {
                self.by_address.remove(&address);
            }
        }
        if let Some(n) = self.by_user.get_mut(user) {
            *n = n.saturating_sub(1);
            if *n == 0 {
                self.by_user.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTAS: Quotas = Quotas {
        total: 4,
        public: 3,
        per_address: 2,
        per_user: 2,
    };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_users_and_everybody_have_their_limits_and_get_them_back() {
        let mut held = Held::default();
        let take = |held: &mut Held, address: &str, user: &str, reach| {
            held.take(QUOTAS, ip(address), user, reach)
        };
        assert_eq!(take(&mut held, "192.0.2.1", "a", Reach::Own), Ok(()));
        assert_eq!(take(&mut held, "192.0.2.1", "b", Reach::Own), Ok(()));
        let third = take(&mut held, "192.0.2.1", "c", Reach::Own);
        assert_eq!(third, Err(NoRoom::Quota));
        assert_eq!(take(&mut held, "192.0.2.2", "a", Reach::Own), Ok(()));
        let of_user = take(&mut held, "192.0.2.3", "a", Reach::Own);
        assert_eq!(of_user, Err(NoRoom::Quota));
        let public = take(&mut held, "192.0.2.4", "d", Reach::Own);
        assert_eq!(public, Err(NoRoom::Capacity));
        assert_eq!(take(&mut held, "192.0.2.4", "d", Reach::Peers), Ok(()));
        let full = take(&mut held, "192.0.2.5", "e", Reach::Peers);
        assert_eq!(full, Err(NoRoom::Capacity));
        held.give_back(ip("192.0.2.1"), "a", Reach::Own);
        assert_eq!(take(&mut held, "192.0.2.5", "e", Reach::Own), Ok(()));
    }

    #[test]
    fn nothing_is_kept_of_those_who_left() {
        let mut held = Held::default();
        held.take(QUOTAS, ip("192.0.2.1"), "a", Reach::Own).unwrap();
        held.give_back(ip("192.0.2.1"), "a", Reach::Own);
        assert!(held.by_address.is_empty() && held.by_user.is_empty());
        assert_eq!((held.total, held.public), (0, 0));
    }
}
