//! What the answers mean together; pure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use greenroom_reports::model::stun::{Mapping, NatSection};

/// What one server saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) server: SocketAddr,
    pub(super) mapped: SocketAddr,
}

/// What the NAT of IPv4 does, by what servers saw of one socket whose address here is `local`;
/// `None` when none saw anything. `hairpins` tells whether a packet to the own mapping came back.
pub(super) fn nat(local: SocketAddr, seen: &[Seen], hairpins: Option<bool>) -> Option<NatSection> {
    let mut seen = seen.iter().filter(|s| s.mapped.is_ipv4()).peekable();
    seen.peek()?;
    // A server on this side of the NAT tells nothing of it.
    let outside: Vec<&Seen> = seen.filter(|s| s.mapped != local).collect();
    let translated = !outside.is_empty();
    Some(NatSection {
        translated,
        mapping: mapping(&outside),
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
    Some(if others.iter().all(|s| s.mapped == first.mapped) {
        Mapping::EndpointIndependent
    } else {
        Mapping::EndpointDependent
    })
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
        nat(local.parse().unwrap(), all, Some(false)).unwrap()
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
        assert_eq!(dependent, Some(Mapping::EndpointDependent));
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
        assert_eq!(nat(LOCAL.parse().unwrap(), &[], None), None);
        let v6 = seen("[2001:db8::1]:3478", "[2001:db8::2]:5000");
        assert_eq!(nat(LOCAL.parse().unwrap(), &[v6], None), None);
    }
}
