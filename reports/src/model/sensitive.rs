//! Values that tell who or where somebody is.
//!
//! They are plain strings in JSON. In a report that is meant to be shared each becomes a stable
//! pseudonym (`host-1`, `addr-2`); see [`crate::redact`].

use std::fmt;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a sensitive value is, which names its pseudonym.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SensitiveKind {
    /// An IP address: `addr-1`.
    Address,
    /// A host name: `host-1`; an address where no name was given: `addr-1`.
    Host,
    /// A URL, of which only scheme, host and port are kept: `https://host-1:8443`.
    Url,
    /// A user name: `user-1`.
    User,
    /// A serial or hardware number: `serial-1`.
    Serial,
}

/// A string that names an address, host, user or serial number.
///
/// `Debug` prints the value, since logs stay on the machine; sharing goes through
/// [`crate::redact`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Sensitive(String);

impl Sensitive {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value as it stands: real, or a pseudonym after redaction.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Puts another value in its place.
    pub fn replace(&mut self, value: String) {
        self.0 = value;
    }
}

impl From<IpAddr> for Sensitive {
    fn from(address: IpAddr) -> Self {
        Self(address.to_canonical().to_string())
    }
}

impl fmt::Display for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
