//! UDP with kernel receive stamps.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use greenroom_protocol::measure::client::{Client, Transmit, TransmitKind};
use quinn_udp::{RecvMeta, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::clock::Clock;
use super::drive::{Incoming, Transport};

/// Larger than any datagram of the protocol, so that a longer one shows.
const BUFFER_BYTES: usize = 2048;
/// Datagrams taken with one call.
const BATCH: usize = 8;
/// `EMSGSIZE`: the system knows that the datagram is too large for its interface.
const MESSAGE_TOO_LONG: i32 = if cfg!(windows) { 10_040 } else { 90 };

/// A connected UDP socket.
pub(super) struct Udp {
    socket: UdpSocket,
    state: UdpSocketState,
    remote: SocketAddr,
    clock: Clock,
    buffers: Box<[[u8; BUFFER_BYTES]; BATCH]>,
}

impl Udp {
    /// A socket towards `remote`.
    pub(super) async fn connect(remote: SocketAddr, clock: Clock) -> io::Result<Self> {
        let any: IpAddr = match remote {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        // Connected, the socket takes datagrams from the server only, and hears ICMP errors.
        socket.connect(remote).await?;
        let state = UdpSocketState::new((&socket).into())?;
        one_datagram_a_buffer(&socket);
        Ok(Self {
            socket,
            state,
            remote,
            clock,
            buffers: Box::new([[0; BUFFER_BYTES]; BATCH]),
        })
    }

    /// Largest IP packet that the kernel believes to reach the server, from the interface and
    /// from routers' "too large" messages. `None` where the system does not tell.
    pub(super) fn known_path_mtu(&self) -> Option<u16> {
        #[cfg(target_os = "linux")]
        {
            use rustix::net::sockopt::{ip_mtu, ipv6_mtu};
            let bytes = if self.remote.is_ipv4() {
                ip_mtu(&self.socket)
            } else {
                ipv6_mtu(&self.socket)
            };
            Some(u16::try_from(bytes.ok()?).unwrap_or(u16::MAX))
        }
        #[cfg(not(target_os = "linux"))]
        None
    }

    fn try_send(&self, datagram: &[u8]) -> io::Result<()> {
        let transmit = quinn_udp::Transmit {
            destination: self.remote,
            ecn: None,
            contents: datagram,
            segment_size: None,
            src_ip: None,
        };
        self.socket.try_io(Interest::WRITABLE, || {
            self.state.try_send((&self.socket).into(), &transmit)
        })
    }
}

impl Transport for Udp {
    async fn send(&mut self, client: &mut Client, transmit: Transmit) -> io::Result<()> {
        let mut is_second_try = false;
        loop {
            if let TransmitKind::Echo(seq) = transmit.kind {
                client.departed(seq, self.clock.now());
            }
            match self.try_send(&transmit.datagram) {
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
        let mut metas = [RecvMeta::default(); BATCH];
        let mut slices = self
            .buffers
            .each_mut()
            .map(|buffer| IoSliceMut::new(buffer));
        let received = self.socket.try_io(Interest::READABLE, || {
            self.state
                .recv((&self.socket).into(), &mut slices, &mut metas)
        });
        let n_received = match received {
            Ok(n) => n,
            Err(error) if is_passing(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        for (buffer, meta) in self.buffers.iter().zip(&metas).take(n_received) {
            let (at, clock) = self.clock.arrival(meta.timestamp);
            for bytes in buffer[..meta.len.min(BUFFER_BYTES)].chunks(meta.stride.max(1)) {
                take(Incoming { at, clock, bytes });
            }
        }
        Ok(())
    }

    fn headers(&self) -> u64 {
        if self.remote.is_ipv4() { 28 } else { 48 }
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

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    ) || error.raw_os_error() == Some(MESSAGE_TOO_LONG)
}

/// Linux may merge datagrams of one flow into one buffer with one stamp (GRO). Each has to keep
/// its own, so this switches it off again after `quinn-udp` switched it on.
fn one_datagram_a_buffer(socket: &UdpSocket) {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::socket::{setsockopt, sockopt::UdpGroSegment};
        // Kernels before 5.0 do not know the option, and do not merge either.
        let _unknown = setsockopt(socket, UdpGroSegment, &false);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
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
        udp.try_send(b"nobody listens yet").unwrap();
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
