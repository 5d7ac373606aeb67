//! Which servers are tried in which ways; pure.

use greenroom_protocol::discovery::RelayService;
use greenroom_protocol::turn::url::{IceTransport, IceUrl};
use greenroom_reports::model::turn::RelayTransport;
use greenroom_session::turn::Credentials;

/// Most URLs that are tried in one run.
pub const MAX_URLS: usize = 64;

/// A server, reached over one transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) transport: RelayTransport,
    /// Of the Greenroom server.
    pub(super) is_own: bool,
    pub(super) credentials: Option<Credentials>,
}

/// Each server over each of its transports, once.
pub(super) fn ways(
    own: Option<(&str, &RelayService)>,
    urls: &[IceUrl],
    credentials: Option<&Credentials>,
) -> Vec<Way> {
    let mut ways: Vec<Way> = own.into_iter().flat_map(of_own_server).collect();
    for url in urls.iter().take(MAX_URLS) {
        for way in of_url(url, credentials) {
            let same = |known: &Way| {
                known.host.eq_ignore_ascii_case(&way.host)
                    && (known.port, known.transport) == (way.port, way.transport)
                    && known.credentials == way.credentials
            };
            if !ways.iter().any(same) {
                ways.push(way);
            }
        }
    }
    ways
}

fn of_own_server((host, relay): (&str, &RelayService)) -> Vec<Way> {
    let credentials = Credentials {
        username: relay.username.clone(),
        password: relay.password.clone(),
    };
    let ports = [
        (RelayTransport::Udp, relay.udp_port),
        (RelayTransport::Tcp, relay.tcp_port),
        (RelayTransport::Tls, relay.tls_port),
    ];
    let way = |(transport, port): (RelayTransport, Option<u16>)| {
        Some(Way {
            host: host.to_owned(),
            port: port?,
            transport,
            is_own: true,
            credentials: Some(credentials.clone()),
        })
    };
    ports.into_iter().filter_map(way).collect()
}

/// A URL that names no transport is tried over both.
fn of_url(url: &IceUrl, credentials: Option<&Credentials>) -> Vec<Way> {
    let transports: &[RelayTransport] = match (url.scheme.is_secure(), url.transport) {
        (true, _) => &[RelayTransport::Tls],
        (false, Some(IceTransport::Udp)) => &[RelayTransport::Udp],
        (false, Some(IceTransport::Tcp)) => &[RelayTransport::Tcp],
        (false, None) => &[RelayTransport::Udp, RelayTransport::Tcp],
    };
    let way = |transport: &RelayTransport| Way {
        host: url.host.clone(),
        port: url.port,
        transport: *transport,
        is_own: false,
        credentials: credentials.cloned(),
    };
    transports.iter().map(way).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(texts: &[&str]) -> Vec<IceUrl> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_url_without_transport_is_tried_over_both_and_none_twice() {
        let urls = urls(&[
            "turn:a.example",
            "turn:A.example:3478?transport=tcp",
            "turns:a.example",
        ]);
        let ways = ways(None, &urls, None);
        let seen: Vec<(u16, RelayTransport)> = ways.iter().map(|w| (w.port, w.transport)).collect();
        assert_eq!(
            seen,
            [
                (3478, RelayTransport::Udp),
                (3478, RelayTransport::Tcp),
                (5349, RelayTransport::Tls)
            ]
        );
    }

    #[test]
    fn the_own_server_comes_first_with_what_it_offers() {
        let relay = RelayService {
            udp_port: Some(3478),
            tcp_port: None,
            tls_port: Some(5349),
            username: "1:public".to_owned(),
            password: "p".to_owned(),
        };
        let ways = ways(Some(("server", &relay)), &urls(&["turn:other"]), None);
        assert_eq!(ways.len(), 4);
        assert!(ways[0].is_own && ways[1].is_own && !ways[2].is_own);
        assert_eq!(ways[1].transport, RelayTransport::Tls);
        assert_eq!(ways[2].credentials, None);
    }

    #[test]
    fn there_is_an_end_to_urls() {
        let texts: Vec<String> = (0..100).map(|n| format!("turns:host-{n}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(ways(None, &urls(&texts), None).len(), MAX_URLS);
    }
}
