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
    let seen: Vec<&Seen> = seen.iter().filter(|s| s.mapped.is_ipv4()).collect();
    let first = seen.first()?;
    let translated = seen.iter().any(|s| s.mapped != local);
    Some(NatSection {
        translated,
        mapping: mapping(&seen, translated),
        preserves_port: translated.then(|| seen.iter().all(|s| s.mapped.port() == local.port())),
        hairpins: hairpins.filter(|_| translated),
        carrier_grade: translated && is_behind_another(local.ip(), first),
    })
}

/// Two servers tell, by another address or port; one that sees no NAT tells too.
fn mapping(seen: &[&Seen], translated: bool) -> Option<Mapping> {
    if !translated {
        return Some(Mapping::EndpointIndependent);
    }
    let first = seen.first()?;
    let others: Vec<&&Seen> = seen.iter().filter(|s| s.server != first.server).collect();
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
