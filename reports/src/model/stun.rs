//! What STUN servers tell of the NAT between this machine and the internet.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::Family;
use super::sensitive::Sensitive;
use crate::units::Millis;

/// The servers that were asked, those over UDP from one socket, and what their answers mean together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StunSection {
    /// One for each server, transport and address family.
    pub servers: Vec<StunServer>,
    /// The NAT of IPv4; absent when no server answered over IPv4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat: Option<NatSection>,
}

/// How a STUN server was asked.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum StunTransport {
    /// UDP.
    #[default]
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

/// One server, asked over one transport and address family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StunServer {
    /// Host, as the URL names it.
    pub host: Sensitive,
    /// Port.
    pub port: u16,
    /// How it was asked; UDP, where an earlier version does not tell.
    #[serde(default)]
    pub transport: StunTransport,
    /// Address family; absent when the name has no address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// The server's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Sensitive>,
    /// It answered.
    pub answered: bool,
    /// From the request to the answer; the connection's opening does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<Millis>,
    /// This machine's address, as the server sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapped_address: Option<Sensitive>,
    /// This machine's port, as the server sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapped_port: Option<u16>,
    /// What the server calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// Its other address (RFC 5780), where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_address: Option<Sensitive>,
}

/// What the NAT does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NatSection {
    /// Servers see another address than this machine has.
    pub translated: bool,
    /// Whether every server sees the same mapping; absent unless two servers of different addresses
    /// or ports answered, or one with two addresses, or there is no NAT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Mapping>,
    /// From whom packets come in; absent unless a server with two addresses answered. Without a NAT
    /// it is the firewall's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtering: Option<Filtering>,
    /// The NAT keeps the port; absent without a NAT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preserves_port: Option<bool>,
    /// Packets to the own mapping come back; absent without a NAT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hairpins: Option<bool>,
    /// The address outside, or the one here, is of the range that providers share among customers
    /// (100.64.0.0/10), or is private though the server is not: more than one NAT stands between.
    pub carrier_grade: bool,
}

/// How a NAT maps (RFC 4787 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mapping {
    /// Everybody outside sees the same address and port: peers can find each other.
    EndpointIndependent,
    /// Each server's address sees another one, whatever its port: peers cannot, and need a relay.
    AddressDependent,
    /// Each port of each server sees another one: the same.
    AddressAndPortDependent,
    /// One of the two; which of them, the servers that answered do not tell.
    EndpointDependent,
}

impl Mapping {
    /// What a server saw is of no use to a peer.
    pub const fn depends_on_endpoint(self) -> bool {
        !matches!(self, Self::EndpointIndependent)
    }
}

/// Whose packets a NAT or firewall lets in (RFC 4787 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Filtering {
    /// Everybody's, once something was sent to anybody.
    EndpointIndependent,
    /// Those of addresses that something was sent to.
    AddressDependent,
    /// Those of addresses and ports that something was sent to.
    AddressAndPortDependent,
}
