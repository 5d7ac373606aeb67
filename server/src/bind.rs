//! Sockets that listen.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    config::{ServeConfig, UdpPort},
    error::ServeError,
};

/// Connections that the system keeps for us before they are accepted.
const BACKLOG: i32 = 1024;
/// Wanted socket buffers of the responder: 4,000 full-sized packets, 40 ms of a flood at
/// 100,000 packets a second. The system may grant less (`net.core.rmem_max`).
const UDP_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// How often a free pair of ports is looked for when any will do.
const PAIR_TRIES: usize = 16;

/// The two sockets of a server.
#[derive(Debug)]
pub(crate) struct Bound {
    /// For HTTP.
    pub(crate) tcp: TcpListener,
    /// For measuring.
    pub(crate) udp: UdpSocket,
}

/// Binds both sockets of `config`.
pub(crate) fn bind_all(config: &ServeConfig) -> Result<Bound, ServeError> {
    let any_pair = config.listen.port() == 0 && config.udp_port == UdpPort::SameAsHttp;
    let mut tries_left = if any_pair { PAIR_TRIES } else { 1 };
    loop {
        let tcp = bind_tcp(config.listen)?;
        let address = udp_address(config, &tcp)?;
        tries_left -= 1;
        match bind_udp(address) {
            // The number that is free for TCP is taken for UDP: take another.
            Err(ServeError::Listen { source, .. })
                if tries_left > 0 && source.kind() == io::ErrorKind::AddrInUse => {}
            udp => return Ok(Bound { tcp, udp: udp? }),
        }
    }
}

/// Binds a TCP listener.
pub(crate) fn bind_tcp(address: SocketAddr) -> Result<TcpListener, ServeError> {
    with_ipv4_fallback(address, |address| {
        let socket = open(address, Type::STREAM, Protocol::TCP)?;
        // On Unix this only lets a restarted server take the port that its closed connections
        // still mention; on Windows it would let another program steal the port.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    })
    .map_err(|source| ServeError::Listen {
        transport: "TCP",
        address,
        source,
    })
}

/// Binds a UDP socket with large buffers.
pub(crate) fn bind_udp(address: SocketAddr) -> Result<UdpSocket, ServeError> {
    with_ipv4_fallback(address, |address| {
        let socket = open(address, Type::DGRAM, Protocol::UDP)?;
        let buffers = socket
            .set_recv_buffer_size(UDP_BUFFER_BYTES)
            .and_then(|()| socket.set_send_buffer_size(UDP_BUFFER_BYTES));
        if let Err(error) = buffers {
            tracing::debug!(%error, "the system did not enlarge the UDP buffers");
        }
        socket.bind(&address.into())?;
        Ok(socket.into())
    })
    .map_err(|source| ServeError::Listen {
        transport: "UDP",
        address,
        source,
    })
}

/// The UDP socket listens where the TCP socket came to listen, fallback to IPv4 included.
fn udp_address(config: &ServeConfig, tcp: &TcpListener) -> Result<SocketAddr, ServeError> {
    let bound = tcp.local_addr().map_err(|source| ServeError::Listen {
        transport: "TCP",
        address: config.listen,
        source,
    })?;
    let port = match config.udp_port {
        UdpPort::SameAsHttp => bound.port(),
        UdpPort::Any => 0,
        UdpPort::Fixed(port) => port,
    };
    Ok(SocketAddr::new(bound.ip(), port))
}

fn open(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

/// `[::]` means every address; on a machine without IPv6 that is `0.0.0.0`.
fn with_ipv4_fallback<T>(
    address: SocketAddr,
    bind: impl Fn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    match bind(address) {
        Err(error)
            if address.is_ipv6()
                && address.ip().is_unspecified()
                && error.kind() != io::ErrorKind::AddrInUse
                && error.kind() != io::ErrorKind::PermissionDenied =>
        {
            tracing::info!(%error, "no IPv6 on this machine; listening on IPv4 only");
            bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        result => result,
    }
}

/// Addresses of this machine, where the system tells them.
pub(crate) fn interface_addresses() -> Vec<IpAddr> {
    #[cfg(target_os = "linux")]
    {
        let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
        let addresses = interfaces.filter_map(|interface| interface.address);
        addresses
            .filter_map(|address| {
                let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
                v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
            })
            .collect()
    }
    #[cfg(not(target_os = "linux"))]
    Vec::new()
}
