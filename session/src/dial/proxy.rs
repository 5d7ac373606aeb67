//! The HTTP proxy that stands between: which one it is, and whether it is what failed.

use std::error::Error;
use std::sync::Arc;
use std::{fmt, io};

use greenroom_reports::model::outcome::ReasonCode;
use hyper::header::HeaderValue;
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use super::error::{failed_lookup, outcome_of_lookup, text_of};

/// The proxies that the system asks programs to use, read as the HTTP client reads them.
#[derive(Clone, Debug)]
pub(super) struct Proxies(Arc<Matcher>);

impl Proxies {
    /// Those in force now.
    pub(super) fn from_system() -> Self {
        Self(Arc::new(Matcher::from_system()))
    }

    /// The one that a request for this URL goes through.
    pub(super) fn proxy_for(&self, url: &Url) -> Option<Proxy> {
        let target = url.as_str().parse().ok()?;
        let intercept = self.0.intercept(&target)?;
        let uri = intercept.uri();
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
        let scheme = uri.scheme_str().unwrap_or("http");
        let default_port = if scheme == "https" { 443 } else { 80 };
        Some(Proxy {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(default_port),
        })
    }
}

impl Proxies {
    /// What a request for this URL shows to the proxy, where its setting has a user name.
    pub(super) fn login_for(&self, url: &Url) -> Option<HeaderValue> {
        let target = url.as_str().parse().ok()?;
        self.0.intercept(&target)?.basic_auth().cloned()
    }
}

/// Where a proxy is, without its user name and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proxy {
    scheme: String,
    /// Name or address, an IPv6 address without its brackets.
    pub(super) host: String,
    /// TCP port.
    pub(super) port: u16,
}

/// A URL, since that is how proxies are set, and as such it becomes a pseudonym in what is shared.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port } = self;
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

impl Proxy {
    /// What went wrong before the proxy said anything about `url`; `None` when it did.
    pub(super) fn failure(
        &self,
        url: &Url,
        error: &reqwest::Error,
        chain: &[&(dyn Error + 'static)],
    ) -> Option<(ReasonCode, String)> {
        if error.is_timeout() {
            return Some(self.no_answer(url, error.is_connect()));
        }
        // For TLS the proxy is asked for a tunnel, and an error may be of either connection; a plain
        // request has the one to the proxy alone.
        let to_proxy = if url.scheme() == "https" {
            chain.iter().any(|e| e.to_string().contains(NO_CONNECTION))
        } else {
            error.is_connect()
        };
        to_proxy.then(|| self.no_connection(chain))
    }

    /// It is spoken to without TLS.
    pub(super) fn is_plain(&self) -> bool {
        self.scheme == "http"
    }

    /// The connection to it, or the one through it, did not come about or broke.
    pub(super) fn broke(&self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                format!("the HTTP proxy {self} refuses connections")
            }
            io::ErrorKind::TimedOut => format!("the HTTP proxy {self} does not answer"),
            _ => format!("the connection through the HTTP proxy {self} failed ({error})"),
        }
    }

    /// It answered a request for a tunnel to this host and port with this status.
    pub(super) fn allows_no_tunnel(&self, authority: &str, status: u16) -> String {
        format!(
            "the HTTP proxy {self} opens no tunnel to {authority}, which WebSocket needs; it \
             answers CONNECT with status {status}"
        )
    }

    /// Its name could not be looked up.
    pub(super) fn not_looked_up(&self, kind: ReasonCode) -> String {
        let what = outcome_of_lookup(kind);
        format!("the name of the HTTP proxy {self} {what}")
    }

    fn no_answer(&self, url: &Url, connecting: bool) -> (ReasonCode, String) {
        let server = url.host_str().unwrap_or_default();
        match (connecting, url.scheme()) {
            (false, _) => (
                ReasonCode::NoAnswer,
                format!("no answer of {server} came through the HTTP proxy {self}"),
            ),
            (true, "https") => (
                ReasonCode::ProxyFailed,
                format!(
                    "the HTTP proxy {self} does not answer; it is down, a firewall drops the \
                     packets, or it gets no answer of {server}"
                ),
            ),
            (true, _) => (
                ReasonCode::ProxyFailed,
                format!(
                    "the HTTP proxy {self} does not answer; it is down, or a firewall drops the \
                     packets"
                ),
            ),
        }
    }

    fn no_connection(&self, chain: &[&(dyn Error + 'static)]) -> (ReasonCode, String) {
        use io::ErrorKind;
        if let Some(kind) = failed_lookup(&text_of(chain)) {
            return (ReasonCode::ProxyFailed, self.not_looked_up(kind));
        }
        let io = chain.iter().find_map(|e| e.downcast_ref::<io::Error>());
        match io.map(io::Error::kind) {
            Some(ErrorKind::ConnectionRefused) => (
                ReasonCode::ProxyFailed,
                format!("the HTTP proxy {self} refuses connections"),
            ),
            Some(
                ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::NetworkDown,
            ) => (
                ReasonCode::Unreachable,
                format!("there is no route to the HTTP proxy {self}; this machine may be offline"),
            ),
            _ => {
                let why = chain.last().map(ToString::to_string).unwrap_or_default();
                (
                    ReasonCode::ProxyFailed,
                    format!("no connection to the HTTP proxy {self} came about ({why})"),
                )
            }
        }
    }
}

/// The tunnel's error when the connection that was to carry it did not come about; words only.
const NO_CONNECTION: &str = "failed to create underlying connection";

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::dial::base_url::BaseUrl;
    use crate::dial::dialer::{CONNECT_TIMEOUT, Dialer, EXCHANGE_TIMEOUT};
    use crate::dial::error::DialError;

    fn proxies(proxy: &str, not_for: &str) -> Proxies {
        let matcher = Matcher::builder().all(proxy).no(not_for).build();
        Proxies(Arc::new(matcher))
    }

    fn proxy_for(proxy: &str, url: &str) -> Option<String> {
        let url = Url::parse(url).unwrap();
        let found = proxies(proxy, "direct.example").proxy_for(&url)?;
        Some(found.to_string())
    }

    /// Asks a server of this name, which no machine can look up, through this proxy.
    async fn discover(proxy: &str, server: &str) -> DialError {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .proxy(reqwest::Proxy::all(proxy).unwrap())
            .build()
            .unwrap();
        let dialer = Dialer {
            http,
            proxies: proxies(proxy, ""),
        };
        let base = BaseUrl::parse(server).unwrap();
        tokio::time::timeout(EXCHANGE_TIMEOUT * 2, dialer.discover(&base))
            .await
            .unwrap()
            .unwrap_err()
    }

    #[test]
    fn a_proxy_is_known_by_host_and_port_without_credentials() {
        let server = "https://probe.example/";
        for (proxy, expected) in [
            (
                "http://me:hunter2@proxy.example:3128",
                "http://proxy.example:3128",
            ),
            ("proxy.example", "http://proxy.example:80"),
            ("https://proxy.example/", "https://proxy.example:443"),
            ("http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080"),
        ] {
            assert_eq!(proxy_for(proxy, server).as_deref(), Some(expected));
        }
        assert_eq!(proxy_for("proxy.example", "https://direct.example"), None);
        assert_eq!(proxy_for("", server), None);
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_is_named_and_no_other() {
        // Bound, but not listening.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = socket.local_addr().unwrap().port();
        let proxy = format!("http://127.0.0.1:{port}");
        for server in ["http://probe.invalid", "https://probe.invalid"] {
            let error = discover(&proxy, server).await;
            assert_eq!(error.kind, ReasonCode::ProxyFailed, "{error}");
            let expected = format!("the HTTP proxy {proxy} refuses connections");
            assert_eq!(error.explanation, expected);
        }
    }

    #[tokio::test]
    async fn a_proxy_that_stays_silent_is_named() {
        // Connections wait in its queue.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = format!("http://{}", silent.local_addr().unwrap());
        let (plain, tunnel) = tokio::join!(
            discover(&proxy, "http://probe.invalid"),
            discover(&proxy, "https://probe.invalid")
        );
        assert_eq!(plain.kind, ReasonCode::NoAnswer, "{plain}");
        let expected = format!("no answer of probe.invalid came through the HTTP proxy {proxy}");
        assert_eq!(plain.explanation, expected);
        assert_eq!(tunnel.kind, ReasonCode::ProxyFailed, "{tunnel}");
        let expected = format!("the HTTP proxy {proxy} does not answer; ");
        assert!(tunnel.explanation.starts_with(&expected), "{tunnel}");
    }

    #[tokio::test]
    async fn a_proxy_whose_name_leads_nowhere_is_named() {
        for server in ["http://probe.invalid", "https://probe.invalid"] {
            let error = discover("http://proxy.invalid:3128", server).await;
            assert_eq!(error.kind, ReasonCode::ProxyFailed, "{error}");
            let explanation = &error.explanation;
            assert!(
                explanation.starts_with("the name of the HTTP proxy http://proxy.invalid:3128 "),
                "{explanation}"
            );
        }
    }
}
