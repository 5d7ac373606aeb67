//! Names, addresses and settings of all interfaces.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::host::Host;
use super::namespace::Namespace;
use super::router::Router;
use crate::error::LabError;

/// A host's interface.
pub(super) const HOST_PORT: &str = "eth0";
/// A router's interface to its host.
pub(super) const ROUTER_PORT: &str = "lan0";
/// A router's interface to the emulated link.
pub(super) const WAN_PORT: &str = "wan0";

/// Packets the kernel queues for the relay before it drops them unseen; far more than arrive while the relay is delayed.
const WAN_QUEUE_PACKETS: u32 = 10_000;

/// The addresses in every lab; labs do not see each other.
pub mod addresses {
    use std::net::{Ipv4Addr, Ipv6Addr};

    /// The client.
    pub const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 10);
    /// The client.
    pub const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 0x10);
    /// The client's router, on its side.
    pub const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
    /// The client's router, on its side.
    pub const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 1);
    /// The client's router, on the emulated link; also the client's public address with address translation.
    pub const WAN_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
    /// The client's router, on the emulated link.
    pub const WAN_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 1);
    /// The server's router, on the emulated link.
    pub const FAR_WAN_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
    /// The server's router, on the emulated link.
    pub const FAR_WAN_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 2);
    /// The server's router, on its side.
    pub const FAR_GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
    /// The server's router, on its side.
    pub const FAR_GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x113, 0, 0, 0, 0, 1);
    /// The server.
    pub const SERVER_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
    /// The server.
    pub const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x113, 0, 0, 0, 0, 0x10);
    /// The server's second address, for STUN's NAT behavior discovery.
    pub const SERVER_ALTERNATE_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 11);
    /// The server's second address, for STUN's NAT behavior discovery.
    pub const SERVER_ALTERNATE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x113, 0, 0, 0, 0, 0x11);
}

/// Parameters of all machines, set before they have interfaces: no address checks and no chatter that would show up
/// in the packet log.
const PARAMETERS: [(&str, &str); 4] = [
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/dad_transmits", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
];

/// Parameters of routers. They answer every bad packet: a test that sends two must not see the second one ignored.
const ROUTER_PARAMETERS: [(&str, &str); 4] = [
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv4/icmp_ratelimit", "0"),
    ("ipv6/icmp/ratelimit", "0"),
];

/// A host's side of the network.
pub(super) struct Edge {
    pub(super) host_v4: Ipv4Addr,
    pub(super) host_v6: Ipv6Addr,
    pub(super) gateway_v4: Ipv4Addr,
    pub(super) gateway_v6: Ipv6Addr,
    pub(super) wan_v4: Ipv4Addr,
    pub(super) wan_v6: Ipv6Addr,
    /// Sets the two edges' Ethernet addresses apart.
    pub(super) number: u8,
}

/// The client's side.
pub(super) const NEAR: Edge = Edge {
    host_v4: addresses::CLIENT_V4,
    host_v6: addresses::CLIENT_V6,
    gateway_v4: addresses::GATEWAY_V4,
    gateway_v6: addresses::GATEWAY_V6,
    wan_v4: addresses::WAN_V4,
    wan_v6: addresses::WAN_V6,
    number: 1,
};

/// The server's side.
pub(super) const FAR: Edge = Edge {
    host_v4: addresses::SERVER_V4,
    host_v6: addresses::SERVER_V6,
    gateway_v4: addresses::FAR_GATEWAY_V4,
    gateway_v6: addresses::FAR_GATEWAY_V6,
    wan_v4: addresses::FAR_WAN_V4,
    wan_v6: addresses::FAR_WAN_V6,
    number: 2,
};

impl Edge {
    fn host_mac(&self) -> String {
        format!("02:00:00:00:{:02x}:10", self.number)
    }

    fn router_mac(&self) -> String {
        format!("02:00:00:00:{:02x}:01", self.number)
    }

    /// Makes the namespaces of a host and its router, and the cable between them.
    pub(super) fn build(&self, prefix: &str) -> Result<(Host, Router), LabError> {
        let host = Namespace::new(format!("{prefix}-host{}", self.number))?;
        let router = Namespace::new(format!("{prefix}-router{}", self.number))?;
        host.set_parameters(&PARAMETERS)?;
        router.set_parameters(&PARAMETERS)?;
        router.set_parameters(&ROUTER_PARAMETERS)?;
        host.ip(&format!(
            "link set lo up\n\
             link add {HOST_PORT} address {} type veth peer name {ROUTER_PORT} address {} netns {}",
            self.host_mac(),
            self.router_mac(),
            router.name()
        ))?;
        self.configure_host(&host)?;
        self.configure_router(&router)?;
        Ok((
            Host::new(host, self.host_v4, self.host_v6),
            Router::new(router)?,
        ))
    }

    /// Neighbor entries are permanent, so that the first packet is not delayed by a look-up.
    fn configure_host(&self, host: &Namespace) -> Result<(), LabError> {
        let Self {
            host_v4,
            host_v6,
            gateway_v4,
            gateway_v6,
            ..
        } = self;
        let router_mac = self.router_mac();
        disable_offloads(host, HOST_PORT)?;
        host.ip(&format!(
            "address add {host_v4}/24 dev {HOST_PORT}\n\
             address add {host_v6}/64 dev {HOST_PORT} nodad\n\
             link set {HOST_PORT} up\n\
             neighbor replace {gateway_v4} lladdr {router_mac} nud permanent dev {HOST_PORT}\n\
             neighbor replace {gateway_v6} lladdr {router_mac} nud permanent dev {HOST_PORT}\n\
             route add default via {gateway_v4}\n\
             route add ::/0 via {gateway_v6}"
        ))
    }

    fn configure_router(&self, router: &Namespace) -> Result<(), LabError> {
        let Self {
            host_v4,
            host_v6,
            gateway_v4,
            gateway_v6,
            ..
        } = self;
        let host_mac = self.host_mac();
        disable_offloads(router, ROUTER_PORT)?;
        router.ip(&format!(
            "link set lo up\n\
             address add {gateway_v4}/24 dev {ROUTER_PORT}\n\
             address add {gateway_v6}/64 dev {ROUTER_PORT} nodad\n\
             link set {ROUTER_PORT} up\n\
             neighbor replace {host_v4} lladdr {host_mac} nud permanent dev {ROUTER_PORT}\n\
             neighbor replace {host_v6} lladdr {host_mac} nud permanent dev {ROUTER_PORT}"
        ))
    }

    /// Brings a router's end of the emulated link up.
    pub(super) fn configure_wan(&self, router: &Router, peer: &Self) -> Result<(), LabError> {
        let Self { wan_v4, wan_v6, .. } = self;
        router.namespace().ip(&format!(
            "link set {WAN_PORT} addrgenmode none multicast off mtu 1500 txqueuelen {WAN_QUEUE_PACKETS}\n\
             address add {wan_v4} peer {} dev {WAN_PORT}\n\
             address add {wan_v6} peer {} dev {WAN_PORT} nodad\n\
             link set {WAN_PORT} up\n\
             route add default dev {WAN_PORT} src {wan_v4}\n\
             route add ::/0 dev {WAN_PORT} src {wan_v6}",
            peer.wan_v4, peer.wan_v6
        ))
    }
}

/// Makes the kernel send packets as they would be on a cable: not several glued into one.
fn disable_offloads(namespace: &Namespace, interface: &str) -> Result<(), LabError> {
    let offloads = [
        "tso",
        "off",
        "gso",
        "off",
        "gro",
        "off",
        "tx-udp-segmentation",
        "off",
    ];
    let words = [&["ethtool", "-K", interface], &offloads[..]].concat();
    namespace.tool(&words, "").map(drop)
}

/// Gives the server its second addresses.
pub(super) fn add_alternate_addresses(server: &Host, router: &Router) -> Result<(), LabError> {
    let (v4, v6) = (
        addresses::SERVER_ALTERNATE_V4,
        addresses::SERVER_ALTERNATE_V6,
    );
    let mac = FAR.host_mac();
    server.ip(&format!(
        "address add {v4}/24 dev {HOST_PORT}\n\
         address add {v6}/64 dev {HOST_PORT} nodad preferred_lft 0"
    ))?;
    router.namespace().ip(&format!(
        "neighbor replace {v4} lladdr {mac} nud permanent dev {ROUTER_PORT}\n\
         neighbor replace {v6} lladdr {mac} nud permanent dev {ROUTER_PORT}"
    ))
}
