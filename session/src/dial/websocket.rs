//! WebSocket over the same client, so proxy, trust and redirects are the same too. Through a proxy it
//! takes a tunnel, with TLS or without (RFC 6455 §4.1).

use std::io;

use reqwest::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use url::Url;

use greenroom_reports::model::outcome::ReasonCode;

pub use tokio_tungstenite::tungstenite::Message;

use super::base_url::BaseUrl;
use super::dialer::{CONNECT_TIMEOUT, Dialer, EXCHANGE_TIMEOUT};
use super::dns::LookupFailure;
use super::error::DialError;
use super::proxy::Proxy;
use super::route::{Io, Route};

/// An open WebSocket.
pub type WebSocket = WebSocketStream<Box<dyn Io>>;

const SEC_WEBSOCKET_KEY: &str = "sec-websocket-key";
const SEC_WEBSOCKET_VERSION: &str = "sec-websocket-version";
pub(super) const SEC_WEBSOCKET_ACCEPT: &str = "sec-websocket-accept";

impl Dialer {
    /// Opens a WebSocket at a path below the base URL.
    ///
    /// # Errors
    /// When the server cannot be reached, or it or a proxy does not switch protocols.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn open_websocket(&self, base: &BaseUrl, path: &str) -> Result<WebSocket, DialError> {
        let url = base.join(path);
        let proxy = self.proxies.proxy_for(&url);
        let connection = match proxy {
            Some(proxy) if !base.is_tls() && proxy.is_plain() => {
                let route = self.route(base);
                let opening = open_through(&proxy, &route, path, &url);
                tokio::time::timeout(EXCHANGE_TIMEOUT, opening)
                    .await
                    .unwrap_or_else(|_elapsed| Err(no_answer(&url)))?
            }
            _ => self.open_by_client(&url).await?,
        };
        Ok(WebSocketStream::from_raw_socket(connection, Role::Client, None).await)
    }

    /// The client asks for a tunnel where the URL has TLS.
    async fn open_by_client(&self, url: &Url) -> Result<Box<dyn Io>, DialError> {
        let key = generate_key();
        let request = self.http.get(url.clone()).headers(upgrade_headers(&key));
        let exchange = tokio::time::timeout(EXCHANGE_TIMEOUT, request.send());
        let response = exchange
            .await
            .map_err(|_elapsed| no_answer(url))?
            .map_err(|error| self.blame(url, error))?;
        let expected = derive_accept_key(key.as_bytes());
        let accepted = response
            .headers()
            .get(SEC_WEBSOCKET_ACCEPT)
            .is_some_and(|value| value.as_bytes() == expected.as_bytes());
        if response.status() != reqwest::StatusCode::SWITCHING_PROTOCOLS || !accepted {
            return Err(not_switched(url, response.status().as_u16()));
        }
        let upgraded = response.upgrade().await;
        let upgraded = upgraded.map_err(|error| self.blame(url, error))?;
        Ok(Box::new(upgraded))
    }
}

/// The client would send the request itself to the proxy, which takes the upgrade for its own and
/// strips it.
async fn open_through(
    proxy: &Proxy,
    route: &Route,
    path: &str,
    url: &Url,
) -> Result<Box<dyn Io>, DialError> {
    let broken = |error: io::Error| refused(url, ReasonCode::ProxyFailed, &proxy.broke(&error));
    let addresses = route.addresses().await.map_err(|failure| {
        let kind = match failure {
            LookupFailure::UnknownHost => ReasonCode::UnknownHost,
            LookupFailure::ResolverFailed => ReasonCode::ResolverFailed,
        };
        refused(url, ReasonCode::ProxyFailed, &proxy.not_looked_up(kind))
    })?;
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&addresses[..]));
    let connected = connecting
        .await
        .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()));
    let stream = connected.map_err(broken)?;
    let (reply, tunnel) = route.tunnel(Box::new(stream)).await.map_err(broken)?;
    let tunnel = tunnel.ok_or_else(|| {
        let why = proxy.allows_no_tunnel(&route.authority(), reply.status);
        refused(url, ReasonCode::ProxyFailed, &why)
    })?;
    let (reply, upgraded) = route.upgrade(tunnel, path).await.map_err(broken)?;
    upgraded.ok_or_else(|| not_switched(url, reply.status))
}

fn no_answer(url: &Url) -> DialError {
    refused(url, ReasonCode::NoAnswer, "nobody answers the upgrade")
}

fn not_switched(url: &Url, status: u16) -> DialError {
    let why = format!("the upgrade to WebSocket was answered with status {status}");
    refused(url, ReasonCode::Refused, &why)
}

pub(super) fn upgrade_headers(key: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    if let Ok(value) = HeaderValue::from_str(key) {
        headers.insert(SEC_WEBSOCKET_KEY, value);
    }
    headers
}

fn refused(url: &Url, kind: ReasonCode, why: &str) -> DialError {
    DialError::new(url.as_str(), kind, why)
}
