//! When a finding applies. A rule looks at the facts and returns what it hit; none knows another.

mod direction;
mod network;
mod system;

use super::facts::{Facts, Hit};

/// Every rule's hits, in no particular order.
pub(super) fn hits(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = system::hits(facts);
    hits.extend(network::hits(facts));
    hits.extend(direction::hits(facts));
    hits
}

pub(super) use direction::comes_in_spikes;
