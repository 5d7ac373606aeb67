//! STUN servers and the NAT, as rows.

use super::details::Rows;
use super::words;
use crate::model::path::Family;
use crate::model::stun::{Filtering, Mapping, NatSection, StunSection, StunServer, StunTransport};

pub(super) fn stun_rows(stun: &StunSection) -> Vec<(String, String)> {
    let mut rows = Rows::default();
    for server in &stun.servers {
        let family = match server.family {
            Some(Family::Ipv4) => " IPv4",
            Some(Family::Ipv6) => " IPv6",
            None => "",
        };
        let host = words::printable(&server.host.to_string());
        let over = over(server.transport);
        rows.add(
            &format!("{host}:{}{over}{family}", server.port),
            answer(server),
        );
    }
    rows.some("NAT", stun.nat.as_ref().map(nat));
    rows.0
}

fn over(transport: StunTransport) -> &'static str {
    match transport {
        StunTransport::Udp => " UDP",
        StunTransport::Tcp => " TCP",
        StunTransport::Tls => " TLS",
    }
}

fn answer(server: &StunServer) -> String {
    if !server.answered {
        return "no answer".to_owned();
    }
    let rtt = server.rtt_ms.map(|ms| format!("answered in {ms}"));
    let mapped = server.mapped_address.as_ref().zip(server.mapped_port);
    let mapped = mapped.map(|(address, port)| format!("sees {address} port {port}"));
    let software = server.software.as_deref().map(words::printable);
    let software = software.map(|software| format!("[{software}]"));
    let parts: Vec<String> = [rtt, mapped, software].into_iter().flatten().collect();
    parts.join(", ")
}

fn nat(nat: &NatSection) -> String {
    let filtering = nat.filtering.map(filtering);
    if !nat.translated {
        let parts = [Some("none"), filtering];
        return parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    }
    let mapping = match nat.mapping {
        Some(Mapping::EndpointIndependent) => "the same mapping for every server",
        Some(Mapping::AddressDependent) => {
            "another mapping for each address, so direct calls need a relay"
        }
        Some(Mapping::AddressAndPortDependent) => {
            "another mapping for each address and port, so direct calls need a relay"
        }
        Some(Mapping::EndpointDependent) => {
            "another mapping for each server, so direct calls need a relay"
        }
        None => "mapping not told, one server answered",
    };
    let yes = |is_so: Option<bool>, yes: &'static str, no: &'static str| {
        is_so.map(|is_so| if is_so { yes } else { no })
    };
    let parts = [
        Some(mapping),
        filtering,
        yes(nat.preserves_port, "keeps ports", "changes ports"),
        yes(nat.hairpins, "hairpins", "no hairpinning"),
        nat.carrier_grade.then_some("the provider's too"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn filtering(filtering: Filtering) -> &'static str {
    match filtering {
        Filtering::EndpointIndependent => "lets in everybody's packets",
        Filtering::AddressDependent => "lets in packets of addresses that were sent to",
        Filtering::AddressAndPortDependent => {
            "lets in packets of addresses and ports that were sent to"
        }
    }
}
