//! STUN and TURN of one server: what is listened on, and what clients are told of it.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use greenroom_protocol::{discovery::RelayService, turn::credential::TimeLimited};
use rustls::ServerConfig;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    credentials::Credentials,
    driver::{handle::RelayThread, ports::PortConfig, stream::Streams},
    machine::{quota::Quotas, relay::RelayConfig},
    metrics::TurnSources,
    own::{OwnAddresses, ServicePort},
    policy::PeerPolicy,
};
use crate::{
    bind,
    clock::{self, Clock},
    config::{
        ServeConfig,
        turn::{DEFAULT_TURN_PORT, DEFAULT_TURN_TLS_PORT, TurnConfig},
    },
    error::ServeError,
    http::slots::Slots,
};

/// How long credentials of the discovery document are good for: a check takes seconds, and what is
/// allocated with them ends with them.
const PUBLIC_CREDENTIALS: Duration = Duration::from_mins(10);

/// What it is started with, beside the configuration.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// The address that HTTP came to be listened on.
    pub(crate) listen: SocketAddr,
    /// Whether the system chose the port of HTTP: then it chooses these, too.
    pub(crate) any_port: bool,
    /// TLS of HTTP, whose certificate serves here too.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Ports of the services beside it that may be reached through it.
    pub(crate) services: Vec<ServicePort>,
    /// The server's clock.
    pub(crate) clock: Clock,
    /// TLS handshakes that failed or took too long.
    pub(crate) handshakes_failed: Arc<AtomicU64>,
    /// Cancelled when everything has to end.
    pub(crate) stop: CancellationToken,
}

/// Ports at which STUN and TURN are listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnPorts {
    /// Over UDP.
    pub udp: u16,
    /// Over TCP.
    pub tcp: u16,
    /// Over TLS, when the server speaks it.
    pub tls: Option<u16>,
}

/// Running STUN and TURN.
#[derive(Debug)]
pub(crate) struct TurnService {
    relay: RelayThread,
    credentials: Credentials,
    ports: TurnPorts,
    advertised: TurnPorts,
    connections: Arc<Slots>,
}

impl TurnService {
    /// Binds and starts everything; tasks that accept connections go to `fronts`.
    pub(crate) fn start(
        config: &ServeConfig,
        around: Surroundings,
        fronts: &mut JoinSet<()>,
    ) -> Result<Self, ServeError> {
        let turn = &config.turn;
        let sockets = Sockets::bind(turn, &around)?;
        let ports = sockets.ports;
        let credentials = Credentials::new(secret(turn)?, turn.realm.clone());
        let relay = RelayThread::start(
            sockets.udp,
            relay_config(config, &around, credentials.clone())?,
            PortConfig {
                addresses: turn.relay_addresses.clone(),
                range: turn.relay_ports.clone(),
            },
            around.clock,
        )?;
        let limits = config.limits.turn;
        let streams = Streams::new(
            &relay,
            limits.max_turn_connections,
            limits.max_turn_connections_per_address,
            around.handshakes_failed,
            around.stop,
        );
        let connections = streams.slots();
        if let (Some(listener), Some(tls)) = (sockets.tls, around.tls) {
            fronts.spawn(streams.clone().serve(listener, Some(acceptor(&tls))));
        }
        fronts.spawn(streams.serve(sockets.tcp, None));
        tracing::info!(udp = %relay.address(), tcp = ports.tcp, "serving STUN and TURN");
        Ok(Self {
            relay,
            credentials,
            ports,
            advertised: advertised(turn, ports),
            connections,
        })
    }

    /// Where it listens.
    pub(crate) fn ports(&self) -> TurnPorts {
        self.ports
    }

    /// Where its metrics come from.
    pub(crate) fn metrics(&self) -> TurnSources {
        TurnSources {
            figures: self.relay.figures(),
            connections: Arc::clone(&self.connections),
        }
    }

    /// Who makes what the discovery document tells.
    pub(crate) fn minter(&self) -> RelayMinter {
        RelayMinter {
            credentials: self.credentials.clone(),
            advertised: self.advertised,
        }
    }

    /// Allocations open now.
    pub(crate) fn n_allocations(&self) -> usize {
        self.relay.figures().n_allocations()
    }

    /// From now on there are no new allocations.
    pub(crate) fn drain(&self) {
        self.relay.drain();
    }

    /// Stops relaying and frees the ports.
    pub(crate) fn stop(&mut self) {
        self.relay.stop();
    }
}

/// Makes the discovery document's credentials.
#[derive(Debug)]
pub(crate) struct RelayMinter {
    credentials: Credentials,
    advertised: TurnPorts,
}

impl RelayMinter {
    /// Ports and fresh credentials; `None` when the system gives no random numbers.
    pub(crate) fn mint(&self) -> Option<RelayService> {
        let random = getrandom::u64().ok()?;
        let expires = clock::unix_time() + PUBLIC_CREDENTIALS;
        let TimeLimited { username, password } = self.credentials.public(random, expires.as_secs());
        Some(RelayService {
            udp_port: Some(self.advertised.udp),
            tcp_port: Some(self.advertised.tcp),
            tls_port: self.advertised.tls,
            username,
            password,
        })
    }
}

struct Sockets {
    udp: std::net::UdpSocket,
    tcp: TcpListener,
    tls: Option<TcpListener>,
    ports: TurnPorts,
}

impl Sockets {
    fn bind(turn: &TurnConfig, around: &Surroundings) -> Result<Self, ServeError> {
        let ip = around.listen.ip();
        let any = around.any_port;
        let port = turn.port.unwrap_or(if any { 0 } else { DEFAULT_TURN_PORT });
        let tls_port = turn
            .tls_port
            .unwrap_or(if any { 0 } else { DEFAULT_TURN_TLS_PORT });
        let address = SocketAddr::new(ip, port);
        let udp = bind::bind_udp(address).map_err(|error| for_turn(error, "port"))?;
        let tcp = listen(address, "port")?;
        let tls = match around.tls {
            Some(_) => Some(listen(SocketAddr::new(ip, tls_port), "tls_port")?),
            None => None,
        };
        let unknown = |source| ServeError::Thread { source };
        let ports = TurnPorts {
            udp: udp.local_addr().map_err(unknown)?.port(),
            tcp: tcp.local_addr().map_err(unknown)?.port(),
            tls: match &tls {
                Some(listener) => Some(listener.local_addr().map_err(unknown)?.port()),
                None => None,
            },
        };
        Ok(Self {
            udp,
            tcp,
            tls,
            ports,
        })
    }
}

fn listen(address: SocketAddr, key: &'static str) -> Result<TcpListener, ServeError> {
    let listener = bind::bind_tcp(address).map_err(|error| for_turn(error, key))?;
    TcpListener::from_std(listener).map_err(|source| ServeError::ListenTurn {
        transport: "TCP",
        address,
        key,
        source,
    })
}

/// An error of a port that the operator may not have asked for says how to do without.
fn for_turn(error: ServeError, key: &'static str) -> ServeError {
    match error {
        ServeError::Listen {
            transport,
            address,
            source,
        } => ServeError::ListenTurn {
            transport,
            address,
            key,
            source,
        },
        other => other,
    }
}

/// TLS without the names of protocols of HTTP: clients of TURN offer others, or none (RFC 7443).
fn acceptor(tls: &ServerConfig) -> TlsAcceptor {
    let mut config = tls.clone();
    config.alpn_protocols.clear();
    TlsAcceptor::from(Arc::new(config))
}

fn secret(turn: &TurnConfig) -> Result<Vec<u8>, ServeError> {
    if let Some(secret) = &turn.secret {
        return Ok(secret.bytes().to_vec());
    }
    Ok(random()?.to_vec())
}

fn random() -> Result<[u8; 32], ServeError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|source| ServeError::Entropy { source })?;
    Ok(bytes)
}

fn relay_config(
    config: &ServeConfig,
    around: &Surroundings,
    credentials: Credentials,
) -> Result<RelayConfig, ServeError> {
    let (turn, limits) = (&config.turn, &config.limits.turn);
    let ips = bind::interface_addresses()
        .into_iter()
        .chain([around.listen.ip()])
        .chain(turn.relay_addresses.iter().copied());
    Ok(RelayConfig {
        credentials,
        nonce_key: random()?,
        policy: PeerPolicy {
            allowed: turn.allow_peers.clone(),
            denied: turn.deny_peers.clone(),
        },
        own: OwnAddresses::new(
            ips,
            turn.external_addresses.clone(),
            around.services.clone(),
        ),
        quotas: Quotas {
            total: limits.max_allocations,
            public: limits.max_public_allocations,
            per_address: limits.max_allocations_per_address,
            per_user: limits.max_allocations_per_user,
        },
        max_allocation_bps: limits.max_allocation_bps,
    })
}

fn advertised(turn: &TurnConfig, ports: TurnPorts) -> TurnPorts {
    TurnPorts {
        udp: turn.advertised_port.unwrap_or(ports.udp),
        tcp: turn.advertised_port.unwrap_or(ports.tcp),
        tls: ports.tls.map(|tls| turn.advertised_tls_port.unwrap_or(tls)),
    }
}
