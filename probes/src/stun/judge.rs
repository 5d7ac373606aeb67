//! What the answers mean together; pure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use greenroom_reports::model::stun::{Filtering, Mapping, NatSection};
use greenroom_session::stun::Heard;

/// What one server saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) server: SocketAddr,
    pub(super) mapped: SocketAddr,
}

/// What the NAT of IPv4 does, by what servers saw of one socket whose address here is `local`;
/// `None` when none saw anything. `hairpins` tells whether a packet to the own mapping came back, and
/// `heard` from where answers came in at another socket.
pub(super) fn nat(
    local: SocketAddr,
    seen: &[Seen],
    hairpins: Option<bool>,
    heard: Option<Heard>,
) -> Option<NatSection> {
    let mut seen = seen.iter().filter(|s| s.mapped.is_ipv4()).peekable();
    seen.peek()?;
    // A server on this side of the NAT tells nothing of it.
    let outside: Vec<&Seen> = seen.filter(|s| s.mapped != local).collect();
    let translated = !outside.is_empty();
    Some(NatSection {
        translated,
        mapping: mapping(&outside),
        filtering: heard.and_then(filtering),
        preserves_port: translated.then(|| outside.iter().all(|s| s.mapped.port() == local.port())),
        hairpins: hairpins.filter(|_| translated),
        carrier_grade: outside.iter().any(|s| is_behind_another(local.ip(), s)),
    })
}

/// Two servers tell; without a NAT everybody sees the same.
fn mapping(outside: &[&Seen]) -> Option<Mapping> {
    let Some(first) = outside.first() else {
        return Some(Mapping::EndpointIndependent);
    };
    // Two ports of one address that see the same may still be told apart from another address.
    let is_other = |s: &&&Seen| s.server.ip() != first.server.ip() || s.mapped != first.mapped;
    let others: Vec<&&Seen> = outside.iter().filter(is_other).collect();
    if others.is_empty() {
        return None;
    }
    if others.iter().all(|s| s.mapped == first.mapped) {
        return Some(Mapping::EndpointIndependent);
    }
    // Two ports of one address tell of what the mapping depends (RFC 5780 §4.3).
    let same_address = outside.iter().flat_map(|one| {
        let is_same = |other: &&&Seen| {
            other.server.ip() == one.server.ip() && other.server.port() != one.server.port()
        };
        let others = outside.iter().filter(is_same);
        others.map(|other| other.mapped == one.mapped)
    });
    let same_address: Vec<bool> = same_address.collect();
    Some(if same_address.contains(&false) {
        Mapping::AddressAndPortDependent
    } else if same_address.is_empty() {
        Mapping::EndpointDependent
    } else {
        Mapping::AddressDependent
    })
}

/// RFC 5780 §4.4.
fn filtering(heard: Heard) -> Option<Filtering> {
    if heard.other_address {
        return Some(Filtering::EndpointIndependent);
    }
    if heard.other_port {
        return Some(Filtering::AddressDependent);
    }
    (!heard.ignores_change).then_some(Filtering::AddressAndPortDependent)
}

/// The range that providers share (RFC 6598), here or outside; or a private address outside, before
/// a server that has a public one.
fn is_behind_another(local: IpAddr, seen: &Seen) -> bool {
    let private_outside = is_private(seen.mapped.ip()) && !is_private(seen.server.ip());
    is_shared(local) || is_shared(seen.mapped.ip()) || private_outside
}

fn is_shared(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            a == 100 && (64..128).contains(&b)
        }
        IpAddr::V6(_) => false,
    }
}

fn is_private(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if v4.is_private() || v4.is_loopback() || v4 == Ipv4Addr::UNSPECIFIED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(server: &str, mapped: &str) -> Seen {
        Seen {
            server: server.parse().unwrap(),
            mapped: mapped.parse().unwrap(),
        }
    }

    fn told(local: &str, all: &[Seen]) -> NatSection {
        nat(local.parse().unwrap(), all, Some(false), None).unwrap()
    }

    const LOCAL: &str = "192.168.1.10:5000";

    #[test]
    fn the_same_address_is_no_nat() {
        let nat = told(
            "192.0.2.1:5000",
            &[seen("198.51.100.1:3478", "192.0.2.1:5000")],
        );
        assert!(!nat.translated && !nat.carrier_grade);
        assert_eq!(nat.mapping, Some(Mapping::EndpointIndependent));
        assert_eq!((nat.preserves_port, nat.hairpins), (None, None));
    }

    #[test]
    fn two_servers_tell_the_mapping_and_one_does_not() {
        let one = seen("198.51.100.1:3478", "192.0.2.1:5000");
        let same = seen("198.51.100.2:3478", "192.0.2.1:5000");
        let other = seen("198.51.100.2:3478", "192.0.2.1:5001");
        assert_eq!(told(LOCAL, &[one]).mapping, None);
        assert_eq!(told(LOCAL, &[one, one]).mapping, None);
        let independent = told(LOCAL, &[one, same]);
        assert_eq!(independent.mapping, Some(Mapping::EndpointIndependent));
        assert_eq!(independent.preserves_port, Some(true));
        let dependent = told(LOCAL, &[one, other]);
        assert_eq!(dependent.mapping, Some(Mapping::EndpointDependent));
        assert_eq!(dependent.preserves_port, Some(false));
    }

    #[test]
    fn two_ports_of_one_server_tell_only_if_they_see_different_things() {
        let one = seen("198.51.100.1:3478", "192.0.2.1:5000");
        let same = seen("198.51.100.1:3479", "192.0.2.1:5000");
        let other = seen("198.51.100.1:3479", "192.0.2.1:5001");
        assert_eq!(told(LOCAL, &[one, same]).mapping, None);
        let dependent = told(LOCAL, &[one, other]).mapping;
        assert_eq!(dependent, Some(Mapping::AddressAndPortDependent));
    }

    #[test]
    fn two_ports_of_two_addresses_tell_of_what_a_mapping_depends() {
        let seen_at = |mapped: [&str; 4]| {
            let servers = ["1:3478", "2:3478", "2:3479", "1:3479"];
            let both = servers.iter().zip(mapped);
            let all = both.map(|(server, port)| {
                seen(
                    &format!("198.51.100.{server}"),
                    &format!("192.0.2.1:{port}"),
                )
            });
            told(LOCAL, &all.collect::<Vec<_>>()).mapping
        };
        for (mapped, mapping) in [
            (["1", "1", "1", "1"], Mapping::EndpointIndependent),
            (["1", "2", "2", "1"], Mapping::AddressDependent),
            (["1", "2", "3", "4"], Mapping::AddressAndPortDependent),
            (["1", "2", "3", "1"], Mapping::AddressAndPortDependent),
        ] {
            assert_eq!(seen_at(mapped), Some(mapping), "{mapped:?}");
        }
    }

    #[test]
    fn who_is_heard_tells_what_is_let_in() {
        let told = |other_address, other_port, ignores_change| {
            filtering(Heard {
                other_address,
                other_port,
                ignores_change,
            })
        };
        let everybody = Some(Filtering::EndpointIndependent);
        assert_eq!(told(true, true, false), everybody);
        // One of the two was lost.
        assert_eq!(told(true, false, false), everybody);
        assert_eq!(told(false, true, false), Some(Filtering::AddressDependent));
        let nobody = Some(Filtering::AddressAndPortDependent);
        assert_eq!(told(false, false, false), nobody);
        assert_eq!(told(false, false, true), None);
    }

    #[test]
    fn a_server_on_this_side_of_the_nat_tells_nothing_of_it() {
        let near = seen("192.168.1.1:3478", LOCAL);
        let one = seen("198.51.100.1:3478", "192.0.2.1:5000");
        let same = seen("198.51.100.2:3478", "192.0.2.1:5000");
        let nat = told(LOCAL, &[near, one, same]);
        assert!(nat.translated);
        assert_eq!(nat.mapping, Some(Mapping::EndpointIndependent));
    }

    #[test]
    fn shared_addresses_tell_of_the_providers_nat() {
        for (local, server, mapped, shared) in [
            (LOCAL, "198.51.100.1:3478", "192.0.2.1:5000", false),
            (LOCAL, "198.51.100.1:3478", "100.64.0.1:5000", true),
            (LOCAL, "198.51.100.1:3478", "100.127.0.1:5000", true),
            (LOCAL, "198.51.100.1:3478", "100.128.0.1:5000", false),
            ("100.70.1.2:5000", "198.51.100.1:3478", "192.0.2.1:1", true),
            (LOCAL, "198.51.100.1:3478", "10.0.0.1:5000", true),
            (LOCAL, "10.0.0.9:3478", "10.0.0.1:5000", false),
        ] {
            let nat = told(local, &[seen(server, mapped)]);
            assert_eq!(nat.carrier_grade, shared, "{mapped}");
        }
    }

    #[test]
    fn nothing_seen_is_nothing_known() {
        assert_eq!(nat(LOCAL.parse().unwrap(), &[], None, None), None);
        let v6 = seen("[2001:db8::1]:3478", "[2001:db8::2]:5000");
        assert_eq!(nat(LOCAL.parse().unwrap(), &[v6], None, None), None);
    }
}
