//! Which peers may be relayed to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// What an operator says of peers, before what every server refuses.
#[derive(Clone, Debug, Default)]
pub(crate) struct PeerPolicy {
    /// Networks that are relayed to although they are special.
    pub(crate) allowed: Vec<IpNet>,
    /// Networks that are never relayed to; comes before `allowed`.
    pub(crate) denied: Vec<IpNet>,
}

impl PeerPolicy {
    /// Whether packets may be relayed to this address and back.
    ///
    /// An address that carries an IPv4 address inside (6to4, NAT64) is judged by both; one that
    /// is written as IPv4 in IPv6 is never right, since an IPv4 allocation serves it.
    pub(crate) fn permits(&self, ip: IpAddr) -> bool {
        if self.denies(ip) {
            return false;
        }
        if self.allows(ip) {
            return true;
        }
        match ip {
            IpAddr::V4(v4) => !is_special_v4(v4),
            IpAddr::V6(v6) => {
                !is_special_v6(v6) && embedded(v6).is_none_or(|v4| self.permits(v4.into()))
            }
        }
    }

    /// Whether the operator named this address as one to be reached.
    pub(crate) fn allows(&self, ip: IpAddr) -> bool {
        holds(&self.allowed, ip) && !self.denies(ip)
    }

    fn denies(&self, ip: IpAddr) -> bool {
        holds(&self.denied, ip)
    }
}

/// Whether one of the networks holds the address.
fn holds(networks: &[IpNet], ip: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&ip))
}

/// Addresses that no peer on the internet has: of this machine, of this link, of a private
/// network, of many at once, or reserved.
///
/// Source: RFC 6890, RFC 6598 (100.64.0.0/10), RFC 8656 §21.1.4.
fn is_special_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || a == 0
        || a >= 224
        || (a == 100 && (b & 0xc0) == 64)
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (b & 0xfe) == 18)
}

/// The same of IPv6. Everything outside `2000::/3` but NAT64 is special; inside it, Teredo hides an
/// IPv4 address behind another server, and documentation addresses lead nowhere.
///
/// Source: RFC 6890, RFC 4291, RFC 4380, RFC 6052.
fn is_special_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let is_global = (segments[0] & 0xe000) == 0x2000;
    let is_teredo = segments[..2] == [0x2001, 0];
    let is_documentation = segments[..2] == [0x2001, 0xdb8];
    (!is_global && !is_nat64(ip)) || is_teredo || is_documentation
}

/// The well-known prefix (RFC 6052) and the one for local use (RFC 8215).
fn is_nat64(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    segments[..2] == [0x64, 0xff9b] && (segments[2..6] == [0; 4] || segments[2] == 1)
}

/// The IPv4 address that a gateway would take out of this one.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = ip.segments();
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    if segments[0] == 0x2002 {
        return Some(v4(segments[1], segments[2]));
    }
    is_nat64(ip).then(|| v4(segments[6], segments[7]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(policy: &PeerPolicy, ip: &str) -> bool {
        policy.permits(ip.parse().unwrap())
    }

    #[test]
    fn special_addresses_are_refused_in_every_disguise() {
        let policy = PeerPolicy::default();
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.0.170",
            "198.18.0.1",
            "::",
            "::1",
            "fe80::1",
            "fec0::1",
            "fd00::1",
            "ff02::1",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "2002:7f00:1::1",
            "2002:c0a8:101::",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::10.0.0.1",
            "2001:0:4136:e378::1",
            "2001:db8::1",
        ] {
            assert!(!permits(&policy, ip), "{ip}");
        }
    }

    #[test]
    fn addresses_of_the_internet_are_permitted() {
        let policy = PeerPolicy::default();
        for ip in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "198.20.0.1",
            "2001:4860:4860::8888",
            "2002:808:808::1",
            "64:ff9b::808:808",
        ] {
            assert!(permits(&policy, ip), "{ip}");
        }
    }

    #[test]
    fn an_operator_opens_networks_and_closes_others() {
        let policy = PeerPolicy {
            allowed: vec!["10.0.0.0/8".parse().unwrap()],
            denied: vec![
                "10.9.0.0/16".parse().unwrap(),
                "8.8.8.8/32".parse().unwrap(),
            ],
        };
        assert!(permits(&policy, "10.1.0.1"));
        assert!(!permits(&policy, "10.9.0.1"));
        assert!(!permits(&policy, "8.8.8.8"));
        assert!(!permits(&policy, "192.168.0.1"));
        // What is inside counts too.
        assert!(permits(&policy, "64:ff9b::10.1.0.1"));
        assert!(!permits(&policy, "64:ff9b::8.8.8.8"));
    }
}
