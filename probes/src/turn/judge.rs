//! What a failure is called; pure.

use greenroom_protocol::turn::credential::expiry_of;
use greenroom_reports::model::outcome::ReasonCode;
use greenroom_reports::model::turn::TurnResult;
use greenroom_session::turn::{Failure, Refusal};

/// What came of trying whether packets come through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// They do.
    Open,
    /// The peer was permitted, and nothing came.
    Silent,
    /// The server forbids the peer, with this code.
    Forbidden(u16),
    /// It could not be tried.
    Untried,
}

/// The name for a failure on the way to an allocation, the server's code, and words.
pub(super) fn named(
    failure: &Failure,
    username: Option<&str>,
    now_unix_s: u64,
) -> (TurnResult, Option<u16>, Option<String>) {
    let plain = |result| (result, None, None);
    match failure {
        Failure::Refused => plain(TurnResult::Refused),
        Failure::NoAnswer => plain(TurnResult::NoAnswer),
        Failure::Unreachable(why) => (TurnResult::NoRoute, None, Some(why.clone())),
        Failure::Closed => plain(TurnResult::Closed),
        Failure::NotTurn => plain(TurnResult::NotTurn),
        Failure::Tls { code, message, .. } => (of_tls(*code), None, Some(message.clone())),
        Failure::Redirected(_) => plain(TurnResult::RedirectLoop),
        Failure::NoAddress => plain(TurnResult::OtherRefusal),
        Failure::Allocate(refusal) | Failure::Peer(refusal) => {
            let result = of_refusal(refusal, username, now_unix_s);
            let words = Some(refusal.reason.clone()).filter(|words| !words.is_empty());
            (result, Some(refusal.code).filter(|code| *code > 0), words)
        }
    }
}

fn of_tls(code: ReasonCode) -> TurnResult {
    match code {
        ReasonCode::TlsExpired => TurnResult::TlsExpired,
        ReasonCode::TlsWrongName => TurnResult::TlsWrongName,
        ReasonCode::TlsUnknownIssuer => TurnResult::TlsUnknownIssuer,
        _ => TurnResult::TlsFailed,
    }
}

/// Source: RFC 8656 §18.8, and what coturn does.
fn of_refusal(refusal: &Refusal, username: Option<&str>, now_unix_s: u64) -> TurnResult {
    match refusal.code {
        401 if !refusal.authenticated => TurnResult::CredentialsNeeded,
        // A server that checks the time says no more than one that knows no such user.
        401 | 441 if is_over(username, now_unix_s) => TurnResult::CredentialsExpired,
        401 | 441 => TurnResult::WrongCredentials,
        403 => TurnResult::Forbidden,
        486 => TurnResult::Quota,
        508 => TurnResult::NoCapacity,
        _ => TurnResult::OtherRefusal,
    }
}

fn is_over(username: Option<&str>, now_unix_s: u64) -> bool {
    let expiry = username.and_then(expiry_of);
    expiry.is_some_and(|expiry| expiry <= now_unix_s)
}

/// What two ways of trying a relay mean together: from the relay to itself, and from the relay to a
/// socket of this machine. `ports_open` tells whether UDP from here reaches other ports of the
/// server's host at all, where that is known.
///
/// Only the second way leaves the server's host, so that closed relay ports show; but a firewall
/// before this machine closes it as well, and a relay for others works then.
pub(super) fn relaying(itself: Passage, outside: Passage, ports_open: Option<bool>) -> TurnResult {
    use Passage::{Forbidden, Open, Silent, Untried};
    match (itself, outside) {
        (Open, Silent) if ports_open == Some(true) => TurnResult::BlackHole,
        (_, Open) | (Open, _) => TurnResult::Relays,
        (Forbidden(_), Forbidden(_) | Untried) => TurnResult::PeerForbidden,
        (Silent | Untried, _) | (Forbidden(_), Silent) => TurnResult::BlackHole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, authenticated: bool, username: &str) -> TurnResult {
        let refusal = Refusal {
            code,
            reason: String::new(),
            authenticated,
        };
        named(&Failure::Allocate(refusal), Some(username), 1_700_000_000).0
    }

    #[test]
    fn refusals_have_their_names() {
        for (code, name) in [
            (401, TurnResult::WrongCredentials),
            (403, TurnResult::Forbidden),
            (486, TurnResult::Quota),
            (508, TurnResult::NoCapacity),
            (437, TurnResult::OtherRefusal),
            (0, TurnResult::OtherRefusal),
        ] {
            assert_eq!(refused(code, true, "alice"), name, "{code}");
        }
        assert_eq!(refused(401, false, ""), TurnResult::CredentialsNeeded);
    }

    #[test]
    fn a_time_that_is_over_tells_why_the_name_is_refused() {
        assert_eq!(
            refused(401, true, "1699999999:alice"),
            TurnResult::CredentialsExpired
        );
        assert_eq!(
            refused(401, true, "1700000001:alice"),
            TurnResult::WrongCredentials
        );
    }

    #[test]
    fn a_relay_that_reaches_itself_alone_is_a_black_hole_only_where_this_side_is_open() {
        use Passage::{Forbidden, Open, Silent, Untried};
        for (itself, outside, open, result) in [
            (Open, Open, None, TurnResult::Relays),
            (Silent, Open, None, TurnResult::Relays),
            (Forbidden(403), Open, None, TurnResult::Relays),
            (Open, Untried, None, TurnResult::Relays),
            (Open, Forbidden(403), None, TurnResult::Relays),
            (Open, Silent, None, TurnResult::Relays),
            (Open, Silent, Some(true), TurnResult::BlackHole),
            (Silent, Silent, None, TurnResult::BlackHole),
            (Silent, Untried, None, TurnResult::BlackHole),
            (Forbidden(403), Untried, None, TurnResult::PeerForbidden),
            (
                Forbidden(403),
                Forbidden(403),
                None,
                TurnResult::PeerForbidden,
            ),
            (Forbidden(403), Silent, None, TurnResult::BlackHole),
        ] {
            assert_eq!(
                relaying(itself, outside, open),
                result,
                "{itself:?} {outside:?}"
            );
        }
    }
}
