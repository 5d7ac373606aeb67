//! Who asks: the peer, or whom a trusted proxy names.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");

/// Whether `peer` is one of the operator's proxies.
pub(super) fn is_trusted(peer: IpAddr, trusted: &[IpNet]) -> bool {
    let peer = peer.to_canonical();
    trusted.iter().any(|net| net.contains(&peer))
}

/// The client's address: the peer, or whom a trusted proxy names.
pub(super) fn client_address(
    peer: SocketAddr,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> SocketAddr {
    let direct = peer.ip().to_canonical();
    let named = is_trusted(direct, trusted)
        .then(|| forwarded_client(headers, trusted))
        .flatten();
    SocketAddr::new(named.unwrap_or(direct), peer.port())
}

/// Whether the request comes from this machine, and not through a proxy on it that speaks for
/// somebody else.
pub(super) fn is_local(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    let direct = peer.ip().to_canonical();
    if !headers.contains_key(FORWARDED_FOR) && !headers.contains_key(FORWARDED) {
        return direct.is_loopback();
    }
    is_trusted(direct, trusted)
        && forwarded_client(headers, trusted).is_some_and(|client| client.is_loopback())
}

/// Whom the proxies name; `None` when they name nobody, or somebody unreadable.
///
/// A trusted proxy appends the address that it saw to `X-Forwarded-For`; what stands left of it
/// was written by others and is believed only as far as it was seen by a trusted proxy in turn.
fn forwarded_client(headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let mut last = None;
    for value in headers.get_all(FORWARDED_FOR).iter().rev() {
        for text in value.to_str().ok()?.rsplit(',') {
            let client = parse_address(text.trim())?;
            if !is_trusted(client, trusted) {
                return Some(client);
            }
            last = Some(client);
        }
    }
    last
}

/// An address, which some proxies write with a port.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    bare().or_else(with_port).map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&'static str], trusted: &[&str]) -> (String, bool) {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        let peer = SocketAddr::new(peer.parse().unwrap(), 5000);
        (
            client_address(peer, &headers, &trusted).ip().to_string(),
            is_local(peer, &headers, &trusted),
        )
    }

    fn seen(ip: &str, local: bool) -> (String, bool) {
        (ip.to_owned(), local)
    }

    #[test]
    fn a_forwarded_address_is_believed_from_a_trusted_proxy_only() {
        let header = &["198.51.100.9"][..];
        assert_eq!(client("192.0.2.1", header, &[]), seen("192.0.2.1", false));
        assert_eq!(
            client("192.0.2.1", header, &["192.0.2.0/24"]),
            seen("198.51.100.9", false)
        );
        assert_eq!(
            client("::ffff:192.0.2.1", header, &["192.0.2.0/24"]),
            seen("198.51.100.9", false)
        );
    }

    #[test]
    fn what_a_client_wrote_itself_is_not_believed() {
        let header = &["127.0.0.1, 203.0.113.7"][..];
        assert_eq!(
            client("10.0.0.1", header, &["10.0.0.0/8"]),
            seen("203.0.113.7", false)
        );
        let chain = &["127.0.0.1, 203.0.113.7", "10.0.0.2"][..];
        assert_eq!(
            client("10.0.0.1", chain, &["10.0.0.0/8"]),
            seen("203.0.113.7", false)
        );
    }

    #[test]
    fn a_proxy_on_this_machine_does_not_make_its_clients_local() {
        assert!(client("127.0.0.1", &[], &[]).1);
        assert!(client("::1", &[], &[]).1);
        assert!(!client("127.0.0.1", &["203.0.113.7"], &[]).1);
        assert!(!client("127.0.0.1", &["127.0.0.1"], &[]).1);
        assert!(!client("127.0.0.1", &["203.0.113.7"], &["127.0.0.0/8"]).1);
        assert!(client("127.0.0.1", &["127.0.0.1"], &["127.0.0.0/8"]).1);
    }

    #[test]
    fn an_address_may_have_a_port_and_an_unreadable_one_is_nobody_local() {
        let trusted = &["127.0.0.0/8"][..];
        let with_port = client("127.0.0.1", &["203.0.113.7:4711"], trusted);
        assert_eq!(with_port, seen("203.0.113.7", false));
        let with_port = client("127.0.0.1", &["[2001:db8::1]:4711"], trusted);
        assert_eq!(with_port, seen("2001:db8::1", false));
        let hidden = client("127.0.0.1", &["unknown"], trusted);
        assert_eq!(hidden, seen("127.0.0.1", false));
    }
}
