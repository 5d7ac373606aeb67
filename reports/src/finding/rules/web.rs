//! Findings about the way to the server's web side that asking for the document alone cannot tell.

use crate::finding::facts::{Facts, Hit, number, word};
use crate::model::finding::Severity;
use crate::model::path::Transport;
use crate::model::turn::ShownCertificate;
use crate::model::web::{PortalSign, TlsVerdict, WebAnswer, WebSection, WebTls};

/// Days before its end from which a certificate is worth a word.
///
/// Engineering choice: automatic renewal, which takes place a third of the lifetime before its end
/// (30 days of 90), has failed for two weeks then.
const SOON_DAYS: i64 = 14;

/// Proxy Authentication Required (RFC 9110 §15.5.8).
const PROXY_LOGIN: u16 = 407;

/// What a server that is busy says (RFC 6585 §4, RFC 9110 §15.6.4).
const BUSY: [u16; 2] = [429, 503];

pub(super) fn hits(facts: &Facts<'_>) -> Vec<Hit> {
    let Some(web) = facts.parts.web.data() else {
        return Vec::new();
    };
    [
        portal(facts, web),
        proxy_login(web),
        tunnel_refused(facts, web),
        tls_too_old(web),
        websocket_blocked(facts, web),
        certificate_ends(web),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Who got through to the server has no login before him, whatever was redirected.
fn portal(facts: &Facts<'_>, web: &WebSection) -> Option<Hit> {
    facts.discovery_blocked()?;
    let sign = web.portal.as_ref()?;
    if !is_the_networks(sign, web.tls.as_ref()) {
        return None;
    }
    let evidence = match sign {
        PortalSign::Redirect { host } => word("redirected_to", host.as_str()),
        PortalSign::LoginRequired => number("http_status", 511.0, "count"),
        PortalSign::LoginPage => word("answer", "a page that asks for a password"),
        PortalSign::Other => return None,
    };
    let id = "network.web.captive_portal";
    Some(Hit::new(id, Severity::Critical, vec![evidence]))
}

/// A server that shows its certificate, whatever is wrong with that, is no portal because plain HTTP
/// leads elsewhere: many do. A portal that answers TLS too shows the certificate of where it leads.
/// Nobody but a network sends status 511.
fn is_the_networks(sign: &PortalSign, tls: Option<&WebTls>) -> bool {
    let Some(tls) = tls else { return true };
    match (tls.verdict, sign) {
        (_, PortalSign::LoginRequired) | (TlsVerdict::Failed | TlsVerdict::NoAnswer, _) => true,
        (TlsVerdict::WrongName | TlsVerdict::UnknownIssuer, PortalSign::Redirect { host }) => {
            let shown = tls.certificate.as_ref();
            shown.is_some_and(|shown| names_host(shown.subject.as_str(), host.as_str()))
        }
        _ => false,
    }
}

/// One of the words of a certificate's subject, as `CN=*.hotel.example`, is the host, or a pattern
/// for it (RFC 9525 §6.3).
fn names_host(subject: &str, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let parent = host.split_once('.').map(|(_, parent)| parent);
    let subject = subject.to_ascii_lowercase();
    subject
        .split([' ', ',', '='])
        .any(|word| word == host || word.strip_prefix("*.").is_some_and(|p| Some(p) == parent))
}

/// What a proxy says that will not, rather than cannot.
fn is_refusal(answer: &WebAnswer) -> bool {
    let refused = answer.status.is_some_and(|s| (400..500).contains(&s));
    refused && answer.status != Some(PROXY_LOGIN)
}

/// Over plain HTTP it is the WebSocket alone that takes a tunnel, and where UDP comes through, nobody
/// needs it.
fn tunnel_refused(facts: &Facts<'_>, web: &WebSection) -> Option<Hit> {
    let proxy = web.proxy.as_ref()?;
    let tunnel = web.tunnel.as_ref().filter(|answer| is_refusal(answer))?;
    let mut evidence = vec![
        word("proxy", format!("{} port {}", proxy.host, proxy.port)),
        word("server", format!("{} port {}", web.host, web.port)),
    ];
    let status = tunnel.status.map(f64::from);
    evidence.extend(status.map(|status| number("http_status", status, "count")));
    let severity = if facts.discovery_blocked().is_some() {
        Severity::Critical
    } else {
        without_websocket(facts)
    };
    Some(Hit::new("network.proxy.tunnel_refused", severity, evidence))
}

fn proxy_login(web: &WebSection) -> Option<Hit> {
    let proxy = web.proxy.as_ref()?;
    let answers = [web.tunnel.as_ref(), web.http.as_ref()];
    let mut answers = answers.into_iter().flatten();
    answers.find(|answer| answer.status == Some(PROXY_LOGIN))?;
    let evidence = vec![
        word("proxy", format!("{} port {}", proxy.host, proxy.port)),
        number("http_status", f64::from(PROXY_LOGIN), "count"),
    ];
    let id = "network.proxy.credentials_needed";
    Some(Hit::new(id, Severity::Critical, evidence))
}

fn tls_too_old(web: &WebSection) -> Option<Hit> {
    let tls = web.tls.as_ref()?;
    let evidence = tls
        .message
        .as_deref()
        .map(|message| word("reason", message));
    let hit = Hit::new(
        "network.web.tls_too_old",
        Severity::Critical,
        evidence.into_iter().collect(),
    );
    (tls.verdict == TlsVerdict::TooOld).then_some(hit)
}

/// Where UDP comes through, nobody needs WebSocket.
fn without_websocket(facts: &Facts<'_>) -> Severity {
    let path = facts.path();
    if path.is_some_and(|path| path.transport == Transport::Udp) {
        Severity::Info
    } else {
        Severity::Warning
    }
}

/// The document came, the WebSocket did not, or not even the tunnel for it.
fn websocket_blocked(facts: &Facts<'_>, web: &WebSection) -> Option<Hit> {
    let tunnel = web.tunnel.as_ref();
    let tunnel =
        tunnel.filter(|t| !t.is_expected && !is_refusal(t) && t.status != Some(PROXY_LOGIN));
    let answer = web.websocket.as_ref().or(tunnel)?;
    let is_reached = web.http.as_ref().is_some_and(|http| http.is_expected);
    let is_busy = answer.status.is_some_and(|status| BUSY.contains(&status));
    let blocked = is_reached && !answer.is_expected && !is_busy;
    let status = answer.status;
    let status = status.map(|status| number("http_status", f64::from(status), "count"));
    let message = answer
        .message
        .as_deref()
        .map(|message| word("reason", message));
    let evidence = status.into_iter().chain(message).collect();
    let severity = without_websocket(facts);
    blocked.then(|| Hit::new("network.web.websocket_blocked", severity, evidence))
}

fn certificate_ends(web: &WebSection) -> Option<Hit> {
    let tls = web.tls.as_ref()?;
    let ShownCertificate { not_after, .. } = tls.certificate.as_ref()?;
    let days = tls.days_left?;
    let ends = tls.verdict == TlsVerdict::Trusted && days < SOON_DAYS;
    let evidence = vec![
        number("days_left", days as f64, "count"),
        word("valid_until", not_after),
    ];
    let id = "network.web.certificate_expires_soon";
    ends.then(|| Hit::new(id, Severity::Info, evidence))
}
