//! A way to the server's measurement port through its own TURN relay, for when no other is left.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use greenroom_protocol::discovery::RelayService;
use greenroom_reports::model::path::Transport as Kind;
use greenroom_session::turn::{
    Credentials, Failure, Server, Traffic, Transport as Reached, Trust, TurnClient, connect,
};

/// Longest wait for a relay: everything else was tried before, and a person waits.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How a relay is reached, the best first: over TCP and TLS one lost packet holds up those behind it.
const KINDS: [Kind; 3] = [Kind::TurnUdp, Kind::TurnTcp, Kind::TurnTls];

/// Where the relay is, and what it is to reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RelayTarget<'a> {
    /// What the server told of its relay.
    pub(crate) service: &'a RelayService,
    /// Name of the server, for its certificate.
    pub(crate) host: &'a str,
    /// The server's UDP measurement address.
    pub(crate) peer: SocketAddr,
    /// Further certificate authorities to trust, as PEM.
    pub(crate) authorities: &'a [Vec<u8>],
    /// Entropy: nobody may guess it.
    pub(crate) nonce: u64,
}

/// An allocation with a channel to the server's measurement port.
#[derive(Debug)]
pub(crate) struct OpenRelay {
    pub(crate) client: TurnClient,
    pub(crate) peer: SocketAddr,
    /// How it is reached.
    pub(crate) kind: Kind,
}

impl RelayTarget<'_> {
    /// Tries UDP, TCP and TLS beside each other, and takes the first of these that relays.
    pub(crate) async fn open(&self) -> Option<OpenRelay> {
        let [udp, tcp, tls] = KINDS.map(|kind| self.open_over(kind));
        let (udp, tcp, tls) = tokio::join!(udp, tcp, tls);
        udp.or(tcp).or(tls)
    }

    /// Tries this way alone; `None` where it does not relay.
    pub(crate) async fn open_over(&self, kind: Kind) -> Option<OpenRelay> {
        let (transport, port) = match kind {
            Kind::TurnUdp => (Reached::Udp, self.service.udp_port?),
            Kind::TurnTcp => (Reached::Tcp, self.service.tcp_port?),
            Kind::TurnTls => (Reached::Tls, self.service.tls_port?),
            Kind::Udp | Kind::WebSocket => return None,
        };
        let trust = Trust::new(self.authorities).ok()?;
        let opened = self.allocate(transport, port, &trust);
        let client = tokio::time::timeout(PATIENCE, opened).await.ok()??;
        Some(OpenRelay {
            client,
            peer: self.peer,
            kind,
        })
    }

    async fn allocate(&self, transport: Reached, port: u16, trust: &Trust) -> Option<TurnClient> {
        let server = Server {
            address: SocketAddr::new(self.peer.ip(), port),
            transport,
            name: self.host.to_owned(),
            credentials: Some(Credentials {
                username: self.service.username.clone(),
                password: self.service.password.clone(),
            }),
            wants_ipv6: self.peer.is_ipv6(),
            traffic: Traffic::default(),
        };
        let connected = connect(&server, trust).await.ok()?;
        let first_transaction = u128::from(self.nonce) << 16;
        let mut client = TurnClient::new(connected, &server, first_transaction);
        client.allocate().await.ok()?;
        client.bind(self.peer).await.ok()?;
        Some(client)
    }
}

impl OpenRelay {
    /// Bytes of headers below a datagram: IP, TCP with time stamps or UDP, and a channel's; TLS comes
    /// on top and is not counted. Over TCP a segment of 1500 bytes carries more than one of a load's
    /// datagrams of 1200, which pay for its headers by their share.
    pub(crate) fn headers(&self) -> u16 {
        const CHANNEL: u16 = 4;
        match (self.client.is_stream(), self.peer.is_ipv4()) {
            (false, true) => 20 + 8 + CHANNEL,
            (false, false) => 40 + 8 + CHANNEL,
            // 52 of 1500 bytes, and 72.
            (true, true) => 44 + CHANNEL,
            (true, false) => 61 + CHANNEL,
        }
    }

    /// Ends the allocation.
    pub(crate) async fn release(self) {
        self.client.release().await;
    }
}

/// What an error of the relay is to a driver.
pub(crate) fn broken(failure: &Failure) -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionAborted,
        format!("the relay broke off ({failure:?})"),
    )
}
