//! How a peer connection is made.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::media_peer::PeerRole;

/// Time between two connectivity checks of a pair. The stack hands over from one layer to the next at this
/// tick (ICE, nomination, DTLS, SCTP), so its default of 200 ms is most of a join: 405 ms on
/// loopback. RFC 8445 section 14.2 asks for 5 ms at least between two checks.
pub const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// How a peer connection is made.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Which of the two it is.
    pub role: PeerRole,
    /// Offers make the server the client of DTLS; for engines of this project, that are known to take it.
    pub dtls_passive: bool,
    /// Addresses to bind; an unspecified one stands for every interface of its family.
    pub bind: Vec<SocketAddr>,
    /// Time between two connectivity checks.
    pub check_interval: Duration,
}

impl PeerConfig {
    /// For a server of this name or address.
    ///
    /// The stack leaves out loopback, which is added where the server is on this machine.
    pub fn new(role: PeerRole, server_host: &str) -> Self {
        let mut bind = vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))];
        if has_ipv6() {
            bind.push(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)));
        }
        let host = server_host.trim_start_matches('[').trim_end_matches(']');
        if host.eq_ignore_ascii_case("localhost") {
            bind.insert(0, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        } else if let Ok(address) = host.parse::<IpAddr>()
            && address.is_loopback()
        {
            bind.insert(0, SocketAddr::from((address, 0)));
        }
        Self {
            role,
            dtls_passive: false,
            bind,
            check_interval: CHECK_INTERVAL,
        }
    }
}

/// Whether a packet to the outside would leave by IPv6. Nothing is sent: a UDP socket that is connected
/// only asks for the route.
fn has_ipv6() -> bool {
    let outside = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))
        .and_then(|socket| socket.connect((outside, 9)))
        .is_ok()
}
