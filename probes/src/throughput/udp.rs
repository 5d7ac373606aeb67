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
mod tests {
    use std::time::Duration;

    use super::*;

    /// A socket that hears what is sent to it, and its address.
    fn listener() -> (std::net::UdpSocket, SocketAddr) {
        let socket = std::net::UdpSocket::bind("[::1]:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    fn heard(socket: &std::net::UdpSocket) -> Vec<usize> {
        let mut buffer = [0; 2048];
        std::iter::from_fn(|| socket.recv(&mut buffer).ok()).collect()
    }

    async fn wait_a_moment(carrier: &mut OverUdp) {
        let mut ignore = |_: FlowId, _: _, _: _, _: &[u8]| {};
        let wait = carrier.wait(&mut ignore);
        tokio::time::timeout(Duration::from_millis(100), wait)
            .await
            .unwrap()
            .unwrap();
    }

    // Before the first wait the runtime knows of no room in the socket: that is as good as full.

    #[tokio::test]
    async fn what_finds_no_room_leaves_while_waiting_in_its_own_sizes() {
        let (socket, address) = listener();
        let mut carrier = OverUdp::connect(address, Clock::start()).await.unwrap();
        carrier.send(FlowId::Load, Some(600), &[7; 1500]).unwrap();
        carrier.send(FlowId::Load, None, &[7; 64]).unwrap();
        assert!(!carrier.load.backlog.is_empty());
        wait_a_moment(&mut carrier).await;
        assert_eq!(heard(&socket), [600, 600, 300, 64]);
        assert_eq!(carrier.load.backlog_bytes, 0);
    }

    #[tokio::test]
    async fn a_full_socket_drops_what_is_too_much_and_never_waits() {
        let (_socket, address) = listener();
        let mut carrier = OverUdp::connect(address, Clock::start()).await.unwrap();
        let burst = vec![7; 60_000];
        for _ in 0..1000 {
            carrier.send(FlowId::Load, Some(1200), &burst).unwrap();
        }
        assert!(carrier.load.backlog_bytes <= BACKLOG_BYTES);
        assert!(carrier.other.backlog.is_empty());
        assert!(!carrier.is_full());
    }

    #[tokio::test]
    async fn a_port_that_nobody_listens_at_rejects_and_breaks_nothing() {
        let (socket, address) = listener();
        drop(socket);
        let mut carrier = OverUdp::connect(address, Clock::start()).await.unwrap();
        carrier.send(FlowId::Other, None, &[7; 64]).unwrap();
        wait_a_moment(&mut carrier).await;
        for _ in 0..3 {
            // The refusal comes back as an error of a later call, or wakes who waits.
            carrier.send(FlowId::Other, None, &[7; 64]).unwrap();
            tokio::task::yield_now().await;
        }
        assert!(carrier.rejected());
    }
}
