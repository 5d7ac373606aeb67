//! Runs the probe and maps what came of it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use greenroom_protocol::turn::url::{IceTransport, IceUrl};
use greenroom_reports::model::outcome::{Outcome, ReasonCode};
use greenroom_reports::model::path::Family;
use greenroom_reports::model::sensitive::Sensitive;
use greenroom_reports::model::stun::{StunSection, StunServer};
use greenroom_session::dial::base_url::BaseUrl;
use greenroom_session::dial::dns::look_up_host;
use greenroom_session::stun::{self, Bound};
use tokio::net::UdpSocket;

use super::judge::{self, Seen};
use crate::context::ReachContext;

/// Most servers that are asked.
const MAX_SERVERS: usize = 16;
/// Longest wait for a packet to the own mapping.
const HAIRPIN_PATIENCE: Duration = Duration::from_millis(300);

/// What is asked of the probe.
#[derive(Clone, Debug, Default)]
pub struct StunConfig {
    /// Servers, beside the Greenroom server's own: STUN servers, and TURN servers, which answer
    /// too; 16 at the most.
    pub urls: Vec<IceUrl>,
}

/// Asks every server from one socket, all at once.
///
/// # Cancel safety
/// On cancellation it returns at once. Dropping the future closes the sockets.
pub async fn run(config: StunConfig, context: ReachContext) -> Outcome<StunSection> {
    let servers = servers(&config, &context);
    if servers.is_empty() {
        return Outcome::not_run(
            ReasonCode::NotSelected,
            "no STUN server is known: the server offers none, and none was named",
        );
    }
    tokio::select! {
        biased;
        () = context.cancel.cancelled() => Outcome::NotRun { reason: context.cancel.reason() },
        section = ask_all(&servers) => Outcome::Measured { data: section },
    }
}

/// Host and UDP port of each, once. Over TCP there is no NAT to be learned of.
fn servers(config: &StunConfig, context: &ReachContext) -> Vec<(String, u16)> {
    let relay = context.server.as_ref();
    let relay = relay.and_then(|server| server.document.relay.as_ref());
    let port = relay.and_then(|relay| relay.udp_port);
    // Nothing lies between here and the server inside this process.
    let base = context.base.as_ref().filter(|_| !context.is_builtin);
    let host = base.map(BaseUrl::host);
    let own = host.zip(port).map(|(host, port)| (host.to_owned(), port));
    let over_udp =
        |url: &&IceUrl| !url.scheme.is_secure() && url.transport != Some(IceTransport::Tcp);
    let named = config.urls.iter().filter(over_udp);
    let mut servers: Vec<(String, u16)> = Vec::new();
    for server in own
        .into_iter()
        .chain(named.map(|url| (url.host.clone(), url.port)))
    {
        if !servers.contains(&server) && servers.len() < MAX_SERVERS {
            servers.push(server);
        }
    }
    servers
}

/// A server at one address.
struct Target {
    host: String,
    port: u16,
    address: Option<SocketAddr>,
}

async fn ask_all(servers: &[(String, u16)]) -> StunSection {
    let targets = targets(servers).await;
    let (v4, v6) = tokio::join!(
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)),
        UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)),
    );
    let (v4, v6) = (v4.ok(), v6.ok());
    let (over_v4, over_v6) = tokio::join!(
        asked(v4.as_ref(), &targets, SocketAddr::is_ipv4),
        asked(v6.as_ref(), &targets, SocketAddr::is_ipv6),
    );
    let seen: Vec<Seen> = over_v4
        .iter()
        .map(|(server, bound)| Seen {
            server: *server,
            mapped: bound.mapped,
        })
        .collect();
    let bound = |target: &Target| {
        let both = over_v4.iter().chain(&over_v6);
        let mut of_it = both.filter(|(server, _)| Some(*server) == target.address);
        of_it.next().map(|(_, bound)| bound)
    };
    let told = targets.iter().map(|target| told(target, bound(target)));
    let mut section = StunSection {
        servers: told.collect(),
        nat: None,
    };
    if let (Some(socket), Some(first)) = (&v4, seen.first()) {
        let local = local_address(socket, first.server).await;
        let translated = local.is_some_and(|local| local != first.mapped);
        let hairpins = if translated {
            hairpins(socket, first.mapped).await
        } else {
            None
        };
        section.nat = local.and_then(|local| judge::nat(local, &seen, hairpins));
    }
    section
}

/// A first address of each family.
async fn targets(servers: &[(String, u16)]) -> Vec<Target> {
    let lookups = servers.iter().map(|(host, port)| look_up_host(host, *port));
    let found = futures_util::future::join_all(lookups).await;
    let mut targets = Vec::new();
    for ((host, port), found) in servers.iter().zip(found) {
        let found = found.unwrap_or_default();
        let first = |ipv4: bool| found.iter().copied().find(|a| a.is_ipv4() == ipv4);
        let addresses: Vec<SocketAddr> =
            [first(true), first(false)].into_iter().flatten().collect();
        let target = |address| Target {
            host: host.clone(),
            port: *port,
            address,
        };
        if addresses.is_empty() {
            targets.push(target(None));
        }
        targets.extend(addresses.into_iter().map(|address| target(Some(address))));
    }
    targets
}

/// Those of one family that answered, all asked from one socket.
async fn asked(
    socket: Option<&UdpSocket>,
    targets: &[Target],
    is_of_family: fn(&SocketAddr) -> bool,
) -> Vec<(SocketAddr, Bound)> {
    let addresses = targets.iter().filter_map(|target| target.address);
    let servers: Vec<(SocketAddr, u128)> = addresses
        .filter(is_of_family)
        .filter_map(|address| Some((address, random()?)))
        .collect();
    let Some(socket) = socket.filter(|_| !servers.is_empty()) else {
        return Vec::new();
    };
    let answers = stun::ask_all(socket, &servers).await;
    let answered = servers.into_iter().zip(answers);
    answered
        .filter_map(|((server, _), bound)| Some((server, bound?)))
        .collect()
}

fn random() -> Option<u128> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).ok()?;
    // A transaction's id has 96 bits.
    Some(u128::from_be_bytes(random) >> 32)
}

fn told(target: &Target, bound: Option<&Bound>) -> StunServer {
    StunServer {
        host: Sensitive::new(target.host.clone()),
        port: target.port,
        family: target.address.map(|address| match address {
            SocketAddr::V4(_) => Family::Ipv4,
            SocketAddr::V6(_) => Family::Ipv6,
        }),
        address: target.address.map(|address| Sensitive::from(address.ip())),
        answered: bound.is_some(),
        rtt_ms: bound.map(|bound| bound.rtt.into()),
        mapped_address: bound.map(|bound| Sensitive::from(bound.mapped.ip())),
        mapped_port: bound.map(|bound| bound.mapped.port()),
        software: bound.and_then(|bound| bound.software.clone()),
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
