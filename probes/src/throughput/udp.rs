//! Two UDP sockets: one for loads, one for echoes alone.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use greenroom_protocol::measure::load::client::FlowId;

use super::drive::{Carrier, Take};
use crate::clock::Clock;
use crate::datagram::{DatagramSocket, is_passing};

/// What waits for room in a socket's send buffer: a train of 100 packets. Beyond, datagrams are
/// dropped, as any queue on the way would: the machine goes on, hears the server's reports, and
/// sees a full link for what it is.
const BACKLOG_BYTES: usize = 125_000;

/// The sockets.
pub(super) struct OverUdp {
    load: Line,
    other: Line,
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
            load: Line::new(load),
            other: Line::new(other),
            rejected: false,
        })
    }

    /// Somebody said by ICMP that nobody listens.
    pub(super) fn rejected(&self) -> bool {
        self.rejected
    }

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

impl Carrier for OverUdp {
    fn send(&mut self, flow: FlowId, segment_bytes: Option<u16>, bytes: &[u8]) -> io::Result<()> {
        let segment = segment_bytes.map_or(bytes.len(), usize::from).max(1);
        let line = match flow {
            FlowId::Load => &mut self.load,
            FlowId::Other => &mut self.other,
        };
        self.rejected |= line.send(segment, bytes);
        Ok(())
    }

    fn is_full(&self) -> bool {
        false
    }

    async fn wait(&mut self, take: &mut Take<'_>) -> io::Result<()> {
        let ready = tokio::select! {
            ready = self.load.socket.readable() => ready,
            ready = self.other.socket.readable() => ready,
            ready = self.load.room() => ready,
            ready = self.other.room() => ready,
        };
        if let Err(error) = ready {
            return self.forgive(error);
        }
        self.take_waiting(take)
    }

    fn take_waiting(&mut self, take: &mut Take<'_>) -> io::Result<()> {
        self.rejected |= self.load.send_backlog() | self.other.send_backlog();
        let load = self.load.receive(FlowId::Load, take);
        let other = self.other.receive(FlowId::Other, take);
        for error in [load.err(), other.err()].into_iter().flatten() {
            self.forgive(error)?;
        }
        Ok(())
    }

    fn headers(&self) -> u64 {
        self.headers
    }
}

/// One socket, and what waits for room in its send buffer.
struct Line {
    socket: DatagramSocket,
    /// Datagrams, and the size of each but the last of an entry.
    backlog: VecDeque<(Vec<u8>, usize)>,
    backlog_bytes: usize,
}

impl Line {
    fn new(socket: DatagramSocket) -> Self {
        Self {
            socket,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
        }
    }

    /// Sends datagrams, now or when there is room; true when somebody said that nobody listens.
    fn send(&mut self, segment: usize, bytes: &[u8]) -> bool {
        let mut rejected = self.send_backlog();
        let mut rest = bytes;
        if self.backlog.is_empty() {
            let (sent, refused) = self.send_now(segment, bytes);
            rest = &bytes[sent..];
            rejected |= refused;
        }
        if !rest.is_empty() && self.backlog_bytes + rest.len() <= BACKLOG_BYTES {
            self.backlog_bytes += rest.len();
            self.backlog.push_back((rest.to_vec(), segment));
        }
        rejected
    }

    /// Sends what there is room for.
    fn send_backlog(&mut self) -> bool {
        let mut rejected = false;
        while let Some((bytes, segment)) = self.backlog.pop_front() {
            let (sent, refused) = self.send_now(segment, &bytes);
            rejected |= refused;
            self.backlog_bytes -= sent;
            if sent < bytes.len() {
                self.backlog.push_front((bytes[sent..].to_vec(), segment));
                break;
            }
        }
        rejected
    }

    /// Sends as long as there is room: how many bytes are done with, and whether somebody said
    /// that nobody listens. What the system says of an earlier datagram costs none.
    fn send_now(&self, segment: usize, bytes: &[u8]) -> (usize, bool) {
        let (mut done, mut errors, mut rejected) = (0, 0, false);
        while done < bytes.len() {
            match self.socket.try_send_burst(&bytes[done..], segment) {
                Ok(sent) => done = (done + sent).min(bytes.len()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    rejected |= error.kind() == io::ErrorKind::ConnectionRefused;
                    errors += 1;
                    // A route that went away is loss, and may come back.
                    if errors > 1 {
                        return (bytes.len(), rejected);
                    }
                }
            }
        }
        (done, rejected)
    }

    fn receive(&mut self, flow: FlowId, take: &mut Take<'_>) -> io::Result<()> {
        self.socket
            .try_receive(&mut |at, clock, bytes| take(flow, at, clock, bytes))
    }

    /// Waits until something of the backlog can be sent; for ever when there is none.
    async fn room(&self) -> io::Result<()> {
        if self.backlog.is_empty() {
            return std::future::pending().await;
        }
        self.socket.writable().await
    }
}

#[cfg(test)]
#[path = "tests/udp.rs"]
mod tests;
