//! The same datagrams through the server's TURN relay, where nothing else comes through.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use greenroom_protocol::discovery::RelayService;
use greenroom_protocol::measure::client::{Client, Transmit, TransmitKind};
use greenroom_reports::model::path::{ClockSource, Transport as Kind};
use greenroom_session::turn::{
    Credentials, Failure, Server, Traffic, Transport as Reached, Trust, TurnClient, connect,
};

use super::drive::{Incoming, Transport};
use crate::clock::Clock;

/// Longest wait for a relay: everything else was tried before, and a person waits.
const PATIENCE: Duration = Duration::from_millis(1500);

/// A relay that is open towards the server's measurement port.
pub(super) struct OverRelay {
    client: TurnClient,
    peer: SocketAddr,
    clock: Clock,
    /// How it is reached.
    pub(super) kind: Kind,
}

/// Where the relay is, and what it is to reach.
pub(super) struct RelayTarget<'a> {
    /// What the server told of its relay.
    pub(super) service: &'a RelayService,
    /// Name of the server, for its certificate.
    pub(super) host: &'a str,
    /// The server's UDP measurement address.
    pub(super) peer: SocketAddr,
    /// Further certificate authorities to trust, as PEM.
    pub(super) authorities: &'a [Vec<u8>],
    /// Entropy: nobody may guess it.
    pub(super) nonce: u64,
}

impl OverRelay {
    /// Tries UDP, TCP and TLS beside each other, and takes the first of these that relays.
    pub(super) async fn open(target: &RelayTarget<'_>, clock: Clock) -> Option<Self> {
        let trust = Trust::new(target.authorities).ok()?;
        let [udp, tcp, tls] = [
            (Reached::Udp, target.service.udp_port, Kind::TurnUdp),
            (Reached::Tcp, target.service.tcp_port, Kind::TurnTcp),
            (Reached::Tls, target.service.tls_port, Kind::TurnTls),
        ]
        .map(|(transport, port, kind)| {
            let trust = &trust;
            async move {
                let opened = open(target, transport, port?, trust);
                let client = tokio::time::timeout(PATIENCE, opened).await.ok()??;
                Some((client, kind))
            }
        });
        let (udp, tcp, tls) = tokio::join!(udp, tcp, tls);
        let (client, kind) = udp.or(tcp).or(tls)?;
        Some(Self {
            client,
            peer: target.peer,
            clock,
            kind,
        })
    }

    /// Ends the allocation.
    pub(super) async fn release(self) {
        self.client.release().await;
    }
}

async fn open(
    target: &RelayTarget<'_>,
    transport: Reached,
    port: u16,
    trust: &Trust,
) -> Option<TurnClient> {
    let server = Server {
        address: SocketAddr::new(target.peer.ip(), port),
        transport,
        name: target.host.to_owned(),
        credentials: Some(Credentials {
            username: target.service.username.clone(),
            password: target.service.password.clone(),
        }),
        wants_ipv6: target.peer.is_ipv6(),
        traffic: Traffic::default(),
    };
    let connected = connect(&server, trust).await.ok()?;
    let first_transaction = u128::from(target.nonce) << 16;
    let mut client = TurnClient::new(connected, &server, first_transaction);
    client.allocate().await.ok()?;
    client.bind(target.peer).await.ok()?;
    Some(client)
}

impl Transport for OverRelay {
    async fn send(&mut self, client: &mut Client, transmit: Transmit) -> io::Result<()> {
        if let TransmitKind::Echo(seq) = transmit.kind {
            client.departed(seq, self.clock.now());
        }
        let sent = self.client.send(self.peer, &transmit.datagram).await;
        sent.map_err(|failure| broken(&failure))
    }

    async fn receive(&mut self, take: &mut (dyn FnMut(Incoming<'_>) + Send)) -> io::Result<()> {
        let packet = self.client.receive().await;
        let packet = packet.map_err(|failure| broken(&failure))?;
        let (at, clock) = (self.clock.now(), ClockSource::User);
        let bytes = &packet.payload;
        take(Incoming { at, clock, bytes });
        Ok(())
    }

    /// IPv4, TCP with time stamps or UDP, and a channel's header.
    fn headers(&self) -> u64 {
        match self.kind {
            Kind::TurnUdp => 20 + 8 + 4,
            _ => 20 + 32 + 4,
        }
    }
}

fn broken(failure: &Failure) -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionAborted,
        format!("the relay broke off ({failure:?})"),
    )
}
