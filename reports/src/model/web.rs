//! How the server is reached over TCP, TLS, HTTP and WebSocket, stage by stage.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::Family;
use super::sensitive::Sensitive;
use super::turn::ShownCertificate;
use crate::units::Millis;

/// How the server is reached over TCP, TLS, HTTP and WebSocket, stage by stage. A stage that was not
/// reached is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WebSection {
    /// Host of the base URL.
    pub host: Sensitive,
    /// TCP port of the base URL.
    pub port: u16,
    /// The system's proxy, where one stands between; the connections are to it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<WebProxy>,
    /// TCP connections: the first address of each family, beside each other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connects: Vec<ConnectAttempt>,
    /// What the proxy said to the request for a tunnel (RFC 9110 §9.3.6); over plain HTTP it is the
    /// WebSocket alone that takes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<WebAnswer>,
    /// TLS; absent over plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<WebTls>,
    /// What was answered to the request for the discovery document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<WebAnswer>,
    /// What was answered to the upgrade to WebSocket (RFC 6455 §4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub websocket: Option<WebAnswer>,
    /// Why it looks as if the network wants a login first (RFC 8952).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portal: Option<PortalSign>,
}

/// A proxy, without its user name and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebProxy {
    /// Host name or address.
    pub host: Sensitive,
    /// TCP port.
    pub port: u16,
}

/// A TCP connection to one address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectAttempt {
    /// Address family.
    pub family: Family,
    /// The address.
    pub address: Sensitive,
    /// What came of it.
    pub result: ConnectResult,
    /// From the first packet until it stood or was refused; absent where nobody answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<Millis>,
}

/// What came of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConnectResult {
    /// It stands.
    Connected,
    /// The other end, or somebody on the way, refused it.
    Refused,
    /// No answer in time.
    NoAnswer,
    /// This machine has no route there, or somebody on the way says that there is none.
    Unreachable,
    /// It failed in another way.
    Failed,
    /// A result of a later version.
    #[serde(other)]
    Other,
}

/// TLS with the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WebTls {
    /// What came of it.
    pub verdict: TlsVerdict,
    /// How long it took; absent where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<Millis>,
    /// Version that was agreed on, as `TLSv1_3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Cipher suite that was agreed on, by its IANA name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cipher_suite: Option<String>,
    /// The certificate that was shown, trusted or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<ShownCertificate>,
    /// Whole days until it ends, negative when it has ended; by this machine's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_left: Option<i64>,
    /// What TLS has against it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What came of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TlsVerdict {
    /// Agreed, and the certificate is trusted.
    Trusted,
    /// The certificate is out of date, or not valid yet.
    Expired,
    /// The certificate is for another name.
    WrongName,
    /// The certificate's issuer is not trusted.
    UnknownIssuer,
    /// The server speaks TLS 1.1 or older alone (RFC 8996).
    TooOld,
    /// It failed in another way.
    Failed,
    /// Nothing came in time.
    NoAnswer,
    /// A verdict of a later version.
    #[serde(other)]
    Other,
}

/// An answer by HTTP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WebAnswer {
    /// Status code (RFC 9110 §15); absent when no answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// From the request until the answer's head was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<Millis>,
    /// What was asked for is what came: the document, the tunnel, the WebSocket.
    pub is_expected: bool,
    /// Why no answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What looks like a login page of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "sign", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PortalSign {
    /// Plain HTTP is redirected to another host.
    Redirect {
        /// That host.
        host: Sensitive,
    },
    /// Status 511, Network Authentication Required (RFC 6585 §6).
    LoginRequired,
    /// A page that asks for a password comes where a document is expected.
    LoginPage,
    /// A sign of a later version.
    #[serde(other)]
    Other,
}
