//! The UDP port of all peer connections.

use std::{
    array,
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr, UdpSocket},
};

use mio::{Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};

/// Bytes of one buffer: the system may merge packets of a flow into one (GRO).
const BUFFER_BYTES: usize = 65_536;

/// Token of the port.
pub(super) const PORT: Token = Token(0);

/// The UDP port.
#[derive(Debug)]
pub(super) struct MediaSocket {
    socket: mio::net::UdpSocket,
    address: SocketAddr,
    state: UdpSocketState,
}

impl MediaSocket {
    pub(super) fn new(socket: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        let address = socket.local_addr()?;
        Ok(Self {
            socket: mio::net::UdpSocket::from_std(socket),
            address,
            state,
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        registry.register(&mut self.socket, PORT, Interest::READABLE)
    }

    /// Fills `batch` with what waits.
    pub(super) fn receive(&self, batch: &mut Batch) -> io::Result<()> {
        batch.n_filled = 0;
        let mut buffers = batch.buffers.chunks_exact_mut(BUFFER_BYTES);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            array::from_fn(|_| IoSliceMut::new(buffers.next().unwrap_or_default()));
        batch.n_filled = (self.state).recv((&self.socket).into(), &mut slices, &mut batch.metas)?;
        Ok(())
    }

    /// Sends one packet; one that the system does not take is lost, as on the way.
    pub(super) fn send(&self, to: SocketAddr, source: Option<IpAddr>, packet: &[u8]) {
        // A socket of both families takes IPv4 addresses in their IPv6 form alone.
        let destination = match (self.address, to) {
            (SocketAddr::V6(_), SocketAddr::V4(to)) => {
                SocketAddr::from((to.ip().to_ipv6_mapped(), to.port()))
            }
            _ => to,
        };
        let transmit = Transmit {
            destination,
            ecn: None,
            contents: packet,
            segment_size: None,
            src_ip: source,
        };
        if let Err(error) = self.state.try_send((&self.socket).into(), &transmit) {
            tracing::debug!(%error, "a packet of a peer connection was not sent");
        }
    }
}

/// Buffers of one receive call, made once.
#[derive(Debug)]
pub(super) struct Batch {
    buffers: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
    n_filled: usize,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            buffers: vec![0; BUFFER_BYTES * BATCH_SIZE],
            metas: [RecvMeta::default(); BATCH_SIZE],
            n_filled: 0,
        }
    }

    /// The packets, with where they came from and the address of ours that they were sent to.
    pub(super) fn packets(&self) -> impl Iterator<Item = (SocketAddr, Option<IpAddr>, &[u8])> {
        let filled = self.buffers.chunks_exact(BUFFER_BYTES).zip(&self.metas);
        filled.take(self.n_filled).flat_map(|(buffer, meta)| {
            buffer[..meta.len.min(BUFFER_BYTES)]
                .chunks(meta.stride.max(1))
                .map(move |packet| (meta.addr, meta.dst_ip, packet))
        })
    }
}
