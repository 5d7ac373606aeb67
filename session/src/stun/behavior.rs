//! What a server with two addresses shows of the NAT's filtering (RFC 5780 §4.4).
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;

use super::message::{Change, read_answer, request};

/// Pauses before the requests are sent again. An answer that is kept out looks like a lost one, so
/// there are three.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(150),
    Duration::from_millis(200),
    Duration::from_millis(250),
];
/// Largest answer that is read.
const MAX_ANSWER: usize = 1500;

/// From where answers came in at a socket that had sent to the server's first address alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// From the other address and the other port.
    pub other_address: bool,
    /// From the first address and the other port.
    pub other_port: bool,
    /// The server answered from where it was asked, though another origin was wanted: it tells
    /// nothing of filtering.
    pub ignores_change: bool,
}

/// Whether a server's other address is one to ask: of the same family, and as far away.
pub fn is_plausible(server: SocketAddr, other: SocketAddr) -> bool {
    let is_usual = match (server.ip(), other.ip()) {
        (IpAddr::V4(first), IpAddr::V4(second)) => {
            !second.is_unspecified()
                && !second.is_multicast()
                && !second.is_broadcast()
                && second.is_loopback() == first.is_loopback()
                && (!second.is_private() || first.is_private())
                && (!second.is_link_local() || first.is_link_local())
        }
        (IpAddr::V6(first), IpAddr::V6(second)) => {
            !second.is_unspecified()
                && !second.is_multicast()
                && second.is_loopback() == first.is_loopback()
                && second.is_unicast_link_local() == first.is_unicast_link_local()
                && second.is_unique_local() == first.is_unique_local()
        }
        _ => false,
    };
    is_usual && other.ip() != server.ip() && other.port() != server.port() && other.port() != 0
}

/// Asks the server to answer from elsewhere; `None` when it does not answer at all. The socket must
/// not have sent anything to the other address. The transactions' ids come from a source that nobody
/// can guess; `rtt` is the round trip to the server.
///
/// Takes 0.6 s and three round trips at the most.
///
/// # Cancel safety
/// Dropping the future may lose datagrams that came in.
pub async fn filtering(
    socket: &UdpSocket,
    server: SocketAddr,
    other: SocketAddr,
    transactions: [u128; 3],
    rtt: Duration,
) -> Option<Heard> {
    let [plain, both, port] = transactions;
    let mut asked = Asked {
        socket,
        server,
        heard: Heard::default(),
        has_answered: false,
    };
    // The way out is open from here on, and the server is known to answer.
    let first = [(plain, Change::Nothing, server)];
    asked.ask(&first, rtt).await;
    if !asked.has_answered {
        return None;
    }
    let elsewhere = [
        (both, Change::AddressAndPort, other),
        (
            port,
            Change::Port,
            SocketAddr::new(server.ip(), other.port()),
        ),
    ];
    asked.ask(&elsewhere, rtt).await;
    Some(asked.heard)
}

/// A request: its transaction, the origin wanted for its answer, and that origin's address.
type Wanted = (u128, Change, SocketAddr);

struct Asked<'a> {
    socket: &'a UdpSocket,
    server: SocketAddr,
    heard: Heard,
    has_answered: bool,
}

impl Asked<'_> {
    async fn ask(&mut self, wanted: &[Wanted], rtt: Duration) {
        for pause in PAUSES {
            let until = Instant::now() + pause + rtt;
            for (transaction, change, _) in wanted {
                // Where there is no way to the server, there is no answer either.
                let request = request(*transaction, *change);
                let _no_way = self.socket.send_to(&request, self.server).await;
            }
            while !self.is_done(wanted) {
                let mut buffer = [0; MAX_ANSWER];
                let received = self.socket.recv_from(&mut buffer);
                match tokio::time::timeout_at(until.into(), received).await {
                    Err(_elapsed) => break,
                    Ok(Ok((length, from))) => self.take(wanted, &buffer[..length], from),
                    // What ICMP says of an earlier packet.
                    Ok(Err(_icmp)) => {}
                }
            }
            if self.is_done(wanted) {
                return;
            }
        }
    }

    fn is_done(&self, wanted: &[Wanted]) -> bool {
        wanted.iter().all(|(_, change, _)| match change {
            Change::Nothing => self.has_answered,
            Change::Port => self.heard.other_port,
            Change::AddressAndPort => self.heard.other_address,
        }) || self.heard.ignores_change
    }

    fn take(&mut self, wanted: &[Wanted], bytes: &[u8], from: SocketAddr) {
        for (transaction, change, origin) in wanted {
            if read_answer(*transaction, bytes).is_none() {
                continue;
            }
            match change {
                Change::Nothing => self.has_answered |= from == *origin,
                _ if from == self.server => self.heard.ignores_change = true,
                Change::Port => self.heard.other_port |= from == *origin,
                Change::AddressAndPort => self.heard.other_address |= from == *origin,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_as_far_away_is_asked() {
        for (server, other, plausible) in [
            ("198.51.100.1:3478", "198.51.100.2:3479", true),
            ("198.51.100.1:3478", "198.51.100.1:3479", false),
            ("198.51.100.1:3478", "198.51.100.2:3478", false),
            ("198.51.100.1:3478", "198.51.100.2:0", false),
            ("198.51.100.1:3478", "10.0.0.1:3479", false),
            ("10.0.0.1:3478", "10.0.0.2:3479", true),
            ("10.0.0.1:3478", "198.51.100.2:3479", true),
            ("198.51.100.1:3478", "127.0.0.1:3479", false),
            ("127.0.0.1:3478", "127.0.0.2:3479", true),
            ("198.51.100.1:3478", "224.0.0.1:3479", false),
            ("198.51.100.1:3478", "255.255.255.255:3479", false),
            ("198.51.100.1:3478", "0.0.0.0:3479", false),
            ("198.51.100.1:3478", "169.254.0.1:3479", false),
            ("198.51.100.1:3478", "[2001:db8::2]:3479", false),
            ("[2001:db8::1]:3478", "[2001:db8::2]:3479", true),
            ("[2001:db8::1]:3478", "[fe80::2]:3479", false),
            ("[2001:db8::1]:3478", "[fd00::2]:3479", false),
            ("[2001:db8::1]:3478", "[::1]:3479", false),
            ("[2001:db8::1]:3478", "[ff02::1]:3479", false),
        ] {
            let (first, second) = (server.parse().unwrap(), other.parse().unwrap());
            assert_eq!(is_plausible(first, second), plausible, "{server} {other}");
        }
    }

    /// A server on loopback whose answers come from where `origins` says: by default, port alone, both.
    async fn heard(origins: [usize; 3]) -> Option<Heard> {
        let first = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let second_port = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = second_port.local_addr().unwrap().port();
        let second = UdpSocket::bind(("127.0.0.2", port)).await.unwrap();
        let (server, other) = (first.local_addr().unwrap(), second.local_addr().unwrap());
        let serve = async move {
            let sockets = [&first, &second_port, &second];
            let mut buffer = [0; 200];
            loop {
                let (length, from) = first.recv_from(&mut buffer).await.unwrap();
                let asked = super::super::message::asked(&buffer[..length]);
                let origin = origins[match asked {
                    Change::Nothing => 0,
                    Change::Port => 1,
                    Change::AddressAndPort => 2,
                }];
                let answer = super::super::message::answer(&buffer[..length]);
                if let Some(socket) = sockets.get(origin) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        };
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        tokio::select! {
            () = serve => None,
            heard = filtering(&client, server, other, [1, 2, 3], Duration::from_millis(5)) => heard,
        }
    }

    const NOBODY: usize = 9;

    #[tokio::test]
    async fn who_is_heard_is_told() {
        let told = |other_address, other_port, ignores_change| {
            Some(Heard {
                other_address,
                other_port,
                ignores_change,
            })
        };
        assert_eq!(heard([0, 1, 2]).await, told(true, true, false));
        assert_eq!(heard([0, 1, NOBODY]).await, told(false, true, false));
        assert_eq!(heard([0, NOBODY, NOBODY]).await, told(false, false, false));
        assert_eq!(heard([NOBODY, 1, 2]).await, None);
        // Who answers from elsewhere than asked for is not believed.
        assert_eq!(heard([0, 2, NOBODY]).await, told(false, false, false));
        assert!(heard([0, 0, 0]).await.unwrap().ignores_change);
    }
}
