//! Which servers are asked, and how; pure.

use greenroom_protocol::discovery::RelayService;
use greenroom_protocol::turn::url::{IceTransport, IceUrl};
use greenroom_reports::model::stun::StunTransport;

/// Most servers that are asked, each way counted.
const MAX_SERVERS: usize = 32;

/// A server, asked over one transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) transport: StunTransport,
}

/// Each server over each of its transports, once: the Greenroom server's own, and those that were
/// named. A URL that names no transport is asked over UDP and TCP.
pub(super) fn ways(own: Option<(&str, &RelayService)>, urls: &[IceUrl]) -> Vec<Way> {
    let mut ways: Vec<Way> = Vec::new();
    let own = own.into_iter().flat_map(of_own_server);
    for way in own.chain(urls.iter().flat_map(of_url)) {
        if !ways.contains(&way) && ways.len() < MAX_SERVERS {
            ways.push(way);
        }
    }
    ways
}

fn of_own_server((host, relay): (&str, &RelayService)) -> Vec<Way> {
    let ports = [
        (StunTransport::Udp, relay.udp_port),
        (StunTransport::Tcp, relay.tcp_port),
        (StunTransport::Tls, relay.tls_port),
    ];
    let way = |(transport, port): (StunTransport, Option<u16>)| {
        Some(Way {
            host: host.to_owned(),
            port: port?,
            transport,
        })
    };
    ports.into_iter().filter_map(way).collect()
}

fn of_url(url: &IceUrl) -> Vec<Way> {
    let transports: &[StunTransport] = match (url.scheme.is_secure(), url.transport) {
        (true, _) => &[StunTransport::Tls],
        (false, Some(IceTransport::Udp)) => &[StunTransport::Udp],
        (false, Some(IceTransport::Tcp)) => &[StunTransport::Tcp],
        (false, None) => &[StunTransport::Udp, StunTransport::Tcp],
    };
    let way = |transport: &StunTransport| Way {
        host: url.host.clone(),
        port: url.port,
        transport: *transport,
    };
    transports.iter().map(way).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(own: Option<(&str, &RelayService)>, urls: &[&str]) -> Vec<String> {
        let urls: Vec<IceUrl> = urls.iter().map(|url| url.parse().unwrap()).collect();
        let ways = ways(own, &urls);
        let name = |way: &Way| format!("{}:{} {:?}", way.host, way.port, way.transport);
        ways.iter().map(name).collect()
    }

    #[test]
    fn a_url_tells_over_what_its_server_is_asked() {
        let both = ["a:3478 Udp", "a:3478 Tcp"];
        assert_eq!(told(None, &["stun:a", "turn:a"]), both);
        assert_eq!(told(None, &["turn:a?transport=udp"]), ["a:3478 Udp"]);
        assert_eq!(told(None, &["turn:a?transport=tcp"]), ["a:3478 Tcp"]);
        assert_eq!(told(None, &["stuns:a", "turns:a"]), ["a:5349 Tls"]);
    }

    #[test]
    fn the_own_server_comes_first_and_there_is_an_end() {
        let relay = RelayService {
            udp_port: Some(1),
            tcp_port: None,
            tls_port: Some(3),
            username: String::new(),
            password: String::new(),
        };
        let texts: Vec<String> = (0..100).map(|n| format!("stun:host-{n}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let ways = told(Some(("own", &relay)), &texts);
        assert_eq!(ways[..2], ["own:1 Udp", "own:3 Tls"]);
        assert_eq!(ways.len(), MAX_SERVERS);
    }
}
