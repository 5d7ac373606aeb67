//! What the kernel knows of the path MTU to a client.

use std::net::{IpAddr, SocketAddr};

/// Asks the kernel. Holds one socket, which is pointed at each client in turn and never sends.
#[derive(Debug, Default)]
pub(super) struct PathMtuLookup {
    #[cfg(target_os = "linux")]
    socket: Option<std::net::UdpSocket>,
}

impl PathMtuLookup {
    /// Largest IP packet that the kernel believes to reach `client`, from the interface and the
    /// routers' "too large" messages. `None` where the system does not tell: Linux does, for IPv4.
    #[cfg(target_os = "linux")]
    pub(super) fn ask(&mut self, client: SocketAddr) -> Option<u16> {
        use nix::sys::socket::{getsockopt, sockopt::IpMtu};

        let IpAddr::V4(ip) = client.ip().to_canonical() else {
            return None;
        };
        if self.socket.is_none() {
            let any = (std::net::Ipv4Addr::UNSPECIFIED, 0);
            self.socket = std::net::UdpSocket::bind(any).ok();
        }
        let socket = self.socket.as_ref()?;
        socket.connect((ip, client.port())).ok()?;
        let bytes = getsockopt(socket, IpMtu).ok()?;
        // Loopback has 65,536 bytes: more than anybody asks.
        Some(u16::try_from(bytes).unwrap_or(u16::MAX))
    }

    /// Not asked on this system.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn ask(&mut self, _client: SocketAddr) -> Option<u16> {
        None
    }
}
