//! UDP sockets of the relay: many packets a system call, both ways.

use std::{
    array,
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr, UdpSocket},
};

use mio::{Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};

/// Bytes of one buffer: the system may merge packets of a flow into one (GRO).
const BUFFER_BYTES: usize = 65_536;

/// Where packets go, and the address of ours that they leave from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) to: SocketAddr,
    pub(super) source: Option<IpAddr>,
}

/// One socket.
#[derive(Debug)]
pub(super) struct RelaySocket {
    socket: mio::net::UdpSocket,
    address: SocketAddr,
    state: UdpSocketState,
    /// For bursts alone, as the measuring socket has it: what fails with one packet must not make
    /// `quinn-udp` believe that the system cannot send packets together.
    bursts: UdpSocketState,
}

impl RelaySocket {
    /// Prepares a bound socket.
    pub(super) fn new(socket: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        let bursts = UdpSocketState::new((&socket).into())?;
        let address = socket.local_addr()?;
        let_packets_be_fragmented(&socket, address.is_ipv4());
        Ok(Self {
            socket: mio::net::UdpSocket::from_std(socket),
            address,
            state,
            bursts,
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has `registry` wake up for incoming packets.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    /// Undoes it.
    pub(super) fn deregister(&mut self, registry: &Registry) {
        if let Err(error) = registry.deregister(&mut self.socket) {
            tracing::debug!(%error, "a relay socket was not deregistered");
        }
    }

    /// Fills `batch` with what waits; false when nothing waits any more.
    pub(super) fn receive(&self, batch: &mut Batch) -> io::Result<bool> {
        batch.n_filled = 0;
        let mut buffers = batch.buffers.chunks_exact_mut(BUFFER_BYTES);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            array::from_fn(|_| IoSliceMut::new(buffers.next().unwrap_or_default()));
        batch.n_filled = (self.state).recv((&self.socket).into(), &mut slices, &mut batch.metas)?;
        Ok(batch.n_filled == BATCH_SIZE)
    }

    /// Packets of one size that may leave together.
    pub(super) fn burst_segments(&self) -> usize {
        self.bursts.max_gso_segments()
    }

    /// Sends packets of `segment_bytes` each, the last perhaps smaller. Gives how many bytes left
    /// before the system took no more.
    pub(super) fn send(
        &self,
        route: Route,
        packets: &[u8],
        segment_bytes: usize,
    ) -> Result<(), NotSent> {
        if packets.len() > segment_bytes && self.burst_segments() > 1 {
            let sent = self.try_send(&self.bursts, route, packets, Some(segment_bytes));
            if sent.is_ok() {
                return Ok(());
            }
            if sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                return Err(NotSent(packets.len().div_ceil(segment_bytes)));
            }
        }
        let mut n_failed = 0;
        // An empty packet is one, too.
        let single = [packets];
        let one_by_one = packets.chunks(segment_bytes.max(1));
        for packet in single
            .into_iter()
            .filter(|p| p.is_empty())
            .chain(one_by_one)
        {
            let sent = self.try_send(&self.state, route, packet, None);
            n_failed += usize::from(sent.is_err());
        }
        if n_failed == 0 {
            Ok(())
        } else {
            Err(NotSent(n_failed))
        }
    }

    fn try_send(
        &self,
        state: &UdpSocketState,
        route: Route,
        contents: &[u8],
        segment_size: Option<usize>,
    ) -> io::Result<()> {
        let transmit = Transmit {
            destination: self.as_it_speaks(route.to),
            ecn: None,
            contents,
            segment_size,
            src_ip: route.source,
        };
        state.try_send((&self.socket).into(), &transmit)
    }

    /// A socket for both families writes IPv4 addresses in IPv6.
    fn as_it_speaks(&self, to: SocketAddr) -> SocketAddr {
        match to {
            SocketAddr::V4(v4) if self.address.is_ipv6() => {
                SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
            }
            to => to,
        }
    }
}

/// Packets that the system did not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotSent(pub(super) usize);

/// A relay passes on what it is given: packets that do not fit the path are fragmented, while
/// `quinn-udp` forbids it. Path MTUs that strangers tell are not believed (RFC 8656 §15).
fn let_packets_be_fragmented(socket: &UdpSocket, is_ipv4: bool) {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::socket::{setsockopt, sockopt::Ipv6DontFrag};
        use rustix::net::sockopt;
        let v4 = sockopt::set_ip_mtu_discover(socket, sockopt::Ipv4PathMtuDiscovery::OMIT);
        if let Err(error) = v4 {
            tracing::debug!(%error, "relayed packets are not fragmented");
        }
        if is_ipv4 {
            return;
        }
        let v6 = sockopt::set_ipv6_mtu_discover(socket, sockopt::Ipv6PathMtuDiscovery::OMIT)
            .map_err(io::Error::from)
            .and_then(|()| Ok(setsockopt(socket, Ipv6DontFrag, &false)?));
        if let Err(error) = v6 {
            tracing::debug!(%error, "relayed IPv6 packets are not fragmented");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (socket, is_ipv4);
}

/// Buffers of one receive call, made once and used for every socket.
#[derive(Debug)]
pub(super) struct Batch {
    buffers: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
    n_filled: usize,
}

impl Batch {
    /// Empty buffers; the system gives the memory as it is touched.
    pub(super) fn new() -> Self {
        Self {
            buffers: vec![0; BUFFER_BYTES * BATCH_SIZE],
            metas: [RecvMeta::default(); BATCH_SIZE],
            n_filled: 0,
        }
    }

    /// The packets, those that the system merged taken apart.
    pub(super) fn packets(&self) -> impl Iterator<Item = (&[u8], &RecvMeta)> {
        let buffers = self.buffers.chunks_exact(BUFFER_BYTES);
        let filled = buffers.zip(&self.metas).take(self.n_filled);
        filled.flat_map(|(buffer, meta)| {
            let filled = &buffer[..meta.len.min(BUFFER_BYTES)];
            let empty = [filled].into_iter().filter(|packet| packet.is_empty());
            let packets = filled.chunks(meta.stride.max(1));
            empty.chain(packets).map(move |packet| (packet, meta))
        })
    }
}
