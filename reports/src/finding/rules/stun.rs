//! Findings about the NAT.

use crate::finding::facts::{Facts, Hit, number, word};
use crate::model::finding::Severity;
use crate::model::stun::{Mapping, NatSection, StunSection};

pub(super) fn hits(facts: &Facts<'_>) -> Vec<Hit> {
    let Some(stun) = facts.parts.stun.data() else {
        return Vec::new();
    };
    let nat = stun.nat.as_ref();
    [
        nat.and_then(|nat| needs_relay(stun, nat)),
        nat.and_then(carrier_grade),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A note: calls through a server do not mind, and whether a relay is there, TURN tells.
fn needs_relay(stun: &StunSection, nat: &NatSection) -> Option<Hit> {
    if nat.mapping != Some(Mapping::EndpointDependent) {
        return None;
    }
    let answered = stun.servers.iter().filter(|server| server.answered);
    let evidence = vec![
        word("mapping", "another one for each server"),
        number("stun_servers", answered.count() as f64, "count"),
    ];
    let id = "network.nat.endpoint_dependent";
    Some(Hit::new(id, Severity::Info, evidence))
}

fn carrier_grade(nat: &NatSection) -> Option<Hit> {
    let evidence = vec![word(
        "address",
        "shared among customers, or private outside",
    )];
    let id = "network.nat.carrier_grade";
    (nat.carrier_grade).then(|| Hit::new(id, Severity::Info, evidence))
}
