//! What the kernel knows of the path MTU to a client.

use std::net::SocketAddr;
#[cfg(target_os = "linux")]
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Asks the kernel. Holds a socket of each family, which is pointed at each client in turn and
/// never sends.
#[derive(Debug, Default)]
pub(super) struct PathMtuLookup {
    #[cfg(target_os = "linux")]
    v4: Option<UdpSocket>,
    #[cfg(target_os = "linux")]
    v6: Option<UdpSocket>,
}

#[cfg(target_os = "linux")]
impl PathMtuLookup {
    /// Largest IP packet that the kernel believes to reach `client`, from the interface and the
    /// routers' "too large" messages.
    pub(super) fn ask(&mut self, client: SocketAddr) -> Option<u16> {
        let bytes = match client.ip() {
            IpAddr::V4(_) => {
                let socket = point(&mut self.v4, Ipv4Addr::UNSPECIFIED.into(), client)?;
                rustix::net::sockopt::ip_mtu(socket).ok()?
            }
            IpAddr::V6(_) => {
                let socket = point(&mut self.v6, Ipv6Addr::UNSPECIFIED.into(), client)?;
                rustix::net::sockopt::ipv6_mtu(socket).ok()?
            }
        };
        // Loopback has 65,536 bytes: more than anybody asks.
        Some(u16::try_from(bytes).unwrap_or(u16::MAX))
    }
}

#[cfg(not(target_os = "linux"))]
impl PathMtuLookup {
    /// Not asked on this system.
    pub(super) fn ask(&mut self, _client: SocketAddr) -> Option<u16> {
        None
    }
}

#[cfg(target_os = "linux")]
fn point(slot: &mut Option<UdpSocket>, any: IpAddr, client: SocketAddr) -> Option<&UdpSocket> {
    if slot.is_none() {
        *slot = UdpSocket::bind((any, 0)).ok();
    }
    let socket = slot.as_ref()?;
    socket.connect(client).ok()?;
    Some(socket)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn loopback_takes_more_than_any_datagram() {
        let mut lookup = PathMtuLookup::default();
        for client in ["127.0.0.1:9", "127.0.0.2:10"] {
            assert_eq!(lookup.ask(client.parse().unwrap()), Some(u16::MAX));
        }
    }
}
