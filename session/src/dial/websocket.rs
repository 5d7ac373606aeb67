//! WebSocket over the same client, so proxy, trust and redirects are the same too. Through a proxy it
//! takes a tunnel, with TLS or without (RFC 6455 §4.1).

use std::io;

use reqwest::header::{AUTHORIZATION, CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
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

/// Longest text of an answer that is kept; it is meant for people.
const MAX_TEXT_BYTES: usize = 1_024;

/// A path below the base URL that is asked for, and how.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// The path.
    pub path: &'a str,
    /// Pairs of the query, not yet encoded.
    pub query: &'a [(&'a str, &'a str)],
    /// A token for `Authorization: Bearer`; it goes into no URL and no error.
    pub bearer: Option<&'a str>,
}

impl Request<'_> {
    fn url(&self, base: &BaseUrl) -> Url {
        let mut url = base.join(self.path);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(self.query);
        }
        url
    }

    fn headers(&self, url: &Url) -> Result<HeaderMap, DialError> {
        let mut headers = HeaderMap::new();
        if let Some(token) = self.bearer {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut value = value.map_err(|_unspoken| {
                let why = "the token holds characters that HTTP does not carry";
                DialError::new(url.as_str(), ReasonCode::Refused, why)
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }
}

impl Dialer {
    /// Opens a WebSocket at a path below the base URL.
    ///
    /// # Errors
    /// When the server cannot be reached, or it or a proxy does not switch protocols.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn open_websocket(&self, base: &BaseUrl, path: &str) -> Result<WebSocket, DialError> {
        let request = Request {
            path,
            ..Request::default()
        };
        self.open_websocket_as(base, &request, None).await
    }

    /// Opens a WebSocket with a query, a token, and bounds of its messages.
    ///
    /// # Errors
    /// As [`Dialer::open_websocket`], and when the token cannot be sent.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn open_websocket_as(
        &self,
        base: &BaseUrl,
        request: &Request<'_>,
        bounds: Option<WebSocketConfig>,
    ) -> Result<WebSocket, DialError> {
        let url = request.url(base);
        let headers = request.headers(&url)?;
        let proxy = self.proxies.proxy_for(&url);
        let connection = match proxy {
            Some(proxy) if !base.is_tls() && proxy.is_plain() => {
                let route = self.route(base);
                let opening = open_through(&proxy, &route, &url, headers);
                tokio::time::timeout(EXCHANGE_TIMEOUT, opening)
                    .await
                    .unwrap_or_else(|_elapsed| Err(no_answer(&url)))?
            }
            _ => self.open_by_client(&url, headers).await?,
        };
        Ok(WebSocketStream::from_raw_socket(connection, Role::Client, bounds).await)
    }

    /// The client asks for a tunnel where the URL has TLS.
    async fn open_by_client(
        &self,
        url: &Url,
        headers: HeaderMap,
    ) -> Result<Box<dyn Io>, DialError> {
        let key = generate_key();
        let asked = self
            .http
            .get(url.clone())
            .headers(headers)
            .headers(upgrade_headers(&key));
        let exchange = tokio::time::timeout(EXCHANGE_TIMEOUT, asked.send());
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

    /// Asks for a path and gives the status and the beginning of the text, at most a kilobyte.
    ///
    /// # Errors
    /// When the server cannot be reached, or the token cannot be sent.
    ///
    /// # Cancel safety
    /// Dropping the future ends the exchange.
    pub async fn get_text(
        &self,
        base: &BaseUrl,
        request: &Request<'_>,
    ) -> Result<(u16, String), DialError> {
        let url = request.url(base);
        let asked = self.http.get(url.clone()).headers(request.headers(&url)?);
        let exchange = async {
            let mut response = asked.send().await?;
            let mut text = Vec::new();
            while text.len() < MAX_TEXT_BYTES {
                let Some(chunk) = response.chunk().await? else {
                    break;
                };
                text.extend_from_slice(&chunk[..chunk.len().min(MAX_TEXT_BYTES - text.len())]);
            }
            let text = String::from_utf8_lossy(&text).trim().to_owned();
            Ok((response.status().as_u16(), text))
        };
        tokio::time::timeout(EXCHANGE_TIMEOUT, exchange)
            .await
            .map_err(|_elapsed| refused(&url, ReasonCode::NoAnswer, "nobody answers"))?
            .map_err(|error| self.blame(&url, error))
    }
}

/// The client would send the request itself to the proxy, which takes the upgrade for its own and
/// strips it.
async fn open_through(
    proxy: &Proxy,
    route: &Route,
    url: &Url,
    headers: HeaderMap,
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
    let (reply, upgraded) = route
        .upgrade_as(tunnel, url, headers)
        .await
        .map_err(broken)?;
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
