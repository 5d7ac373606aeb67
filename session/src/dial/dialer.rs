//! The HTTP client of everything that dials a deployment.

use std::time::Duration;

use super::error::DialError;
use super::proxy::Proxies;
use greenroom_reports::model::outcome::ReasonCode;

/// Longest wait for a TCP and TLS connection. A person waits; a path on which this takes longer
/// carries no call.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Longest wait for a whole exchange, connection included.
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Dials by HTTP and WebSocket, through the system's proxy where one is set.
#[derive(Clone, Debug)]
pub struct Dialer {
    pub(super) http: reqwest::Client,
    pub(super) proxies: Proxies,
}

impl Dialer {
    /// A dialer that trusts the system's authorities and those in `extra_authorities`, PEM files'
    /// contents.
    ///
    /// # Errors
    /// When a PEM text holds no certificate, or the system's TLS set-up cannot be read.
    pub fn new(extra_authorities: &[Vec<u8>]) -> Result<Self, DialError> {
        let mut builder = reqwest::Client::builder()
            .user_agent("greenroom")
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::limited(3));
        let mut authorities = Vec::new();
        for pem in extra_authorities {
            let found = reqwest::Certificate::from_pem_bundle(pem).map_err(set_up_error)?;
            if found.is_empty() {
                return Err(DialError::new(
                    "the server",
                    ReasonCode::TlsFailed,
                    "the file given as authority holds no PEM certificate",
                ));
            }
            authorities.extend(found);
        }
        if !authorities.is_empty() {
            builder = builder.tls_certs_merge(authorities);
        }
        let http = builder.build().map_err(set_up_error)?;
        let proxies = Proxies::from_system();
        Ok(Self { http, proxies })
    }

    /// Sorts an error of the HTTP client.
    pub(super) fn blame(&self, url: &url::Url, error: reqwest::Error) -> DialError {
        DialError::from_http(url, self.proxies.proxy_for(url).as_ref(), error)
    }
}

fn set_up_error(error: reqwest::Error) -> DialError {
    DialError {
        url: "the server".to_owned(),
        kind: ReasonCode::TlsFailed,
        explanation: "the certificates could not be read".to_owned(),
        source: Some(Box::new(error)),
    }
}
