//! Runs the probe and maps what came of it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use greenroom_protocol::turn::url::IceUrl;
use greenroom_reports::model::outcome::{Outcome, ReasonCode};
use greenroom_reports::model::path::Family;
use greenroom_reports::model::sensitive::Sensitive;
use greenroom_reports::model::stun::{NatSection, StunSection, StunServer, StunTransport};
use greenroom_session::dial::base_url::BaseUrl;
use greenroom_session::dial::dns::look_up_host;
use greenroom_session::stun::{self, Bound, Heard};
use greenroom_session::turn::{Server, Traffic, Transport, Trust};
use tokio::net::UdpSocket;

use super::judge::{self, Seen};
use super::plan::{Way, ways};
use crate::context::ReachContext;

/// Longest wait for a packet to the own mapping.
const HAIRPIN_PATIENCE: Duration = Duration::from_millis(300);

/// What is asked of the probe.
#[derive(Clone, Debug, Default)]
pub struct StunConfig {
    /// Servers, beside the Greenroom server's own: STUN servers, and TURN servers, which answer
    /// too; 16 at the most.
    pub urls: Vec<IceUrl>,
}

/// Asks every server at once: those over UDP from one socket. One with two addresses is then asked to
/// answer from the other.
///
/// # Cancel safety
/// On cancellation it returns at once. Dropping the future closes the sockets.
pub async fn run(config: StunConfig, context: ReachContext) -> Outcome<StunSection> {
    let relay = context.server.as_ref();
    let relay = relay.and_then(|server| server.document.relay.as_ref());
    // Nothing lies between here and the server inside this process.
    let base = context.base.as_ref().filter(|_| !context.is_builtin);
    let ways = ways(base.map(BaseUrl::host).zip(relay), &config.urls);
    if ways.is_empty() {
        return Outcome::not_run(
            ReasonCode::NotSelected,
            "no STUN server is known: the server offers none, and none was named",
        );
    }
    let trust = match Trust::new(&context.authorities) {
        Ok(trust) => trust,
        Err(error) => return Outcome::not_run(error.kind, error.explanation),
    };
    tokio::select! {
        biased;
        () = context.cancel.cancelled() => Outcome::NotRun { reason: context.cancel.reason() },
        section = ask_all(&ways, &trust) => Outcome::Measured { data: section },
    }
}

/// A server at one address.
struct Target<'a> {
    way: &'a Way,
    address: Option<SocketAddr>,
}

impl Target<'_> {
    /// Its address, where it is asked over UDP.
    fn udp(&self) -> Option<SocketAddr> {
        self.address
            .filter(|_| self.way.transport == StunTransport::Udp)
    }
}

async fn ask_all(ways: &[Way], trust: &Trust) -> StunSection {
    let targets = targets(ways).await;
    let (v4, v6) = tokio::join!(
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)),
        UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)),
    );
    let (v4, v6) = (v4.ok(), v6.ok());
    let streams = targets.iter().map(|target| over_stream(target, trust));
    let (over_v4, over_v6, over_streams) = tokio::join!(
        asked(v4.as_ref(), &targets, SocketAddr::is_ipv4),
        asked(v6.as_ref(), &targets, SocketAddr::is_ipv6),
        futures_util::future::join_all(streams),
    );
    let bound = |target: &Target<'_>| {
        let both = over_v4.iter().chain(&over_v6);
        let mut of_it = both.filter(|(server, _)| Some(*server) == target.udp());
        of_it.next().map(|(_, bound)| bound)
    };
    let told = targets
        .iter()
        .zip(&over_streams)
        .map(|(target, stream)| told(target, bound(target).or(stream.as_ref())));
    StunSection {
        servers: told.collect(),
        nat: match &v4 {
            Some(socket) => nat(socket, &over_v4).await,
            None => None,
        },
    }
}

/// What the NAT of IPv4 does, by what servers saw of this socket.
async fn nat(socket: &UdpSocket, answers: &[(SocketAddr, Bound)]) -> Option<NatSection> {
    let seen = |(server, bound): &(SocketAddr, Bound)| Seen {
        server: *server,
        mapped: bound.mapped,
    };
    let mut all: Vec<Seen> = answers.iter().map(seen).collect();
    let first = *all.first()?;
    let local = local_address(socket, first.server).await?;
    let mut heard = None;
    if let Some((server, bound, other)) = with_two_addresses(answers) {
        let (elsewhere, filtering) = tokio::join!(
            ask_elsewhere(socket, server, other),
            filtering(server, other, bound.rtt),
        );
        all.extend(elsewhere.iter().map(seen));
        heard = filtering;
    }
    let hairpins = if local == first.mapped {
        None
    } else {
        hairpins(socket, first.mapped).await
    };
    judge::nat(local, &all, hairpins, heard)
}

/// The first server that has another address.
fn with_two_addresses(answers: &[(SocketAddr, Bound)]) -> Option<(SocketAddr, &Bound, SocketAddr)> {
    let two = |(server, bound): &'_ (SocketAddr, Bound)| {
        let other = bound.other?;
        stun::is_plausible(*server, other).then_some((*server, other))
    };
    answers.iter().find_map(|answer| {
        let (server, other) = two(answer)?;
        Some((server, &answer.1, other))
    })
}

/// The other three of a server's four addresses and ports (RFC 5780 §4.3).
async fn ask_elsewhere(
    socket: &UdpSocket,
    server: SocketAddr,
    other: SocketAddr,
) -> Vec<(SocketAddr, Bound)> {
    let three = [
        SocketAddr::new(other.ip(), server.port()),
        other,
        SocketAddr::new(server.ip(), other.port()),
    ];
    ask_from(socket, three.into_iter()).await
}

/// From a socket that has sent to nobody yet.
async fn filtering(server: SocketAddr, other: SocketAddr, rtt: Duration) -> Option<Heard> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.ok()?;
    let transactions = [random()?, random()?, random()?];
    stun::filtering(&socket, server, other, transactions, rtt).await
}

/// A first address of each family.
async fn targets(ways: &[Way]) -> Vec<Target<'_>> {
    let hosts: BTreeMap<&str, u16> = ways.iter().map(|way| (&*way.host, way.port)).collect();
    let lookups = hosts
        .into_iter()
        .map(async |(host, port)| (host, look_up_host(host, port).await.unwrap_or_default()));
    let found = futures_util::future::join_all(lookups).await;
    let found: BTreeMap<&str, Vec<SocketAddr>> = found.into_iter().collect();
    let mut targets = Vec::new();
    for way in ways {
        let found = found.get(&*way.host).map_or(&[][..], Vec::as_slice);
        let first = |ipv4: bool| found.iter().find(|a| a.is_ipv4() == ipv4);
        let with_port = |address: &SocketAddr| SocketAddr::new(address.ip(), way.port);
        let addresses = [first(true), first(false)].into_iter().flatten();
        let addresses: Vec<SocketAddr> = addresses.map(with_port).collect();
        if addresses.is_empty() {
            targets.push(Target { way, address: None });
        }
        targets.extend(addresses.into_iter().map(|address| Target {
            way,
            address: Some(address),
        }));
    }
    targets
}

/// Those over UDP and of one family that answered, all asked from one socket.
async fn asked(
    socket: Option<&UdpSocket>,
    targets: &[Target<'_>],
    is_of_family: fn(&SocketAddr) -> bool,
) -> Vec<(SocketAddr, Bound)> {
    let addresses = targets.iter().filter_map(Target::udp).filter(is_of_family);
    match socket {
        Some(socket) => ask_from(socket, addresses).await,
        None => Vec::new(),
    }
}

async fn ask_from(
    socket: &UdpSocket,
    servers: impl Iterator<Item = SocketAddr>,
) -> Vec<(SocketAddr, Bound)> {
    let servers: Vec<(SocketAddr, u128)> = servers
        .filter_map(|address| Some((address, random()?)))
        .collect();
    if servers.is_empty() {
        return Vec::new();
    }
    let answers = stun::ask_all(socket, &servers).await;
    let answered = servers.into_iter().zip(answers);
    answered
        .filter_map(|((server, _), bound)| Some((server, bound?)))
        .collect()
}

/// Asks over TCP or TLS, where that is how the server is asked.
async fn over_stream(target: &Target<'_>, trust: &Trust) -> Option<Bound> {
    let transport = match target.way.transport {
        StunTransport::Udp => return None,
        StunTransport::Tcp => Transport::Tcp,
        StunTransport::Tls => Transport::Tls,
    };
    let server = Server {
        address: target.address?,
        transport,
        name: target.way.host.clone(),
        credentials: None,
        wants_ipv6: false,
        traffic: Traffic::default(),
    };
    stun::ask_over_stream(&server, trust, random()?).await
}

fn random() -> Option<u128> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).ok()?;
    // A transaction's id has 96 bits.
    Some(u128::from_be_bytes(random) >> 32)
}

fn told(target: &Target<'_>, bound: Option<&Bound>) -> StunServer {
    let ip = |address: SocketAddr| Sensitive::from(address.ip());
    StunServer {
        host: Sensitive::new(target.way.host.clone()),
        port: target.way.port,
        transport: target.way.transport,
        family: target.address.map(|address| match address {
            SocketAddr::V4(_) => Family::Ipv4,
            SocketAddr::V6(_) => Family::Ipv6,
        }),
        address: target.address.map(ip),
        answered: bound.is_some(),
        rtt_ms: bound.map(|bound| bound.rtt.into()),
        mapped_address: bound.map(|bound| ip(bound.mapped)),
        mapped_port: bound.map(|bound| bound.mapped.port()),
        software: bound.and_then(|bound| bound.software.clone()),
        other_address: bound.and_then(|bound| bound.other).map(ip),
    }
}

/// The address that this machine has towards a server, with the socket's port.
async fn local_address(socket: &UdpSocket, server: SocketAddr) -> Option<SocketAddr> {
    let towards = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.ok()?;
    towards.connect(server).await.ok()?;
    let (ip, port) = (
        towards.local_addr().ok()?.ip(),
        socket.local_addr().ok()?.port(),
    );
    Some(SocketAddr::new(ip, port))
}

/// Whether a packet from another socket of this machine comes in at this one's mapping.
async fn hairpins(socket: &UdpSocket, mapped: SocketAddr) -> Option<bool> {
    let other = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.ok()?;
    let payload = random()?.to_be_bytes();
    // A NAT that refuses says so by ICMP, or not at all.
    let _refused = other.send_to(&payload, mapped).await;
    let heard = async {
        let mut buffer = [0; 64];
        loop {
            match socket.recv_from(&mut buffer).await {
                Ok((length, _)) if buffer[..length] == payload => return,
                _ => {}
            }
        }
    };
    Some(tokio::time::timeout(HAIRPIN_PATIENCE, heard).await.is_ok())
}
