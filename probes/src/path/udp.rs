//! UDP with kernel receive stamps.

use std::io;
use std::net::SocketAddr;

use greenroom_protocol::measure::client::{Client, Transmit, TransmitKind};

use super::drive::{Incoming, Transport};
use crate::clock::Clock;
use crate::datagram::{DatagramSocket, MESSAGE_TOO_LONG, is_passing};

/// UDP, for the path's machine.
pub(super) struct Udp {
    socket: DatagramSocket,
}

impl Udp {
    /// A socket towards `remote`.
    pub(super) async fn connect(remote: SocketAddr, clock: Clock) -> io::Result<Self> {
        let socket = DatagramSocket::connect(remote, clock).await?;
        Ok(Self { socket })
    }

    /// See [`DatagramSocket::known_path_mtu`].
    pub(super) fn known_path_mtu(&self) -> Option<u16> {
        self.socket.known_path_mtu()
    }
}

impl Transport for Udp {
    async fn send(&mut self, client: &mut Client, transmit: Transmit) -> io::Result<()> {
        let mut is_second_try = false;
        loop {
            if let TransmitKind::Echo(seq) = transmit.kind {
                client.departed(seq, self.socket.now());
            }
            match self.socket.try_send(&transmit.datagram) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.socket.writable().await?;
                }
                // What ICMP says of an earlier datagram comes as the error of the next call, which
                // then sends nothing. Only a second error is about this datagram.
                Err(error) if !is_second_try => {
                    is_second_try = true;
                    if error.kind() == io::ErrorKind::ConnectionRefused {
                        client.rejected();
                    }
                }
                Err(error) => return send_failed(client, transmit.kind, error),
            }
        }
    }

    async fn receive(&mut self, take: &mut (dyn FnMut(Incoming<'_>) + Send)) -> io::Result<()> {
        self.socket.readable().await?;
        self.socket
            .try_receive(&mut |at, clock, bytes| take(Incoming { at, clock, bytes }))
    }

    fn headers(&self) -> u64 {
        self.socket.headers()
    }
}

/// Most errors of a send speak of an earlier datagram, or of this one alone.
fn send_failed(client: &mut Client, kind: TransmitKind, error: io::Error) -> io::Result<()> {
    match kind {
        TransmitKind::SizeProbe(id) if error.raw_os_error() == Some(MESSAGE_TOO_LONG) => {
            client.too_large_to_send(id);
            Ok(())
        }
        _ if error.kind() == io::ErrorKind::ConnectionRefused => {
            client.rejected();
            Ok(())
        }
        _ if is_passing(&error) => Ok(()),
        // A route that went away in the middle is loss, and may come back.
        _ if !client.records().is_empty() => Ok(()),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use greenroom_protocol::measure::client::{ClientConfig, StreamPlan};

    use super::*;

    fn client() -> Client {
        Client::new(ClientConfig {
            nonce: 1,
            stream: StreamPlan::default(),
            patience: Duration::from_secs(1),
            session_time: Duration::from_secs(1),
            headers: Some(28),
        })
    }

    #[tokio::test]
    async fn an_error_about_an_earlier_datagram_does_not_cost_this_one() {
        let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let remote = closed.local_addr().unwrap();
        drop(closed);
        let mut udp = Udp::connect(remote, Clock::start()).await.unwrap();
        udp.socket.writable().await.unwrap();
        udp.socket.try_send(b"nobody listens yet").unwrap();
        let listener = std::net::UdpSocket::bind(remote).unwrap();
        listener
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        let transmit = Transmit {
            datagram: b"hello".to_vec(),
            kind: TransmitKind::Control,
        };
        udp.send(&mut client(), transmit).await.unwrap();
        assert_eq!(listener.recv(&mut [0; 16]).unwrap(), 5);
    }
}
