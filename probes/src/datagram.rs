//! A UDP socket with kernel receive stamps, which sends many packets with one call.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_reports::model::path::ClockSource;
use quinn_udp::{RecvMeta, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::clock::Clock;

/// Larger than any datagram of the protocol, so that a longer one shows.
const BUFFER_BYTES: usize = 2048;
/// Datagrams taken with one call.
const BATCH: usize = 32;
/// What the kernel keeps of datagrams that nobody has read yet: 60 ms of 250 Mbit/s with its
/// bookkeeping. It grants less where its administrator set a lower bound.
const RECEIVE_BUFFER: usize = 4 << 20;
/// `EMSGSIZE`: the system knows that the datagram is too large for its interface.
pub(crate) const MESSAGE_TOO_LONG: i32 = if cfg!(windows) { 10_040 } else { 90 };

/// Takes a datagram: when it came in, who says so, its bytes.
pub(crate) type Take<'a> = dyn FnMut(MonotonicTime, ClockSource, &[u8]) + Send + 'a;

/// A connected UDP socket.
pub(crate) struct DatagramSocket {
    socket: UdpSocket,
    state: UdpSocketState,
    remote: SocketAddr,
    clock: Clock,
    buffers: Box<[[u8; BUFFER_BYTES]; BATCH]>,
}

impl DatagramSocket {
    /// A socket towards `remote`.
    pub(crate) async fn connect(remote: SocketAddr, clock: Clock) -> io::Result<Self> {
        let any: IpAddr = match remote {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        // Connected, the socket takes datagrams from the server only, and hears ICMP errors.
        socket.connect(remote).await?;
        let state = UdpSocketState::new((&socket).into())?;
        // Less than asked for costs packets of fast floods only, and those count as lost.
        let _less = state.set_recv_buffer_size((&socket).into(), RECEIVE_BUFFER);
        one_datagram_a_buffer(&socket);
        Ok(Self {
            socket,
            state,
            remote,
            clock,
            buffers: vec![[0; BUFFER_BYTES]; BATCH]
                .into_boxed_slice()
                .try_into()
                .map_err(|_other| io::ErrorKind::OutOfMemory)?,
        })
    }

    /// Time on the clock by which arrivals are told.
    pub(crate) fn now(&self) -> MonotonicTime {
        self.clock.now()
    }

    /// Bytes of the IP and UDP headers of each datagram.
    pub(crate) fn headers(&self) -> u64 {
        if self.remote.is_ipv4() { 28 } else { 48 }
    }

    /// Largest IP packet that the kernel believes to reach the server, from the interface and
    /// from routers' "too large" messages. `None` where the system does not tell.
    pub(crate) fn known_path_mtu(&self) -> Option<u16> {
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

    /// Waits until a datagram can be sent.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    /// Waits until a datagram came in.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Sends one datagram.
    pub(crate) fn try_send(&self, datagram: &[u8]) -> io::Result<()> {
        self.send_part(datagram, None)
    }

    /// Sends datagrams of one size, one behind the other in `packets`, as many as the system
    /// takes at once; gives how many bytes are done with.
    pub(crate) fn try_send_burst(&self, packets: &[u8], segment_bytes: usize) -> io::Result<usize> {
        let together = self.state.max_gso_segments();
        match self.send_together(packets, segment_bytes, together) {
            // The system, or the interface, does not split packets for us after all. The state
            // knows that now.
            Err(error)
                if error.kind() != io::ErrorKind::WouldBlock
                    && together > 1
                    && self.state.max_gso_segments() == 1 =>
            {
                self.send_together(packets, segment_bytes, 1)
            }
            sent => sent,
        }
    }

    fn send_together(
        &self,
        packets: &[u8],
        segment_bytes: usize,
        together: usize,
    ) -> io::Result<usize> {
        let taken = packets.len().min(segment_bytes * together.max(1));
        let segments = (taken > segment_bytes).then_some(segment_bytes);
        self.send_part(&packets[..taken], segments)?;
        Ok(taken)
    }

    fn send_part(&self, contents: &[u8], segment_size: Option<usize>) -> io::Result<()> {
        let transmit = quinn_udp::Transmit {
            destination: self.remote,
            ecn: None,
            contents,
            segment_size,
            src_ip: None,
        };
        self.socket.try_io(Interest::WRITABLE, || {
            self.state.try_send((&self.socket).into(), &transmit)
        })
    }

    /// Takes the datagrams that came in, as many as one call gives; none is no error.
    pub(crate) fn try_receive(&mut self, take: &mut Take<'_>) -> io::Result<()> {
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
                take(at, clock, bytes);
            }
        }
        Ok(())
    }
}

/// An error that says nothing about the socket.
pub(crate) fn is_passing(error: &io::Error) -> bool {
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
