//! Through which TURN servers, over which transports, media is relayed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::{Distribution, Family, RatioInterval};
use super::sensitive::Sensitive;
use crate::units::{Millis, Ratio};

/// Every TURN server over every transport and address family.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnSection {
    /// One for each server, transport and address family, in the order of the servers.
    pub cells: Vec<TurnCell>,
    /// What the best relay of each transport is like; empty where none relays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quality: Vec<RelayQuality>,
}

/// A server, reached in one way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnCell {
    /// Host, as the URL names it.
    pub host: Sensitive,
    /// Port.
    pub port: u16,
    /// How the server is reached.
    pub transport: RelayTransport,
    /// Address family; absent when the name has no address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// The server's address; absent when the name has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Sensitive>,
    /// It belongs to the Greenroom server that the network is measured against.
    pub is_own: bool,
    /// How long each stage took.
    pub stages: TurnStages,
    /// What came of it.
    pub result: TurnResult,
    /// Code of the server's refusal (RFC 8656 §18.8).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<u16>,
    /// Words to it, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the server calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// The address that relays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relayed_address: Option<Sensitive>,
    /// This machine's address, as the server sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapped_address: Option<Sensitive>,
    /// How long an allocation lasts, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_s: Option<u64>,
    /// The certificate that was shown, over TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<ShownCertificate>,
    /// The server that was asked first, and sent to this one (300, Try Alternate).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirected_from: Option<Sensitive>,
}

/// How a TURN server is reached.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RelayTransport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl RelayTransport {
    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

/// How long each stage took, each from the end of the one before; absent where it was not reached
/// or does not apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnStages {
    /// The name's lookup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolve_ms: Option<Millis>,
    /// The TCP connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<Millis>,
    /// TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_ms: Option<Millis>,
    /// From the first request to the question who asks (401).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenge_ms: Option<Millis>,
    /// From the answer to it to the address that relays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocate_ms: Option<Millis>,
    /// Until the peer was permitted and had a channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission_ms: Option<Millis>,
    /// From the first packet's leaving until it was back through the relay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<Millis>,
}

/// What came of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TurnResult {
    /// Packets come through the relay.
    Relays,
    /// The name does not exist.
    UnknownHost,
    /// The name could not be looked up.
    ResolverFailed,
    /// The name has no address of this family, or this machine has none.
    NoRoute,
    /// No answer at all.
    NoAnswer,
    /// The connection was refused, by the server or on the way.
    Refused,
    /// The connection was closed.
    Closed,
    /// The other end speaks something else.
    NotTurn,
    /// The certificate is out of date.
    TlsExpired,
    /// The certificate is for another name.
    TlsWrongName,
    /// The certificate's issuer is not trusted: typically somebody reads along.
    TlsUnknownIssuer,
    /// TLS failed in another way.
    TlsFailed,
    /// The server wants credentials, and there are none.
    CredentialsNeeded,
    /// The server knows no such user, or the password is wrong (401).
    WrongCredentials,
    /// The time in the user's name is over (401).
    CredentialsExpired,
    /// The server refuses to relay for this user (403).
    Forbidden,
    /// The user's or the server's quota is used up (486).
    Quota,
    /// The server has no more room (508).
    NoCapacity,
    /// The server sends from one to another without end (300).
    RedirectLoop,
    /// The server refused in another way; see the code.
    OtherRefusal,
    /// An address was allocated, but its own peers are forbidden (403).
    PeerForbidden,
    /// An address was allocated, but nothing comes through.
    BlackHole,
    /// The run was stopped before.
    Stopped,
    /// A result of a later version.
    #[serde(other)]
    Other,
}

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShownCertificate {
    /// Who signed it.
    pub issuer: String,
    /// Whom it is for.
    pub subject: Sensitive,
    /// When it ends, RFC 3339 in UTC.
    pub not_after: String,
}

/// What a relay is like: a packet's way to the relay and back, both ends being here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RelayQuality {
    /// Host of the server.
    pub host: Sensitive,
    /// Port of the server.
    pub port: u16,
    /// How the server is reached.
    pub transport: RelayTransport,
    /// Address family.
    pub family: Family,
    /// Packets sent.
    pub packets_sent: u64,
    /// Packets of these that did not come back.
    pub packets_lost: u64,
    /// Share lost, both ways together; absent over TCP and TLS, which hide loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_ratio: Option<Ratio>,
    /// 95 % interval of the share, Wilson's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_ratio_interval: Option<RatioInterval>,
    /// From leaving to coming back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt: Option<Distribution>,
    /// Mean difference of consecutive round trips.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_variation_ms: Option<Millis>,
}
