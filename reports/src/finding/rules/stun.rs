//! Findings about the NAT.

use crate::finding::facts::{Facts, Hit, number, word};
use crate::model::finding::Severity;
use crate::model::stun::{Mapping, NatSection, StunSection, StunServer, StunTransport};

pub(super) fn hits(facts: &Facts<'_>) -> Vec<Hit> {
    let Some(stun) = facts.parts.stun.data() else {
        return Vec::new();
    };
    let nat = stun.nat.as_ref();
    [
        nat.and_then(|nat| needs_relay(stun, nat)),
        nat.and_then(carrier_grade),
        udp_blocked(facts, stun),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A note: calls through a server do not mind, and whether a relay is there, TURN tells.
fn needs_relay(stun: &StunSection, nat: &NatSection) -> Option<Hit> {
    let mapping = match nat.mapping? {
        Mapping::EndpointIndependent => return None,
        Mapping::AddressDependent => "another one for each address",
        Mapping::AddressAndPortDependent => "another one for each address and port",
        Mapping::EndpointDependent => "another one for each server",
    };
    let over_udp = |server: &&StunServer| server.transport == StunTransport::Udp;
    let servers = stun.servers.iter().filter(over_udp);
    let answered = servers.filter(|server| server.answered);
    let evidence = vec![
        word("mapping", mapping),
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

/// Servers that answer over TCP or TLS, none of them over UDP. Where the path or TURN was tried, they
/// tell it.
fn udp_blocked(facts: &Facts<'_>, stun: &StunSection) -> Option<Hit> {
    let path = facts.parts.path.data();
    let is_told = path.is_some_and(|path| path.udp_blocked.is_some())
        || facts
            .parts
            .turn
            .data()
            .is_some_and(|turn| !turn.cells.is_empty());
    let is_udp = |server: &&StunServer| server.transport == StunTransport::Udp;
    let (udp, streams): (Vec<&StunServer>, Vec<&StunServer>) = stun
        .servers
        .iter()
        .filter(|s| s.address.is_some())
        .partition(is_udp);
    let answers = |servers: &[&StunServer]| servers.iter().any(|server| server.answered);
    if is_told || udp.is_empty() || answers(&udp) || !answers(&streams) {
        return None;
    }
    let evidence = vec![number("stun_servers", udp.len() as f64, "count")];
    let id = "network.stun.udp_blocked";
    Some(Hit::new(id, Severity::Warning, evidence))
}
