//! Whether a relay reaches a socket of this machine, over the network rather than within the
//! server's host.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use greenroom_session::stun;
use greenroom_session::turn::{Failure, TurnClient};
use tokio::net::UdpSocket;

use super::judge::Passage;

/// Longest wait for a packet through the relay.
pub(super) const PASSAGE_PATIENCE: Duration = Duration::from_millis(600);
/// Pause before another packet is sent: one may be lost.
pub(super) const RESEND_AFTER: Duration = Duration::from_millis(150);
/// A port where next to nobody listens, outside of the ranges that relays use: traceroute's first.
/// An answer by ICMP tells that packets from here get as far as the server's host.
const CLOSED_PORT: u16 = 33_434;

/// A socket of this machine that relays are to reach.
#[derive(Debug)]
pub(super) struct OutsidePeer {
    socket: UdpSocket,
    /// Its address, as the server sees it.
    mapped: SocketAddr,
}

impl OutsidePeer {
    /// A socket, and what it looks like from the server's side; `None` where no answer comes over UDP
    /// within three of the round trips that are known: a port for TLS mostly has nobody at UDP.
    pub(super) async fn open(server: SocketAddr, rtt: Duration, transaction: u128) -> Option<Self> {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await.ok()?;
        let patience = (rtt * 3 + RESEND_AFTER).min(PASSAGE_PATIENCE);
        let asked = stun::ask(&socket, server, transaction);
        let bound = tokio::time::timeout(patience, asked).await.ok()??;
        Some(Self {
            socket,
            mapped: bound.mapped,
        })
    }

    /// Sends from here to the relay and back, until a packet comes through to `client`.
    pub(super) async fn pass(
        &self,
        client: &mut TurnClient,
        relayed: SocketAddr,
        payload: &[u8],
    ) -> (Passage, Option<Duration>) {
        match client.permit_peer(self.mapped).await {
            Ok(()) => {}
            Err(Failure::Peer(refusal)) => return (Passage::Forbidden(refusal.code), None),
            Err(_broken) => return (Passage::Untried, None),
        }
        let began = Instant::now();
        while began.elapsed() < PASSAGE_PATIENCE {
            // From the relay to here, so that its host's firewall knows the way back; then from here.
            if client.send(self.mapped, payload).await.is_err() {
                return (Passage::Untried, None);
            }
            // A closed way is what is looked for.
            let _passing = self.socket.send_to(payload, relayed).await;
            let waited = tokio::time::timeout(RESEND_AFTER, came_back(client, payload, relayed));
            match waited.await {
                Ok(Ok(())) => return (Passage::Open, Some(began.elapsed())),
                Ok(Err(_broken)) => return (Passage::Untried, None),
                Err(_elapsed) => {}
            }
        }
        (Passage::Silent, None)
    }

    /// Whether UDP from this machine gets to other ports of the server's host: `Some(true)` when the
    /// host says that nobody listens there; nothing said is nothing known.
    pub(super) async fn ports_open(&self, server: IpAddr) -> Option<bool> {
        let refused = async {
            let local = self.socket.local_addr()?.ip();
            let socket = UdpSocket::bind((local, 0)).await?;
            socket.connect((server, CLOSED_PORT)).await?;
            for _ in 0..2 {
                socket.send(&[0]).await?;
                let mut answer = [0; 16];
                let heard = tokio::time::timeout(RESEND_AFTER, socket.recv(&mut answer));
                if let Ok(heard) = heard.await {
                    heard?;
                }
            }
            Ok::<(), io::Error>(())
        };
        match refused.await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Some(true),
            _ => None,
        }
    }
}

/// What comes from the relay itself is of the other trial.
async fn came_back(
    client: &mut TurnClient,
    payload: &[u8],
    relayed: SocketAddr,
) -> Result<(), Failure> {
    loop {
        let packet = client.receive().await?;
        if packet.payload == payload && packet.peer != relayed {
            return Ok(());
        }
    }
}
