//! Reordering and duplicates from the order of arrival.

use std::collections::BTreeMap;

use super::proportion::wilson_interval;
use crate::model::path::Order;
use crate::units::Ratio;

impl Order {
    /// Summarizes sequence numbers in the order of their arrival, copies included.
    ///
    /// A packet is reordered when a later-sent one arrived before it; its extent is the number of
    /// distinct packets between the first such one and itself. `None` without an arrival.
    ///
    /// Source: RFC 4737 §3 and §4.2.1, RFC 5560 §4.
    pub fn from_arrivals(arrivals: &[u64]) -> Option<Self> {
        let mut copies: BTreeMap<u64, u64> = BTreeMap::new();
        let mut highest_so_far: Vec<u64> = Vec::new();
        let (mut reordered, mut max_extent) = (0, 0);
        for &sequence in arrivals {
            let seen = copies.entry(sequence).or_default();
            *seen += 1;
            if *seen > 1 {
                continue;
            }
            let highest = highest_so_far.last().copied().unwrap_or(sequence);
            if sequence < highest {
                reordered += 1;
                let first_later = highest_so_far.partition_point(|&h| h < sequence);
                max_extent = max_extent.max(highest_so_far.len() - first_later);
            }
            highest_so_far.push(highest.max(sequence));
        }
        let received = u64::try_from(copies.len()).ok()?;
        let duplicated = copies.values().filter(|&&n| n > 1).count() as u64;
        Some(Self {
            packets_received: received,
            packets_reordered: reordered,
            reordered_ratio: Ratio::of(reordered, received)?,
            reordered_ratio_interval: wilson_interval(reordered, received)?,
            max_extent_packets: max_extent as u64,
            duplicates: copies.values().map(|n| n - 1).sum(),
            duplicate_ratio: Ratio::of(duplicated, received)?,
            duplicate_ratio_interval: wilson_interval(duplicated, received)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_late_packet_is_reordered_not_those_that_overtook_it() {
        // RFC 4737 §7.1 style: 4 arrives after 5, 6 and 7.
        let order = Order::from_arrivals(&[1, 2, 3, 5, 6, 7, 4, 8]).unwrap();
        assert_eq!((order.packets_reordered, order.max_extent_packets), (1, 3));
        assert_eq!(order.reordered_ratio, Ratio::of(1, 8).unwrap());
    }

    #[test]
    fn a_copy_is_a_duplicate_and_never_reordered() {
        let order = Order::from_arrivals(&[1, 2, 1, 1, 3, 2]).unwrap();
        assert_eq!((order.packets_received, order.duplicates), (3, 3));
        assert_eq!(order.packets_reordered, 0);
        assert_eq!(order.duplicate_ratio, Ratio::of(2, 3).unwrap());
    }

    #[test]
    fn no_arrival_gives_no_order() {
        assert_eq!(Order::from_arrivals(&[]), None);
    }

    proptest! {
        #[test]
        fn the_number_received_does_not_depend_on_the_order(
            mut arrivals in proptest::collection::vec(0_u64..200, 1..300)
        ) {
            let one = Order::from_arrivals(&arrivals).unwrap();
            arrivals.sort_unstable();
            let sorted = Order::from_arrivals(&arrivals).unwrap();
            prop_assert_eq!(sorted.packets_reordered, 0);
            prop_assert_eq!(one.packets_received, sorted.packets_received);
            prop_assert_eq!(one.duplicates, sorted.duplicates);
            prop_assert!(one.packets_reordered < one.packets_received);
        }
    }
}
