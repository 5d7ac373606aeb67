//! One server in one way: from the connection to the first packet through the relay.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use greenroom_reports::model::path::Family;
use greenroom_reports::model::sensitive::Sensitive;
use greenroom_reports::model::turn::{
    RelayTransport, ShownCertificate, TurnCell, TurnResult, TurnStages,
};
use greenroom_session::turn::{
    CertificateFacts, Failure, Server, Stages, Traffic, Transport, Trust, TurnClient, connect,
};

use super::judge::{Passage, named, relaying};
use super::login::unix_time_s;
use super::outside::{OutsidePeer, PASSAGE_PATIENCE, RESEND_AFTER};
use super::plan::Way;

/// What is tried, and with what.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub(super) way: Way,
    pub(super) address: SocketAddr,
    /// The server's port for UDP, as far as one is known.
    pub(super) stun_port: u16,
    pub(super) resolved_in: Option<Duration>,
    pub(super) trust: Trust,
    /// Where what it costs is counted.
    pub(super) traffic: Traffic,
    /// Entropy: nobody may guess it.
    pub(super) nonce: u128,
}

/// A relay that works, and is still there to be measured.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) client: TurnClient,
    pub(super) relayed: SocketAddr,
    /// Packets from the relay to itself come through.
    pub(super) loops: bool,
}

/// What came of a trial.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) cell: TurnCell,
    pub(super) live: Option<Live>,
}

/// Tries it.
///
/// # Cancel safety
/// Dropping the future may leave an allocation, which ends by itself.
pub(super) async fn run(trial: Trial) -> Tried {
    let first = attempt(&trial, trial.address).await;
    let Err((Failure::Redirected(other), _, _)) = &first else {
        return conclude(&trial, trial.address, first, None).await;
    };
    // Once; a second time would be a circle (RFC 8489 §10).
    let (other, from) = (*other, trial.address);
    let second = attempt(&trial, other).await;
    conclude(&trial, other, second, Some(from)).await
}

type Attempt = Result<(TurnClient, SocketAddr), (Failure, Stages, Option<TurnClient>)>;

async fn attempt(trial: &Trial, address: SocketAddr) -> Attempt {
    let server = Server {
        address,
        transport: match trial.way.transport {
            RelayTransport::Udp => Transport::Udp,
            RelayTransport::Tcp => Transport::Tcp,
            RelayTransport::Tls => Transport::Tls,
        },
        name: trial.way.host.clone(),
        credentials: trial.way.credentials.clone(),
        wants_ipv6: false,
        traffic: trial.traffic.clone(),
    };
    let connected = connect(&server, &trial.trust).await;
    let connected = connected.map_err(|(failure, stages)| (failure, stages, None))?;
    let mut client = TurnClient::new(connected, &server, trial.nonce);
    match client.allocate().await {
        Ok(relayed) => Ok((client, relayed)),
        Err(failure) => Err((failure, client.stages, Some(client))),
    }
}

async fn conclude(
    trial: &Trial,
    address: SocketAddr,
    attempt: Attempt,
    from: Option<SocketAddr>,
) -> Tried {
    let mut cell = blank(trial, address, from);
    match attempt {
        Err((failure, stages, client)) => {
            let username = trial.way.credentials.as_ref();
            let username = username.map(|credentials| credentials.username.as_str());
            let (result, code, words) = named(&failure, username, unix_time_s());
            (cell.result, cell.error_code, cell.message) = (result, code, words);
            cell.stages = stages_of(trial, &stages);
            if let Failure::Tls { certificate, .. } = &failure {
                cell.certificate = certificate.as_ref().map(shown);
            }
            if let Some(client) = client {
                tell(&mut cell, &client);
            }
            Tried { cell, live: None }
        }
        Ok((client, relayed)) => relay(trial, address, cell, client, relayed).await,
    }
}

/// Whether packets come through the address that was allocated.
async fn relay(
    trial: &Trial,
    address: SocketAddr,
    mut cell: TurnCell,
    mut client: TurnClient,
    relayed: SocketAddr,
) -> Tried {
    let payload = trial.nonce.to_be_bytes();
    let (itself, first_byte) = loop_back(&mut client, relayed, &payload).await;
    client.stages.first_byte = first_byte;
    let permission = client.stages.permission;
    let (outside, ports_open) = reach_out(trial, address, &mut client, relayed).await;
    if let (Passage::Open, Some(took)) = outside {
        client.stages.first_byte.get_or_insert(took);
    }
    client.stages.permission = permission.or(client.stages.permission);
    cell.result = relaying(itself, outside.0, ports_open);
    if let (TurnResult::PeerForbidden, Passage::Forbidden(code)) = (cell.result, itself) {
        cell.error_code = Some(code);
    }
    cell.stages = stages_of(trial, &client.stages);
    tell(&mut cell, &client);
    if cell.result == TurnResult::Relays {
        let loops = itself == Passage::Open;
        let live = Live {
            client,
            relayed,
            loops,
        };
        return Tried {
            cell,
            live: Some(live),
        };
    }
    client.release().await;
    Tried { cell, live: None }
}

/// From the relay to itself: one allocation is enough, and no firewall of this side stands between.
async fn loop_back(
    client: &mut TurnClient,
    relayed: SocketAddr,
    payload: &[u8],
) -> (Passage, Option<Duration>) {
    match client.bind(relayed).await {
        Ok(()) => {}
        Err(Failure::Peer(refusal)) => return (Passage::Forbidden(refusal.code), None),
        Err(_broken) => return (Passage::Untried, None),
    }
    let began = Instant::now();
    while began.elapsed() < PASSAGE_PATIENCE {
        if client.send(relayed, payload).await.is_err() {
            return (Passage::Untried, None);
        }
        let back = async {
            while let Ok(packet) = client.receive().await {
                if packet.payload == payload {
                    return Some(packet.at);
                }
            }
            None
        };
        match tokio::time::timeout(RESEND_AFTER, back).await {
            Ok(Some(at)) => return (Passage::Open, Some(at - began)),
            Ok(None) => return (Passage::Untried, None),
            Err(_elapsed) => {}
        }
    }
    (Passage::Silent, None)
}

/// From the relay to a socket here. Public credentials reach the server's own addresses alone, so
/// there it is not tried.
async fn reach_out(
    trial: &Trial,
    address: SocketAddr,
    client: &mut TurnClient,
    relayed: SocketAddr,
) -> ((Passage, Option<Duration>), Option<bool>) {
    let untried = ((Passage::Untried, None), None);
    if trial.way.is_own || relayed.is_ipv4() != address.is_ipv4() {
        return untried;
    }
    let stun = SocketAddr::new(address.ip(), trial.stun_port);
    let rtt = client.stages.allocate.unwrap_or(PASSAGE_PATIENCE);
    let transaction = trial.nonce.wrapping_add(1 << 64);
    let Some(peer) = OutsidePeer::open(stun, rtt, transaction).await else {
        return untried;
    };
    let payload = (!trial.nonce).to_be_bytes();
    let passed = peer.pass(client, relayed, &payload).await;
    let ports_open = if passed.0 == Passage::Silent {
        peer.ports_open(address.ip()).await
    } else {
        None
    };
    (passed, ports_open)
}

/// Before anything is known of it.
pub(super) fn unreached(way: &Way, result: TurnResult, message: Option<String>) -> TurnCell {
    TurnCell {
        host: Sensitive::new(way.host.clone()),
        port: way.port,
        transport: way.transport,
        family: None,
        address: None,
        is_own: way.is_own,
        stages: TurnStages::default(),
        result,
        error_code: None,
        message,
        software: None,
        relayed_address: None,
        mapped_address: None,
        lifetime_s: None,
        certificate: None,
        redirected_from: None,
    }
}

fn blank(trial: &Trial, address: SocketAddr, from: Option<SocketAddr>) -> TurnCell {
    TurnCell {
        family: Some(family_of(address)),
        address: Some(Sensitive::from(address.ip())),
        redirected_from: from.map(|from| Sensitive::from(from.ip())),
        ..unreached(&trial.way, TurnResult::Stopped, None)
    }
}

pub(super) const fn family_of(address: SocketAddr) -> Family {
    if address.is_ipv4() {
        Family::Ipv4
    } else {
        Family::Ipv6
    }
}

fn tell(cell: &mut TurnCell, client: &TurnClient) {
    let told = client.told();
    let address = |address: Option<SocketAddr>| address.map(|a| Sensitive::from(a.ip()));
    cell.software.clone_from(&told.software);
    cell.relayed_address = address(told.relayed);
    cell.mapped_address = address(told.mapped);
    cell.lifetime_s = told.lifetime.map(|lifetime| lifetime.as_secs());
    cell.certificate = client.certificate.as_ref().map(shown);
}

fn stages_of(trial: &Trial, stages: &Stages) -> TurnStages {
    TurnStages {
        resolve_ms: trial.resolved_in.map(Into::into),
        connect_ms: stages.connect.map(Into::into),
        tls_ms: stages.tls.map(Into::into),
        challenge_ms: stages.challenge.map(Into::into),
        allocate_ms: stages.allocate.map(Into::into),
        permission_ms: stages.permission.map(Into::into),
        first_byte_ms: stages.first_byte.map(Into::into),
    }
}

fn shown(facts: &CertificateFacts) -> ShownCertificate {
    let ends = jiff::Timestamp::from_second(facts.not_after_unix_s).unwrap_or_default();
    ShownCertificate {
        issuer: facts.issuer.clone(),
        subject: Sensitive::new(facts.subject.clone()),
        not_after: ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}
