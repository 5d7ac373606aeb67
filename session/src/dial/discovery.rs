//! Fetching the discovery document.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use greenroom_protocol::discovery::{DISCOVERY_PATH, Discovery, MAX_DOCUMENT_BYTES, SERVICE};
use greenroom_protocol::measure::wire::VERSION;
use greenroom_reports::model::discovery::ClockOffset;
use greenroom_reports::model::outcome::ReasonCode;
use greenroom_reports::units::Millis;

use super::base_url::BaseUrl;
use super::dialer::{Dialer, EXCHANGE_TIMEOUT};
use super::dns::look_up;
use super::error::{DialError, outcome_of_lookup};
use super::proxy::Proxy;

/// A server that was found.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// Its document.
    pub document: Discovery,
    /// The address that answered over HTTP; a proxy's when one stands between.
    pub peer: Option<SocketAddr>,
    /// Addresses of the server's name, in the system's order of preference, with the UDP port of
    /// the document; empty when only a proxy can look the name up.
    pub measure_addresses: Vec<SocketAddr>,
    /// Offset of this machine's clock.
    pub clock_offset: ClockOffset,
    /// From asking to the whole first document.
    pub elapsed: Duration,
}

impl Dialer {
    /// Fetches a server's discovery document, twice: the first exchange pays for the connection,
    /// the second one, over the same connection, tells the offset of the clocks.
    ///
    /// # Errors
    /// When the server cannot be reached, is no Greenroom server, or speaks no version that we do.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; nothing is left behind.
    pub async fn discover(&self, base: &BaseUrl) -> Result<Discovered, DialError> {
        let proxy = self.proxies.proxy_for(&base.join(DISCOVERY_PATH));
        let proxy_lookup = async {
            let proxy = proxy.as_ref()?;
            Some(look_up(&proxy.host, proxy.port).await)
        };
        let lookup = look_up(base.host(), base.port());
        let (first, addresses, of_proxy) = tokio::join!(self.fetch(base), lookup, proxy_lookup);
        let lookup_failed = of_proxy.as_ref().unwrap_or(&addresses).is_err();
        let first = first.map_err(|error| {
            if lookup_failed && error.is_timeout() {
                blame_resolver(error, base, proxy.as_ref())
            } else {
                error
            }
        })?;
        let second = self.fetch(base).await?;
        let port = second.document.measure.udp_port;
        let mut measure_addresses: Vec<SocketAddr> = addresses
            .unwrap_or_default()
            .into_iter()
            .map(|a| SocketAddr::new(a.ip(), port))
            .collect();
        // The address that answered comes first: the others may be broken.
        measure_addresses.sort_by_key(|a| Some(a.ip()) != first.peer.map(|peer| peer.ip()));
        Ok(Discovered {
            clock_offset: second.clock_offset(),
            document: second.document,
            peer: first.peer,
            measure_addresses,
            elapsed: first.elapsed,
        })
    }

    async fn fetch(&self, base: &BaseUrl) -> Result<Exchange, DialError> {
        let url = base.join(DISCOVERY_PATH);
        let asked = Instant::now();
        let asked_at = SystemTime::now();
        let request = self.http.get(url.clone()).timeout(EXCHANGE_TIMEOUT);
        let answer = request.send().await;
        let response = answer.map_err(|error| self.blame(&url, error))?;
        let peer = response.remote_addr();
        let status = response.status();
        let body = self.read_bounded(&url, response).await?;
        let elapsed = asked.elapsed();
        let document = parse(&url, status, &body)?;
        Ok(Exchange {
            document,
            peer,
            asked_at,
            elapsed,
        })
    }

    async fn read_bounded(
        &self,
        url: &url::Url,
        mut response: reqwest::Response,
    ) -> Result<Vec<u8>, DialError> {
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.blame(url, error))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_DOCUMENT_BYTES {
                return Err(not_greenroom(url, "its answer is too long"));
            }
        }
        Ok(body)
    }
}

/// The HTTP client's time for a connection includes the look-up, and when it is over it does not
/// tell which of the two took it. With a proxy, it is the proxy's name that had to be looked up:
/// the server's is the proxy's to look up.
fn blame_resolver(error: DialError, base: &BaseUrl, proxy: Option<&Proxy>) -> DialError {
    let silent = ReasonCode::ResolverFailed;
    let (kind, explanation) = match proxy {
        Some(proxy) => (ReasonCode::ProxyFailed, proxy.not_looked_up(silent)),
        None => (
            silent,
            format!("the name {} {}", base.host(), outcome_of_lookup(silent)),
        ),
    };
    DialError {
        kind,
        explanation,
        ..error
    }
}

struct Exchange {
    document: Discovery,
    peer: Option<SocketAddr>,
    asked_at: SystemTime,
    elapsed: Duration,
}

impl Exchange {
    /// The server's time is taken to be that of the middle of the exchange.
    fn clock_offset(&self) -> ClockOffset {
        let half = self.elapsed / 2;
        let middle_ms = unix_ms(self.asked_at) + half.as_secs_f64() * 1000.0;
        let offset_ms = middle_ms - self.document.server_time_unix_ms as f64;
        ClockOffset {
            offset_ms: Millis::new(offset_ms).unwrap_or_default(),
            // The document's time is in whole milliseconds.
            uncertainty_ms: (half + Duration::from_millis(1)).into(),
        }
    }
}

fn unix_ms(at: SystemTime) -> f64 {
    match at.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64() * 1000.0,
        Err(before) => -before.duration().as_secs_f64() * 1000.0,
    }
}

fn parse(url: &url::Url, status: reqwest::StatusCode, body: &[u8]) -> Result<Discovery, DialError> {
    if !status.is_success() {
        return Err(not_greenroom(url, &format!("it answers {status}")));
    }
    let document: Discovery = serde_json::from_slice(body).map_err(|error| {
        not_greenroom(
            url,
            &format!("its answer is no discovery document: {error}"),
        )
    })?;
    if document.service != SERVICE {
        return Err(not_greenroom(
            url,
            "its discovery document is another service's",
        ));
    }
    if !document.measure.protocol_versions.contains(&VERSION) {
        let spoken = &document.measure.protocol_versions;
        return Err(DialError::new(
            url.as_str(),
            ReasonCode::VersionMismatch,
            format!(
                "the server (version {}) speaks measurement protocol {spoken:?}, this program \
                 speaks {VERSION}; update the older of the two",
                document.version
            ),
        ));
    }
    Ok(document)
}

fn not_greenroom(url: &url::Url, why: &str) -> DialError {
    let host = url.host_str().unwrap_or_default();
    DialError::new(
        url.as_str(),
        ReasonCode::NotGreenroom,
        format!("a web server answers at {host}, but it is no Greenroom server: {why}"),
    )
}
