//! The routers, their firewall and their ports.

use std::net::Ipv4Addr;

use super::namespace::Namespace;
use super::shaping::{self, PortRate};
use super::wiring::{ROUTER_PORT, WAN_PORT};
use crate::error::LabError;

/// The chain of all firewall rules, as `nft` names it.
const CHAIN: &str = "inet lab forward";

/// The tables every router starts with.
///
/// The second one keeps multicast listener reports, which the kernel sends whenever an interface comes up, off the
/// emulated link, so that its log has nothing but what the hosts send.
const TABLES: &str = "\
    add table inet lab
    add chain inet lab forward { type filter hook forward priority 0; policy accept; }
    add table inet quiet
    add chain inet quiet output { type filter hook output priority 0; policy accept; }
    add rule inet quiet output oifname wan0 ip6 daddr ff02::/16 drop";

/// A router between a host and the emulated link.
#[derive(Debug)]
pub struct Router {
    namespace: Namespace,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

impl Router {
    pub(super) fn new(namespace: Namespace) -> Result<Self, LabError> {
        let router = Self { namespace };
        router.nft(TABLES)?;
        Ok(router)
    }

    pub(super) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Name of its network namespace.
    pub fn netns(&self) -> &str {
        self.namespace.name()
    }

    /// Runs `nft` commands, one a line. The table `inet lab` has a chain `forward` for rules.
    ///
    /// # Errors
    ///
    /// What `nft` says; the other functions for rules fail likewise.
    pub fn nft(&self, commands: &str) -> Result<(), LabError> {
        self.namespace.tool(&["nft", "-f", "-"], commands).map(drop)
    }

    /// Adds one rule behind the others, for example `udp dport 3478 drop`.
    ///
    /// # Errors
    ///
    /// As [`nft`](Self::nft).
    pub fn add_rule(&self, rule: &str) -> Result<(), LabError> {
        self.nft(&format!("add rule {CHAIN} {rule}"))
    }

    /// Drops all UDP.
    ///
    /// # Errors
    ///
    /// As [`nft`](Self::nft).
    pub fn block_udp(&self) -> Result<(), LabError> {
        self.add_rule("meta l4proto udp drop")
    }

    /// Refuses all UDP with "port unreachable".
    ///
    /// # Errors
    ///
    /// As [`nft`](Self::nft).
    pub fn reject_udp(&self) -> Result<(), LabError> {
        self.add_rule("meta l4proto udp reject with icmpx type port-unreachable")
    }

    /// Drops packets to this port.
    ///
    /// # Errors
    ///
    /// As [`nft`](Self::nft).
    pub fn block_port(&self, protocol: Protocol, port: u16) -> Result<(), LabError> {
        self.add_rule(&format!("{} dport {port} drop", protocol.name()))
    }

    /// Refuses packets to this port: TCP with a reset, UDP with "port unreachable".
    ///
    /// # Errors
    ///
    /// As [`nft`](Self::nft).
    pub fn reject_port(&self, protocol: Protocol, port: u16) -> Result<(), LabError> {
        let how = match protocol {
            Protocol::Udp => "icmpx type port-unreachable",
            Protocol::Tcp => "tcp reset",
        };
        self.add_rule(&format!(
            "{} dport {port} reject with {how}",
            protocol.name()
        ))
    }

    /// Drops IP packets longer than this many bytes without a word: a path MTU black hole.
    ///
    /// # Errors
    ///
    /// As [`nft`](Self::nft).
    pub fn drop_longer_than(&self, bytes: usize) -> Result<(), LabError> {
        self.add_rule(&format!("meta length > {bytes} drop"))
    }

    /// Lets only TCP to and from port 443 pass; other TCP is reset, all else, ICMP included, dropped.
    ///
    /// # Errors
    ///
    /// As [`nft`](Self::nft).
    pub fn allow_only_tcp_443(&self) -> Result<(), LabError> {
        self.add_rule("tcp dport 443 accept")?;
        self.add_rule("tcp sport 443 accept")?;
        self.add_rule("meta l4proto tcp reject with tcp reset")?;
        self.add_rule("drop")
    }

    /// Drops UDP beyond this many bytes of IP packets per second, each direction counted together.
    ///
    /// # Errors
    ///
    /// As [`nft`](Self::nft).
    pub fn police_udp(&self, bytes_per_second: u64) -> Result<(), LabError> {
        self.add_rule(&format!(
            "meta l4proto udp limit rate over {bytes_per_second} bytes/second drop"
        ))
    }

    /// Hides the host behind the router's own address on the emulated link, as home routers do, for IPv4 and IPv6.
    ///
    /// # Errors
    ///
    /// As [`nft`](Self::nft).
    pub fn masquerade(&self) -> Result<(), LabError> {
        self.translate("masquerade")
    }

    /// As [`masquerade`](Self::masquerade), with a port by lot for every flow: what a server saw of one is of no use to
    /// another.
    ///
    /// # Errors
    ///
    /// As [`nft`](Self::nft).
    pub fn masquerade_by_endpoint(&self) -> Result<(), LabError> {
        self.translate("masquerade fully-random")
    }

    /// Hides the host behind this IPv4 address, to which the far side needs a route.
    ///
    /// # Errors
    ///
    /// As [`nft`](Self::nft).
    pub fn hide_behind(&self, address: Ipv4Addr) -> Result<(), LabError> {
        self.translate(&format!("meta nfproto ipv4 snat ip to {address}"))
    }

    fn translate(&self, rule: &str) -> Result<(), LabError> {
        self.nft(&format!(
            "add chain inet lab nat {{ type nat hook postrouting priority 100; policy accept; }}\n\
             add rule inet lab nat oifname {WAN_PORT} {rule}"
        ))
    }

    /// Removes all rules and the address translation.
    ///
    /// # Errors
    ///
    /// As [`nft`](Self::nft).
    pub fn flush_rules(&self) -> Result<(), LabError> {
        self.nft("flush table inet lab")
    }

    /// Limits what this router sends to its host.
    ///
    /// # Errors
    ///
    /// What `tc` says.
    pub fn set_rate(&self, rate: PortRate) -> Result<(), LabError> {
        shaping::set_rate(&self.namespace, ROUTER_PORT, rate)
    }

    /// Lifts the limit on what this router sends to its host.
    ///
    /// # Errors
    ///
    /// What `tc` says.
    pub fn clear_rate(&self) -> Result<(), LabError> {
        shaping::clear_rate(&self.namespace, ROUTER_PORT)
    }
}
