//! WebSocket over the same client, so proxy, trust and redirects are the same too.

use reqwest::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

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
        let key = generate_key();
        let request = self.http.get(url.clone()).headers(upgrade_headers(&key));
        let exchange = tokio::time::timeout(EXCHANGE_TIMEOUT, request.send());
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
        Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await)
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
