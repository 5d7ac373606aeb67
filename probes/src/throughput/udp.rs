//! Two UDP sockets: one for loads, one for echoes alone.

use std::io;
use std::net::SocketAddr;

use greenroom_protocol::measure::load::client::FlowId;

use super::drive::{Carrier, Take};
use crate::clock::Clock;
use crate::datagram::{DatagramSocket, is_passing};

/// The sockets.
pub(super) struct OverUdp {
    load: DatagramSocket,
    other: DatagramSocket,
    headers: u64,
    rejected: bool,
}

impl OverUdp {
    /// Sockets towards `remote`.
    pub(super) async fn connect(remote: SocketAddr, clock: Clock) -> io::Result<Self> {
        let load = DatagramSocket::connect(remote, clock).await?;
        let other = DatagramSocket::connect(remote, clock).await?;
        Ok(Self {
            headers: load.headers(),
            load,
            other,
            rejected: false,
        })
    }

    /// Somebody said by ICMP that nobody listens.
    pub(super) fn rejected(&self) -> bool {
        self.rejected
    }

    /// Sends what is left of `bytes`; what the system says of an earlier datagram costs none.
    async fn send_all(&mut self, flow: FlowId, segment: usize, bytes: &[u8]) -> io::Result<()> {
        let socket = match flow {
            FlowId::Load => &self.load,
            FlowId::Other => &self.other,
        };
        let mut rest = bytes;
        let mut errors = 0;
        while !rest.is_empty() {
            match socket.try_send_burst(rest, segment) {
                Ok(sent) => rest = &rest[sent.min(rest.len())..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    socket.writable().await?;
                }
                Err(error) => {
                    self.rejected |= error.kind() == io::ErrorKind::ConnectionRefused;
                    errors += 1;
                    // A route that went away is loss, and may come back.
                    if errors > 1 {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

impl Carrier for OverUdp {
    async fn send(
        &mut self,
        flow: FlowId,
        segment_bytes: Option<u16>,
        bytes: &[u8],
    ) -> io::Result<()> {
        let segment = segment_bytes.map_or(bytes.len(), usize::from).max(1);
        self.send_all(flow, segment, bytes).await
    }

    fn is_full(&self) -> bool {
        false
    }

    async fn wait(&mut self, take: &mut Take<'_>) -> io::Result<()> {
        let ready = tokio::select! {
            ready = self.load.readable() => ready,
            ready = self.other.readable() => ready,
        };
        if let Err(error) = ready {
            return self.forgive(error);
        }
        self.take_waiting(take)
    }

    fn take_waiting(&mut self, take: &mut Take<'_>) -> io::Result<()> {
        let load = self
            .load
            .try_receive(&mut |at, clock, bytes| take(FlowId::Load, at, clock, bytes));
        let other = self
            .other
            .try_receive(&mut |at, clock, bytes| take(FlowId::Other, at, clock, bytes));
        for result in [load, other] {
            if let Err(error) = result {
                self.forgive(error)?;
            }
        }
        Ok(())
    }

    fn headers(&self) -> u64 {
        self.headers
    }
}

impl OverUdp {
    /// ICMP messages about earlier datagrams are hints; anybody can send one.
    fn forgive(&mut self, error: io::Error) -> io::Result<()> {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            self.rejected = true;
            return Ok(());
        }
        if is_passing(&error) {
            return Ok(());
        }
        Err(error)
    }
}
