//! Small changes to the copy of a description that is sent.

/// The description as it is sent to the peer.
///
/// Passive candidates of ICE-TCP are left out, since nothing listens there: we connect, servers listen.
/// With `dtls_passive` the peer becomes client of DTLS and begins at once, which saves a round trip and
/// a tick of the stack. Source: RFC 8842 section 5.3 lets an offerer say `passive`.
pub(super) fn as_sent(sdp: &str, dtls_passive: bool) -> String {
    let mut sent = String::with_capacity(sdp.len());
    for line in sdp.lines() {
        if line.starts_with("a=candidate:") && is_passive(line) {
            continue;
        }
        if dtls_passive && line == "a=setup:actpass" {
            sent.push_str("a=setup:passive");
        } else {
            sent.push_str(line);
        }
        sent.push_str("\r\n");
    }
    sent
}

/// Whether a candidate waits for connections.
pub(super) fn is_passive(candidate: &str) -> bool {
    let mut fields = candidate.split_ascii_whitespace();
    fields.any(|field| field == "tcptype") && fields.next() == Some("passive")
}

/// The first attribute of a name, of the session or a media section.
pub(super) fn attribute<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    sdp.lines()
        .filter_map(|line| line.trim_end().strip_prefix("a="))
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\na=setup:actpass\r\n\
        a=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\n\
        a=candidate:2 1 tcp 1 192.0.2.1 9 typ host tcptype active\r\n\
        a=candidate:3 1 tcp 1 192.0.2.1 5 typ host tcptype passive\r\n";

    #[test]
    fn the_peer_becomes_client_of_dtls_only_where_that_is_wanted() {
        assert!(as_sent(OFFER, true).contains("a=setup:passive\r\n"));
        assert!(as_sent(OFFER, false).contains("a=setup:actpass\r\n"));
    }

    #[test]
    fn candidates_where_nothing_listens_are_not_sent() {
        let sent = as_sent(OFFER, false);
        assert_eq!(sent.lines().count(), OFFER.lines().count() - 1);
        assert!(sent.contains("tcptype active") && !sent.contains("tcptype passive"));
    }
}
