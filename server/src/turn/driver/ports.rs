//! Relay sockets: opened at random ports of a range, closed with their allocation.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    ops::RangeInclusive,
};

use mio::{Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::socket::RelaySocket;
use crate::turn::machine::relay::{PortId, Ports};

/// Random ports that are tried before there is none.
const TRIES: usize = 64;
/// Wanted buffers of a relay socket: some 200 packets each way, an eighth of a second of a video
/// call. The system may grant less.
const BUFFER_BYTES: usize = 256 * 1024;

/// Where relay sockets are opened.
#[derive(Clone, Debug)]
pub(crate) struct PortConfig {
    /// Addresses to relay from; without one of a family it is where the client came in.
    pub(crate) addresses: Vec<IpAddr>,
    /// Ports, from which one is chosen at random: one that cannot be guessed makes blind attacks
    /// harder (RFC 8656 §21.2).
    pub(crate) range: RangeInclusive<u16>,
}

/// The open sockets.
#[derive(Debug)]
pub(super) struct OpenPorts {
    config: PortConfig,
    registry: Registry,
    first_token: usize,
    sockets: Vec<Option<RelaySocket>>,
}

impl OpenPorts {
    /// None yet; tokens from `first_token` on are theirs.
    pub(super) fn new(config: PortConfig, registry: Registry, first_token: usize) -> Self {
        Self {
            config,
            registry,
            first_token,
            sockets: Vec::new(),
        }
    }

    /// The socket, if it is still open.
    pub(super) fn get(&self, port: PortId) -> Option<&RelaySocket> {
        self.sockets.get(port.0 as usize)?.as_ref()
    }

    /// Whose token this is.
    pub(super) fn of_token(&self, token: Token) -> Option<PortId> {
        let at = token.0.checked_sub(self.first_token)?;
        u32::try_from(at).ok().map(PortId)
    }

    fn random_port(&self) -> io::Result<u16> {
        let random = getrandom::u32().map_err(io::Error::other)?;
        let (first, last) = (*self.config.range.start(), *self.config.range.end());
        let n_ports = u32::from(last.saturating_sub(first)) + 1;
        Ok(first + u16::try_from(random % n_ports).unwrap_or(0))
    }

    fn bind(&self, ip: IpAddr, even: bool) -> io::Result<UdpSocket> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..TRIES {
            let port = self.random_port()?;
            if even && port % 2 == 1 {
                continue;
            }
            let address = SocketAddr::new(ip, port);
            match bind(address) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                result => return result,
            }
        }
        Err(last)
    }
}

impl Ports for OpenPorts {
    fn open(&mut self, port: PortId, ip: IpAddr, even: bool) -> io::Result<SocketAddr> {
        let socket = self.bind(ip, even)?;
        let bound = socket.local_addr()?;
        let mut socket = RelaySocket::new(socket)?;
        let place = port.0 as usize;
        socket.register(&self.registry, Token(self.first_token + place))?;
        if self.sockets.len() <= place {
            self.sockets.resize_with(place + 1, || None);
        }
        self.sockets[place] = Some(socket);
        Ok(bound)
    }

    fn relay_ip(&mut self, ipv4: bool, server_ip: IpAddr) -> Option<IpAddr> {
        let of_family = |ip: &IpAddr| ip.is_ipv4() == ipv4;
        let configured = self.config.addresses.iter().copied().find(of_family);
        if configured.is_some() || !self.config.addresses.is_empty() {
            return configured;
        }
        if of_family(&server_ip) && !server_ip.is_unspecified() {
            return Some(server_ip);
        }
        source_towards_the_world(ipv4, server_ip.is_loopback())
    }

    fn close(&mut self, port: PortId) {
        if let Some(mut socket) = self.sockets.get_mut(port.0 as usize).and_then(Option::take) {
            socket.deregister(&self.registry);
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let kind = Some(Protocol::UDP);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, kind)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    let buffers = socket
        .set_recv_buffer_size(BUFFER_BYTES)
        .and_then(|()| socket.set_send_buffer_size(BUFFER_BYTES));
    if let Err(error) = buffers {
        tracing::debug!(%error, "the system did not enlarge a relay's buffers");
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// The address of this machine from which packets of a family go out, by asking the routes and
/// sending nothing; on loopback, loopback's.
fn source_towards_the_world(ipv4: bool, loopback: bool) -> Option<IpAddr> {
    let (any, far): (IpAddr, IpAddr) = match (ipv4, loopback) {
        (true, true) => return Some(Ipv4Addr::LOCALHOST.into()),
        (false, true) => (Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()),
        // Addresses for documentation, which no route names but the default one.
        (true, false) => (
            Ipv4Addr::UNSPECIFIED.into(),
            Ipv4Addr::new(192, 0, 2, 1).into(),
        ),
        (false, false) => {
            let far = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
            (Ipv6Addr::UNSPECIFIED.into(), far.into())
        }
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // A port is needed; nothing is sent to it.
    socket.connect((far, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}
