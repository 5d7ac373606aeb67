//! What TLS and HTTP answers mean; pure.

use greenroom_protocol::discovery::{Discovery, SERVICE};
use greenroom_reports::model::outcome::ReasonCode;
use greenroom_reports::model::sensitive::Sensitive;
use greenroom_reports::model::web::{PortalSign, TlsVerdict, WebAnswer};
use greenroom_session::dial::route::Reply;
use greenroom_session::turn::{reason_of, speaks_old_tls_only};

/// Network Authentication Required (RFC 6585 §6).
const LOGIN_REQUIRED: u16 = 511;

/// What TLS has against the server.
pub(super) fn tls_verdict(error: &std::io::Error) -> TlsVerdict {
    match reason_of(error) {
        ReasonCode::TlsExpired => TlsVerdict::Expired,
        ReasonCode::TlsWrongName => TlsVerdict::WrongName,
        ReasonCode::TlsUnknownIssuer => TlsVerdict::UnknownIssuer,
        _ if speaks_old_tls_only(error) => TlsVerdict::TooOld,
        _ => TlsVerdict::Failed,
    }
}

/// The document in an answer, where it is a Greenroom server's.
pub(super) fn document(reply: &Reply) -> Option<Discovery> {
    let is_success = (200..300).contains(&reply.status);
    let document: Option<Discovery> = serde_json::from_slice(&reply.body).ok();
    document.filter(|document| is_success && document.service == SERVICE)
}

/// An answer that came, in terms of the report.
pub(super) fn answer(reply: &Reply, elapsed: std::time::Duration, is_expected: bool) -> WebAnswer {
    WebAnswer {
        status: Some(reply.status),
        elapsed_ms: Some(elapsed.into()),
        is_expected,
        message: None,
    }
}

/// Whether somebody who wants a login answered in the server's place.
///
/// Source: what captive portals do (RFC 8952 §1, RFC 6585 §6). An engineering choice: a redirect
/// within a site is none, since servers send to their own login pages and to HTTPS; a page that asks
/// for a password is one.
pub(super) fn portal_sign(reply: &Reply, host: &str) -> Option<PortalSign> {
    if reply.status == LOGIN_REQUIRED {
        return Some(PortalSign::LoginRequired);
    }
    if (300..400).contains(&reply.status) {
        let target = reply.location.as_ref()?.host_str()?;
        let target = target.trim_start_matches('[').trim_end_matches(']');
        return (!is_same_site(target, host)).then(|| PortalSign::Redirect {
            host: Sensitive::new(target),
        });
    }
    asks_for_password(&reply.body).then_some(PortalSign::LoginPage)
}

/// One is the other, or a name below it, such as `www`.
fn is_same_site(one: &str, other: &str) -> bool {
    let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
    let is_below = |name: &str, site: &str| {
        let head = name.strip_suffix(site);
        head.is_some_and(|head| head.is_empty() || head.ends_with('.'))
    };
    is_below(&one, &other) || is_below(&other, &one)
}

fn asks_for_password(body: &[u8]) -> bool {
    let page = String::from_utf8_lossy(body).to_ascii_lowercase();
    let tidy: String = page
        .chars()
        .filter(|c| !matches!(c, '"' | '\'' | ' '))
        .collect();
    page.contains("<input") && tidy.contains("type=password")
}

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

    use super::*;

    fn reply(status: u16, location: Option<&str>, body: &str) -> Reply {
        Reply {
            status,
            location: location.map(|url| url.parse().unwrap()),
            body: body.into(),
        }
    }

    #[test]
    fn a_redirect_to_another_host_looks_like_a_portal() {
        let sign = |to| portal_sign(&reply(302, Some(to), ""), "call.example.org");
        let portal = PortalSign::Redirect {
            host: Sensitive::new("login.hotel.example"),
        };
        assert_eq!(sign("http://login.hotel.example/?to=x"), Some(portal));
        for own in [
            "https://call.example.org/login",
            "https://www.CALL.example.org/",
            "https://example.org/",
        ] {
            assert_eq!(sign(own), None, "{own}");
        }
        assert!(sign("https://notexample.org/").is_some());
        assert_eq!(portal_sign(&reply(302, None, ""), "call.example.org"), None);
    }

    #[test]
    fn a_page_that_asks_for_a_password_looks_like_a_portal() {
        let page = "<form><INPUT name=p type = 'password'></form>";
        let sign = portal_sign(&reply(200, None, page), "x.example");
        assert_eq!(sign, Some(PortalSign::LoginPage));
        let sign = portal_sign(&reply(511, None, ""), "x.example");
        assert_eq!(sign, Some(PortalSign::LoginRequired));
        for other in ["hello", "<html>Log in</html>", "{\"type\":\"password\"}"] {
            assert_eq!(portal_sign(&reply(200, None, other), "x.example"), None);
        }
    }

    #[test]
    fn what_is_no_document_of_ours_is_none() {
        for (status, body) in [(200, "hello"), (200, "{}"), (404, ""), (200, "")] {
            assert_eq!(document(&reply(status, None, body)), None);
        }
    }

    #[test]
    fn an_alert_about_the_version_means_that_the_server_is_too_old() {
        let verdict = |error| tls_verdict(&std::io::Error::other(error));
        for old in [
            Error::AlertReceived(AlertDescription::ProtocolVersion),
            Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
        ] {
            assert_eq!(verdict(old), TlsVerdict::TooOld);
        }
        let alert = Error::AlertReceived(AlertDescription::HandshakeFailure);
        assert_eq!(verdict(alert), TlsVerdict::Failed);
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert_eq!(verdict(unknown), TlsVerdict::UnknownIssuer);
    }
}
