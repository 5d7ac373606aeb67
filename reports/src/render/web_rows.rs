//! The way to the server's web side as rows, stage by stage.

use super::details::Rows;
use super::words;
use crate::model::path::Family;
use crate::model::web::{
    ConnectAttempt, ConnectResult, PortalSign, TlsVerdict, WebAnswer, WebSection, WebTls,
};

pub(super) fn web_rows(web: &WebSection) -> Vec<(String, String)> {
    let mut rows = Rows::default();
    let proxy = web.proxy.as_ref();
    rows.some(
        "through proxy",
        proxy.map(|p| format!("{} port {}", p.host, p.port)),
    );
    for attempt in &web.connects {
        rows.add(&connect_title(attempt), connect_words(attempt));
    }
    rows.some("tunnel of the proxy", web.tunnel.as_ref().map(answer_words));
    if let Some(tls) = &web.tls {
        rows.add("TLS", tls_words(tls));
        rows.some("certificate", certificate_words(tls));
    }
    rows.some("discovery document", web.http.as_ref().map(answer_words));
    rows.some("WebSocket", web.websocket.as_ref().map(answer_words));
    rows.some(
        "login of the network",
        web.portal.as_ref().map(portal_words),
    );
    rows.0
}

/// A TCP connection by its family.
pub(super) fn connect_title(attempt: &ConnectAttempt) -> String {
    let family = match attempt.family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    };
    format!("TCP over {family}")
}

/// What came of a TCP connection, and when.
pub(super) fn connect_words(attempt: &ConnectAttempt) -> String {
    let result = match attempt.result {
        ConnectResult::Connected => "connected",
        ConnectResult::Refused => "refused",
        ConnectResult::NoAnswer => "no answer",
        ConnectResult::Unreachable => "no route",
        ConnectResult::Failed => "failed",
        ConnectResult::Other => "unknown",
    };
    let elapsed = attempt.elapsed_ms.map(|ms| format!(" after {ms}"));
    format!(
        "{result}{}, {}",
        elapsed.unwrap_or_default(),
        attempt.address
    )
}

fn tls_words(tls: &WebTls) -> String {
    let verdict = match tls.verdict {
        TlsVerdict::Trusted => "trusted",
        TlsVerdict::Expired => "certificate out of date",
        TlsVerdict::WrongName => "certificate for another name",
        TlsVerdict::UnknownIssuer => "certificate not trusted",
        TlsVerdict::TooOld => "version too old",
        TlsVerdict::Failed => "failed",
        TlsVerdict::NoAnswer => "no answer",
        TlsVerdict::Other => "unknown",
    };
    let parts = [
        Some(verdict.to_owned()),
        tls.elapsed_ms.map(|ms| format!("after {ms}")),
        tls.version.as_deref().map(words::printable),
        tls.cipher_suite.as_deref().map(words::printable),
        tls.message.as_deref().map(words::printable),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn certificate_words(tls: &WebTls) -> Option<String> {
    let shown = tls.certificate.as_ref()?;
    let subject = words::printable(shown.subject.as_str());
    let issuer = words::printable(&shown.issuer);
    Some(format!(
        "{subject}, signed by {issuer}, until {}",
        shown.not_after
    ))
}

fn answer_words(answer: &WebAnswer) -> String {
    let parts = [
        answer.status.map(|status| format!("status {status}")),
        answer.elapsed_ms.map(|ms| format!("after {ms}")),
        (!answer.is_expected && answer.status.is_some())
            .then(|| "not what was asked for".to_owned()),
        answer.message.as_deref().map(words::printable),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn portal_words(sign: &PortalSign) -> String {
    match sign {
        PortalSign::Redirect { host } => {
            format!("redirected to {}", words::printable(host.as_str()))
        }
        PortalSign::LoginRequired => "status 511".to_owned(),
        PortalSign::LoginPage => "a page that asks for a password".to_owned(),
        PortalSign::Other => "unknown sign".to_owned(),
    }
}
