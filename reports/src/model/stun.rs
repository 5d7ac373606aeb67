//! What STUN servers tell of the NAT between this machine and the internet.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::Family;
use super::sensitive::Sensitive;
use crate::units::Millis;

/// The servers that were asked, all over UDP from one socket, and what their answers mean together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StunSection {
    /// One for each server and address family.
    pub servers: Vec<StunServer>,
    /// The NAT of IPv4; absent when no server answered over IPv4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat: Option<NatSection>,
}

/// One server, asked over one address family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StunServer {
    /// Host, as the URL names it.
    pub host: Sensitive,
    /// UDP port.
    pub port: u16,
    /// Address family; absent when the name has no address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// The server's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Sensitive>,
    /// It answered.
    pub answered: bool,
    /// From the request to the answer.
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
}

/// What the NAT does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NatSection {
    /// Servers see another address than this machine has.
    pub translated: bool,
    /// Whether every server sees the same mapping; absent unless two servers of different addresses
    /// or ports answered, or there is no NAT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Mapping>,
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
    /// Each server sees another one: peers cannot, and need a relay.
    EndpointDependent,
}
