//! The UDP socket: batches in, kernel stamps, replies from the address that was addressed, no
//! fragmentation.

use std::{
    array,
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use mio::{Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};

/// Bytes read of one datagram: more than any that is granted, so that a larger one shows.
pub(super) const BUFFER_BYTES: usize = 2048;

/// The socket.
#[derive(Debug)]
pub(super) struct MeasureSocket {
    socket: mio::net::UdpSocket,
    state: UdpSocketState,
    /// For bursts alone: what fails with a reply, which a stranger may provoke, must not make
    /// `quinn-udp` believe that the system cannot send packets together.
    bursts: UdpSocketState,
}

impl MeasureSocket {
    /// Prepares a bound socket.
    pub(super) fn new(socket: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        let bursts = UdpSocketState::new((&socket).into())?;
        one_datagram_a_buffer(&socket);
        Ok(Self {
            socket: mio::net::UdpSocket::from_std(socket),
            state,
            bursts,
        })
    }

    /// Has `registry` wake up for incoming datagrams.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    /// Fills `batch` with the datagrams that wait.
    pub(super) fn receive(&self, batch: &mut Batch) -> io::Result<()> {
        batch.n_filled = 0;
        let mut buffers = batch.buffers.iter_mut();
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] = array::from_fn(|_| {
            let buffer = buffers.next().map_or(&mut [][..], |buffer| &mut buffer[..]);
            IoSliceMut::new(buffer)
        });
        batch.n_filled = self
            .state
            .recv((&self.socket).into(), &mut slices, &mut batch.metas)?;
        Ok(())
    }

    /// Sends one reply to where `to` came from, from where `to` was sent.
    pub(super) fn send(&self, to: &RecvMeta, reply: &[u8]) -> io::Result<()> {
        let transmit = Transmit {
            destination: to.addr,
            ecn: None,
            contents: reply,
            segment_size: None,
            src_ip: source_of(to),
        };
        self.state.try_send((&self.socket).into(), &transmit)
    }

    /// Sends packets of one size, one behind the other in `packets`, as many as the system takes
    /// at once. Gives how many bytes of `packets` are done with.
    pub(super) fn send_burst(
        &self,
        route: Route,
        packets: &[u8],
        segment_bytes: usize,
    ) -> io::Result<usize> {
        let together = self.bursts.max_gso_segments();
        match self.send_together(route, packets, segment_bytes, together) {
            // The system, or the interface, does not split packets for us after all. The state
            // knows that now.
            Err(_) if together > 1 && self.bursts.max_gso_segments() == 1 => {
                self.send_together(route, packets, segment_bytes, 1)
            }
            sent => sent,
        }
    }

    fn send_together(
        &self,
        route: Route,
        packets: &[u8],
        segment_bytes: usize,
        together: usize,
    ) -> io::Result<usize> {
        let taken = packets.len().min(segment_bytes * together.max(1));
        let transmit = Transmit {
            destination: route.destination,
            ecn: None,
            contents: &packets[..taken],
            segment_size: (taken > segment_bytes).then_some(segment_bytes),
            src_ip: route.source,
        };
        self.bursts.try_send((&self.socket).into(), &transmit)?;
        Ok(taken)
    }
}

/// Where packets that nobody asked for one by one go, and where they leave from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    destination: SocketAddr,
    source: Option<IpAddr>,
}

impl Route {
    /// Back to where a datagram came from, from where it was sent.
    pub(super) fn back(meta: &RecvMeta) -> Self {
        Self {
            destination: meta.addr,
            source: source_of(meta),
        }
    }
}

/// The address to answer from. Answers to a multicast or broadcast address are left to the
/// system.
fn source_of(to: &RecvMeta) -> Option<IpAddr> {
    to.dst_ip.filter(|ip| match ip.to_canonical() {
        IpAddr::V4(v4) => !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_multicast(),
    })
}

/// Linux may merge datagrams of one flow into one buffer with one stamp (GRO). Each has to keep
/// its own, so this switches it off again after `quinn-udp` switched it on.
fn one_datagram_a_buffer(socket: &UdpSocket) {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::socket::{setsockopt, sockopt::UdpGroSegment};
        // Kernels before 5.0 do not know the option, and do not merge either.
        if let Err(error) = setsockopt(socket, UdpGroSegment, &false) {
            tracing::debug!(%error, "receive offload was not switched off");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}

/// One datagram as it came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) meta: &'a RecvMeta,
}

impl Received<'_> {
    /// The sender, IPv4 told as such even when it came through a dual-stack socket.
    pub(super) fn from(&self) -> SocketAddr {
        SocketAddr::new(self.meta.addr.ip().to_canonical(), self.meta.addr.port())
    }

    /// The kernel's stamp.
    pub(super) fn stamp(&self) -> Option<Duration> {
        self.meta.timestamp
    }
}

/// Buffers of one receive call, made once.
#[derive(Debug)]
pub(super) struct Batch {
    buffers: Vec<[u8; BUFFER_BYTES]>,
    metas: [RecvMeta; BATCH_SIZE],
    n_filled: usize,
}

impl Batch {
    /// Empty buffers.
    pub(super) fn new() -> Self {
        Self {
            buffers: vec![[0; BUFFER_BYTES]; BATCH_SIZE],
            metas: [RecvMeta::default(); BATCH_SIZE],
            n_filled: 0,
        }
    }

    /// The datagrams. A buffer holds one, unless the system merged some in spite of us; those
    /// share one stamp.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = Received<'_>> {
        let filled = self.buffers.iter().zip(&self.metas).take(self.n_filled);
        filled.flat_map(|(buffer, meta)| {
            let stride = meta.stride.max(1);
            buffer[..meta.len.min(BUFFER_BYTES)]
                .chunks(stride)
                .map(move |bytes| Received { bytes, meta })
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use nix::sys::socket::{getsockopt, sockopt::UdpGroSegment};

    use super::*;

    #[test]
    fn the_system_merges_no_datagrams() {
        let socket = MeasureSocket::new(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
        assert!(!getsockopt(&socket.socket, UdpGroSegment).unwrap());
    }

    #[test]
    fn merged_datagrams_would_be_told_apart() {
        let mut batch = Batch::new();
        batch.metas[0].len = 250;
        batch.metas[0].stride = 100;
        batch.metas[1].len = 3000;
        batch.metas[1].stride = 3000;
        batch.n_filled = 2;
        let sizes: Vec<usize> = batch.datagrams().map(|d| d.bytes.len()).collect();
        assert_eq!(sizes, [100, 100, 50, BUFFER_BYTES]);
    }
}
