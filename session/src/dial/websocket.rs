//! WebSocket over the same client, so proxy, trust and redirects are the same too.

use reqwest::header::{AUTHORIZATION, CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use greenroom_reports::model::outcome::ReasonCode;

pub use tokio_tungstenite::tungstenite::Message;

use super::base_url::BaseUrl;
use super::dialer::{Dialer, EXCHANGE_TIMEOUT};
use super::error::DialError;

/// An open WebSocket.
pub type WebSocket = WebSocketStream<reqwest::Upgraded>;

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
    fn url(&self, base: &BaseUrl) -> url::Url {
        let mut url = base.join(self.path);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(self.query);
        }
        url
    }

    fn headers(&self, url: &url::Url) -> Result<HeaderMap, DialError> {
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
        let key = generate_key();
        let asked = self
            .http
            .get(url.clone())
            .headers(request.headers(&url)?)
            .headers(upgrade_headers(&key));
        let exchange = tokio::time::timeout(EXCHANGE_TIMEOUT, asked.send());
        let response = exchange
            .await
            .map_err(|_elapsed| refused(&url, ReasonCode::NoAnswer, "nobody answers the upgrade"))?
            .map_err(|error| self.blame(&url, error))?;
        let expected = derive_accept_key(key.as_bytes());
        let accepted = response
            .headers()
            .get(SEC_WEBSOCKET_ACCEPT)
            .is_some_and(|value| value.as_bytes() == expected.as_bytes());
        if response.status() != reqwest::StatusCode::SWITCHING_PROTOCOLS || !accepted {
            let why = format!(
                "the upgrade to WebSocket was answered with {}",
                response.status()
            );
            return Err(refused(&url, ReasonCode::Refused, &why));
        }
        let upgraded = response.upgrade().await;
        let upgraded = upgraded.map_err(|error| self.blame(&url, error))?;
        Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, bounds).await)
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

fn refused(url: &url::Url, kind: ReasonCode, why: &str) -> DialError {
    DialError::new(url.as_str(), kind, why)
}
