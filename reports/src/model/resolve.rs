//! How names are looked up from this machine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sensitive::Sensitive;
use super::web::ConnectAttempt;
use crate::units::Millis;

/// How the server's name is looked up from this machine, and what its addresses are good for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResolveSection {
    /// The name.
    pub name: Sensitive,
    /// The system's resolver, as every program uses it.
    pub system: SystemLookup,
    /// Each name server that the system is set to use, asked directly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<NameServer>,
    /// TCP connections to the first address of each family, beside each other (RFC 8305).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connects: Vec<ConnectAttempt>,
    /// This machine has a route to the internet over IPv6.
    pub has_ipv6_route: bool,
}

/// Looking up by the system's resolver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SystemLookup {
    /// What came of it.
    pub result: LookupResult,
    /// Addresses, in the system's order of preference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Sensitive>,
    /// The first lookup; absent where none came in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold_ms: Option<Millis>,
    /// A second one right after, from a cache where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_ms: Option<Millis>,
}

/// A name server that was asked directly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NameServer {
    /// Its address.
    pub address: Sensitive,
    /// IPv4 addresses (A).
    pub ipv4: NameAnswer,
    /// IPv6 addresses (AAAA).
    pub ipv6: NameAnswer,
}

/// An answer to one question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NameAnswer {
    /// What came.
    pub result: LookupResult,
    /// Addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Sensitive>,
    /// Shortest time that an answer may be kept, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_s: Option<u32>,
    /// From question to answer; absent where none came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<Millis>,
    /// The same for the same question asked again right after, which the server answers from its
    /// cache where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_ms: Option<Millis>,
    /// The answer was too long for UDP, so it was asked for over TCP (RFC 7766 §5); its time counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over_tcp: bool,
}

/// What came of a lookup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LookupResult {
    /// There are addresses.
    Found,
    /// The name exists, without such addresses (NODATA, RFC 2308 §2.2).
    NoAddresses,
    /// The name does not exist (NXDOMAIN).
    UnknownName,
    /// The server could not answer (SERVFAIL).
    ServerFailure,
    /// The server will not answer (REFUSED).
    Refused,
    /// Nobody listens there, as ICMP says or a reset.
    NotListening,
    /// What came is no answer that can be read.
    Malformed,
    /// No answer in time.
    NoAnswer,
    /// The check was stopped before there was an answer or the time for one was over.
    #[default]
    Unfinished,
    /// There is no route to the server.
    Unreachable,
    /// It failed in another way.
    Failed,
    /// A result of a later version.
    #[serde(other)]
    Other,
}
