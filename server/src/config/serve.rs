//! The configuration as the server uses it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use greenroom_protocol::discovery::Preset;
use ipnet::IpNet;

use super::{limits::ServeLimits, session::SessionConfig, turn::TurnConfig};

/// Port on which a server listens unless told otherwise, TCP and UDP alike.
///
/// Not a privileged port, and one that company networks often let out. In production use 443: it
/// is the port that guests' networks block least.
pub const DEFAULT_PORT: u16 = 8443;

/// What a server is to do. [`Default`] listens on every address of the machine on
/// [`DEFAULT_PORT`], without TLS, without preset.
#[derive(Clone, Debug, PartialEq)]
pub struct ServeConfig {
    /// Version of the program that serves, as discovery and metrics tell it.
    pub version: String,
    /// Address of discovery, health and the WebSocket. `[::]` takes IPv4 too, and becomes
    /// `0.0.0.0` on a machine without IPv6. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// UDP port of the responder, at the IP address of `listen`.
    pub udp_port: UdpPort,
    /// UDP port that clients are told, where a NAT or container maps it; `None` tells the port
    /// that is bound.
    pub advertised_udp_port: Option<u16>,
    /// How clients reach the server, for the page that people see; `None` derives it from the
    /// request.
    pub public_url: Option<String>,
    /// TLS.
    pub tls: TlsConfig,
    /// STUN and TURN.
    pub turn: TurnConfig,
    /// Sessions.
    pub session: SessionConfig,
    /// What clients are to use, as the discovery document tells them.
    pub preset: Option<Preset>,
    /// A second, plain HTTP listener for `/metrics` and `/health` alone. With it, `listen` does
    /// not answer `/metrics`.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether `/metrics` on `listen` answers to everybody, not just to this machine.
    pub metrics_public: bool,
    /// Reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Limits.
    pub limits: ServeLimits,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT)),
            udp_port: UdpPort::default(),
            advertised_udp_port: None,
            public_url: None,
            tls: TlsConfig::default(),
            turn: TurnConfig::default(),
            session: SessionConfig::default(),
            preset: None,
            metrics_listen: None,
            metrics_public: false,
            trusted_proxies: Vec::new(),
            limits: ServeLimits::default(),
        }
    }
}

impl ServeConfig {
    /// The built-in responder: IPv4 loopback, any free ports, plain HTTP, STUN and TURN too, no
    /// sessions.
    pub fn local() -> Self {
        let session = SessionConfig {
            enabled: false,
            ..SessionConfig::default()
        };
        Self {
            session,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            udp_port: UdpPort::Any,
            ..Self::default()
        }
    }
}

/// Which UDP port the responder takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UdpPort {
    /// The number of the HTTP port, so that an operator opens one number for both protocols.
    #[default]
    SameAsHttp,
    /// Any free one.
    Any,
    /// This one.
    Fixed(u16),
}

impl From<u16> for UdpPort {
    /// 0 is any free port.
    fn from(port: u16) -> Self {
        match port {
            0 => Self::Any,
            port => Self::Fixed(port),
        }
    }
}

/// How connections are encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TlsConfig {
    /// Not at all: behind a proxy that does it, or for a trial.
    #[default]
    None,
    /// With a certificate from PEM files.
    Pem {
        /// The certificate chain, the server's own first.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// With a certificate made at the start, in memory: for trials. Clients need it as their CA
    /// file.
    SelfSigned {
        /// Host names and IP addresses it is for; empty takes `localhost`, the loopback addresses,
        /// the machine's name and the address listened on.
        names: Vec<String>,
        /// Where to write the certificate (not the key), in PEM, for clients.
        write_certificate_to: Option<PathBuf>,
    },
}

/// Names of a trial certificate when the operator gave none.
pub(crate) fn default_certificate_names(listen: IpAddr, host: Option<String>) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    names.extend(host.filter(|name| !name.is_empty()));
    if !listen.is_unspecified() {
        names.push(listen.to_string());
    }
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}
