//! When a finding applies. A rule looks at the facts and returns what it hit; none knows another.

mod bandwidth;
pub(super) mod camera;
pub(super) mod device;
mod direction;
pub(super) mod microphone;
mod network;
mod resolve;
pub(super) mod speaker;
mod stun;
mod system;
mod turn;
mod web;

use super::facts::{Facts, Hit};
use super::fault;

/// Every rule's hits, in no particular order.
pub(super) fn hits(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = system::hits(facts);
    hits.extend(network::hits(facts));
    hits.extend(direction::hits(facts));
    hits.extend(bandwidth::hits(facts));
    hits.extend(resolve::hits(facts));
    hits.extend(web::hits(facts));
    hits.extend(turn::hits(facts));
    hits.extend(stun::hits(facts));
    hits.extend(fault::hits(facts));
    hits
}

pub(super) use bandwidth::{capacity_suffices, idle_stream_exceeds, suffices_at_times};
pub(super) use direction::comes_in_spikes;
