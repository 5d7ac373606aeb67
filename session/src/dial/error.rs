//! Why a deployment could not be reached: who said no, and to what.

use std::error::Error;
use std::io;

use greenroom_reports::model::outcome::ReasonCode;

use super::proxy::Proxy;

/// A dial that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach {url}: {explanation}")]
pub struct DialError {
    /// What was dialed.
    pub url: String,
    /// The kind, for programs.
    pub kind: ReasonCode,
    /// What happened, for people; a fragment that names the object.
    pub explanation: String,
    /// What the library said.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl DialError {
    pub(super) fn new(url: &str, kind: ReasonCode, explanation: impl Into<String>) -> Self {
        Self {
            url: url.to_owned(),
            kind,
            explanation: explanation.into(),
            source: None,
        }
    }

    /// Sorts an error of the HTTP client, whose request went through this proxy.
    pub(super) fn from_http(url: &url::Url, proxy: Option<&Proxy>, error: reqwest::Error) -> Self {
        let (kind, explanation) = classify(url, proxy, &error);
        Self {
            url: url.to_string(),
            kind,
            explanation,
            // The client repeats the URL in each of its messages.
            source: Some(Box::new(error.without_url())),
        }
    }

    /// The HTTP client's time was over.
    pub(super) fn is_timeout(&self) -> bool {
        let source = self.source.as_ref();
        source
            .and_then(|source| source.downcast_ref::<reqwest::Error>())
            .is_some_and(reqwest::Error::is_timeout)
    }
}

fn classify(url: &url::Url, proxy: Option<&Proxy>, error: &reqwest::Error) -> (ReasonCode, String) {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let chain: Vec<&(dyn Error + 'static)> = chain_of(error);
    if let Some(sorted) = proxy.and_then(|proxy| proxy.failure(url, error, &chain)) {
        return sorted;
    }
    if let Some(tls) = chain.iter().find_map(|e| find_tls(*e)) {
        return classify_tls(host, port, tls);
    }
    if error.is_redirect() {
        return (
            ReasonCode::NotGreenroom,
            format!(
                "what answers at {host} port {port} sends from one place to the next without end"
            ),
        );
    }
    let text = text_of(&chain);
    if let Some(sorted) = classify_text(host, &text) {
        return sorted;
    }
    let io = chain.iter().find_map(|e| e.downcast_ref::<io::Error>());
    if let Some(sorted) = io.and_then(|io| classify_io(host, port, io.kind())) {
        return sorted;
    }
    if error.is_timeout() {
        return (ReasonCode::NoAnswer, no_answer(host, port));
    }
    (
        ReasonCode::NotGreenroom,
        format!("what answers at {host} port {port} does not speak HTTP as expected ({text})"),
    )
}

fn no_answer(host: &str, port: u16) -> String {
    format!(
        "{host} does not answer on TCP port {port}; it is down, or a firewall drops the packets"
    )
}

fn classify_io(host: &str, port: u16, kind: io::ErrorKind) -> Option<(ReasonCode, String)> {
    use io::ErrorKind;
    match kind {
        ErrorKind::ConnectionRefused => Some((
            ReasonCode::Refused,
            format!("{host} refuses connections on TCP port {port}; no server listens there"),
        )),
        ErrorKind::TimedOut => Some((ReasonCode::NoAnswer, no_answer(host, port))),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::NetworkDown => {
            Some((
                ReasonCode::Unreachable,
                format!("there is no route to {host}; this machine may be offline"),
            ))
        }
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof => {
            Some((
                ReasonCode::Refused,
                format!("{host} port {port} broke the connection off before it answered"),
            ))
        }
        _ => None,
    }
}

/// The resolver and the proxy connector give words only.
fn classify_text(host: &str, text: &str) -> Option<(ReasonCode, String)> {
    if let Some(kind) = failed_lookup(text) {
        let what = outcome_of_lookup(kind);
        return Some((kind, format!("the name {host} {what}")));
    }
    (text.contains("tunnel") || text.contains("proxy")).then(|| {
        (
            ReasonCode::ProxyFailed,
            format!("the HTTP proxy did not let us through to {host} ({text})"),
        )
    })
}

/// Whether the resolver failed, and how.
pub(super) fn failed_lookup(text: &str) -> Option<ReasonCode> {
    let unknown = [
        "Name or service not known",
        "No address associated",
        "nodename nor servname",
    ];
    let failed = text.contains("dns error") || text.contains("failed to lookup address");
    failed.then(|| {
        if unknown.iter().any(|words| text.contains(words)) {
            ReasonCode::UnknownHost
        } else {
            ReasonCode::ResolverFailed
        }
    })
}

/// What became of a name that was looked up, to be said after it.
pub(super) fn outcome_of_lookup(kind: ReasonCode) -> &'static str {
    match kind {
        ReasonCode::UnknownHost => "does not exist, or has no address",
        _ => "could not be looked up; the DNS server does not answer",
    }
}

fn classify_tls(host: &str, port: u16, error: &rustls::Error) -> (ReasonCode, String) {
    use rustls::CertificateError as Certificate;
    match error {
        rustls::Error::InvalidCertificate(
            Certificate::Expired | Certificate::ExpiredContext { .. },
        ) => (
            ReasonCode::TlsExpired,
            format!("the certificate of {host} has expired, or this machine's clock is wrong"),
        ),
        rustls::Error::InvalidCertificate(
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. },
        ) => (
            ReasonCode::TlsExpired,
            format!("the certificate of {host} is not valid yet, or this machine's clock is wrong"),
        ),
        rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => (
            ReasonCode::TlsWrongName,
            format!("the certificate that is shown is not for the name {host}"),
        ),
        rustls::Error::InvalidCertificate(Certificate::UnknownIssuer) => (
            ReasonCode::TlsUnknownIssuer,
            format!(
                "the certificate of {host} was issued by an authority that this machine does not \
                 trust"
            ),
        ),
        other => (
            ReasonCode::TlsFailed,
            format!("no TLS connection to {host} port {port} came about ({other})"),
        ),
    }
}

fn chain_of<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut chain = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        chain.push(error);
        next = error.source();
    }
    chain
}

pub(super) fn text_of(chain: &[&(dyn Error + 'static)]) -> String {
    let texts: Vec<String> = chain.iter().map(ToString::to_string).collect();
    texts.join(": ")
}

/// `io::Error` hides the error that it wraps from the chain, so it is asked for it.
fn find_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let wrapped = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match (error.downcast_ref::<rustls::Error>(), wrapped) {
        (Some(tls), _) => Some(tls),
        (None, Some(inner)) => find_tls(inner),
        (None, None) => None,
    }
}
