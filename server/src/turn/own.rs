//! Addresses of this server, which even public credentials reach.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
};

/// A UDP port of the server's own that may be reached through its relay: that of measurements, that
/// of the engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServicePort {
    /// As clients know it.
    pub(crate) advertised: u16,
    /// As it is bound.
    pub(crate) bound: u16,
}

/// Addresses of this server. A peer at one of them is reached at relay ports and the
/// ports of its services alone, whatever else listens on this machine.
#[derive(Debug, Default)]
pub(crate) struct OwnAddresses {
    ips: HashSet<IpAddr>,
    /// The addresses by which the world knows this server behind a NAT, one a family at most.
    external: Vec<IpAddr>,
    services: Vec<ServicePort>,
    /// Relay addresses as peers know them, with those that are bound.
    relays: HashMap<SocketAddr, SocketAddr>,
    /// The other way round, where the two differ.
    known_as: HashMap<SocketAddr, SocketAddr>,
}

impl OwnAddresses {
    /// The server's addresses as far as they are known at the start.
    pub(crate) fn new(
        ips: impl IntoIterator<Item = IpAddr>,
        external: Vec<IpAddr>,
        services: Vec<ServicePort>,
    ) -> Self {
        let ips = ips.into_iter().chain(external.iter().copied());
        Self {
            ips: ips.filter(|ip| !ip.is_unspecified()).collect(),
            external,
            services,
            ..Self::default()
        }
    }

    /// Adds a relay address that was bound; gives it as peers know it.
    pub(crate) fn add_relay(&mut self, bound: SocketAddr) -> SocketAddr {
        let known = SocketAddr::new(self.known_ip(bound.ip()), bound.port());
        self.ips.insert(bound.ip());
        self.relays.insert(known, bound);
        if known != bound {
            self.known_as.insert(bound, known);
        }
        known
    }

    /// Forgets a relay address.
    pub(crate) fn remove_relay(&mut self, known: SocketAddr) {
        if let Some(bound) = self.relays.remove(&known) {
            self.known_as.remove(&bound);
        }
    }

    /// Whether this is an address of the server.
    pub(crate) fn is_own(&self, ip: IpAddr) -> bool {
        self.ips.contains(&ip)
    }

    /// Whether this is an address of the server for whoever relays from `relay_ip`: loopback is
    /// for those alone who came over it.
    pub(crate) fn serves(&self, ip: IpAddr, relay_ip: IpAddr) -> bool {
        self.is_own(ip) && ip.is_loopback() == relay_ip.is_loopback()
    }

    /// Where packets for a peer of ours go that leave from `relay_ip`; `None` when nothing of ours
    /// that may be reached is there.
    pub(crate) fn destination(&self, peer: SocketAddr, relay_ip: IpAddr) -> Option<SocketAddr> {
        if !self.serves(peer.ip(), relay_ip) {
            return None;
        }
        if let Some(bound) = self.relays.get(&peer) {
            return Some(*bound);
        }
        let mut services = self.services.iter();
        let service = services.find(|port| [port.advertised, port.bound].contains(&peer.port()))?;
        let ip = if self.external.contains(&peer.ip()) {
            relay_ip
        } else {
            peer.ip()
        };
        Some(SocketAddr::new(ip, service.bound))
    }

    /// A source of ours as permissions and channels name it; `None` when it may not be heard.
    pub(crate) fn source(&self, from: SocketAddr) -> Option<SocketAddr> {
        if let Some(known) = self.known_as.get(&from) {
            return Some(*known);
        }
        if self.relays.contains_key(&from) {
            return Some(from);
        }
        let mut services = self.services.iter();
        let service = services.find(|port| port.bound == from.port())?;
        let ip = self.known_ip(from.ip());
        self.is_own(from.ip())
            .then(|| SocketAddr::new(ip, service.advertised))
    }

    fn known_ip(&self, bound: IpAddr) -> IpAddr {
        let same_family = |ip: &&IpAddr| ip.is_ipv4() == bound.is_ipv4();
        self.external
            .iter()
            .find(same_family)
            .copied()
            .unwrap_or(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURE: ServicePort = ServicePort {
        advertised: 443,
        bound: 8443,
    };

    const ENGINE: ServicePort = ServicePort {
        advertised: 7882,
        bound: 7882,
    };

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn relay_ports_and_ports_of_services_are_reached_and_no_other() {
        let ip: IpAddr = "198.51.100.1".parse().unwrap();
        let mut own = OwnAddresses::new([ip], Vec::new(), vec![MEASURE, ENGINE]);
        let relay = address("198.51.100.1:50000");
        assert_eq!(own.add_relay(relay), relay);
        assert_eq!(own.destination(relay, ip), Some(relay));
        assert_eq!(own.source(relay), Some(relay));
        let measure = own.destination(address("198.51.100.1:443"), ip);
        assert_eq!(measure, Some(address("198.51.100.1:8443")));
        assert_eq!(
            own.source(address("198.51.100.1:8443")),
            Some(address("198.51.100.1:443"))
        );
        let engine = address("198.51.100.1:7882");
        assert_eq!(own.destination(engine, ip), Some(engine));
        assert_eq!(own.source(engine), Some(engine));
        for port in ["198.51.100.1:53", "198.51.100.1:50001", "192.0.2.1:8443"] {
            assert_eq!(own.destination(address(port), ip), None, "{port}");
            assert_eq!(own.source(address(port)), None, "{port}");
        }
        own.remove_relay(relay);
        assert_eq!(own.destination(relay, ip), None);
    }

    #[test]
    fn loopback_is_for_those_who_came_over_it() {
        let (local, public) = (
            "127.0.0.1".parse().unwrap(),
            "198.51.100.1".parse().unwrap(),
        );
        let own = OwnAddresses::new([local, public], Vec::new(), vec![MEASURE, ENGINE]);
        let measure = address("127.0.0.1:8443");
        assert_eq!(own.destination(measure, local), Some(measure));
        assert_eq!(own.destination(measure, public), None);
        assert!(!own.serves(public, local) && own.serves(public, public));
    }

    #[test]
    fn behind_a_nat_peers_know_the_outer_address() {
        let inner: IpAddr = "10.0.0.5".parse().unwrap();
        let outer: IpAddr = "198.51.100.1".parse().unwrap();
        let mut own = OwnAddresses::new([inner], vec![outer], vec![MEASURE, ENGINE]);
        let bound = address("10.0.0.5:50000");
        let known = own.add_relay(bound);
        assert_eq!(known, address("198.51.100.1:50000"));
        assert_eq!(own.destination(known, inner), Some(bound));
        assert_eq!(own.source(bound), Some(known));
        assert_eq!(
            own.destination(address("198.51.100.1:443"), inner),
            Some(address("10.0.0.5:8443"))
        );
        assert_eq!(
            own.source(address("10.0.0.5:8443")),
            Some(address("198.51.100.1:443"))
        );
        assert!(own.is_own(outer) && own.is_own(inner));
    }
}
