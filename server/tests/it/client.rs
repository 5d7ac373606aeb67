//! A bare client of the measurement protocol, and servers to test.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use greenroom_protocol::measure::wire::{
    Echo, HELLO_BYTES, Message, OPEN_BYTES, RefusalCode, decode, encode,
};
use greenroom_server::{RunningServer, ServeConfig, ServeLimits, Server};

/// Longest wait for an answer that has to come.
const PATIENCE: Duration = Duration::from_secs(2);
/// Wait for the answer to a marker before it is sent again: a flood may have pushed it out.
const MARKER_PAUSE: Duration = Duration::from_millis(300);
const MARKER_TRIES: u32 = 20;

/// Starts a server on loopback with changed limits.
pub(crate) async fn server(change: impl FnOnce(&mut ServeLimits)) -> RunningServer {
    let mut config = ServeConfig::local();
    change(&mut config.limits);
    Server::start(config).await.unwrap()
}

/// A client at one address.
pub(crate) struct TestClient {
    socket: UdpSocket,
    buffer: Vec<u8>,
}

impl TestClient {
    /// A client at a free port of `ip`.
    pub(crate) fn at(ip: impl Into<IpAddr>, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((ip.into(), 0)).unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            buffer: vec![0; 4096],
        }
    }

    /// A client on `127.0.0.1`.
    pub(crate) fn new(server: SocketAddr) -> Self {
        Self::at([127, 0, 0, 1], server)
    }

    /// Sends bytes.
    pub(crate) fn send(&self, bytes: &[u8]) {
        self.socket.send(bytes).unwrap();
    }

    /// Sends a message, padded to `total` bytes.
    pub(crate) fn send_message(&self, message: &Message, total: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(message, total, &mut bytes);
        self.send(&bytes);
        bytes
    }

    /// How long an answer is waited for.
    pub(crate) fn set_patience(&self, patience: Duration) {
        self.socket.set_read_timeout(Some(patience)).unwrap();
    }

    /// The bytes of the next datagram, if one comes.
    pub(crate) fn try_receive<'a>(&self, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        let n = self.socket.recv(buffer).ok()?;
        Some(&buffer[..n])
    }

    /// The bytes of the next answer, which has to come.
    pub(crate) fn receive(&mut self) -> Vec<u8> {
        let n = self.socket.recv(&mut self.buffer).unwrap();
        self.buffer[..n].to_vec()
    }

    /// The next answer, which has to come.
    pub(crate) fn receive_message(&mut self) -> Message {
        decode(&self.receive()).unwrap()
    }

    /// Every answer to what was sent so far: those that come before the answer to a marker.
    pub(crate) fn receive_all(&mut self) -> Vec<Vec<u8>> {
        let marker = Message::Hello { nonce: u64::MAX };
        let mut answers = Vec::new();
        self.socket.set_read_timeout(Some(MARKER_PAUSE)).unwrap();
        for _ in 0..MARKER_TRIES {
            self.send_message(&marker, HELLO_BYTES);
            while let Ok(n) = self.socket.recv(&mut self.buffer) {
                let answer = self.buffer[..n].to_vec();
                if matches!(
                    decode(&answer),
                    Ok(Message::Challenge {
                        nonce: u64::MAX,
                        ..
                    })
                ) {
                    self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
                    return answers;
                }
                answers.push(answer);
            }
        }
        panic!("the marker was not answered");
    }

    /// Proves the address and asks for a session.
    pub(crate) fn open(&mut self, nonce: u64) -> Result<u64, RefusalCode> {
        self.send_message(&Message::Hello { nonce }, HELLO_BYTES);
        let Message::Challenge { token, .. } = self.receive_message() else {
            panic!("no challenge");
        };
        let open = Message::Open {
            nonce,
            token,
            duration_ms: 30_000,
        };
        self.send_message(&open, OPEN_BYTES);
        match self.receive_message() {
            Message::Opened(opened) => Ok(opened.session),
            Message::Refused { code, .. } => Err(code),
            other => panic!("not an answer to open: {other:?}"),
        }
    }

    /// Sends one echo request of 172 bytes.
    pub(crate) fn send_echo(&self, session: u64, seq: u32) -> Vec<u8> {
        let echo = Echo {
            session,
            seq,
            departure_ns: 1,
        };
        self.send_message(&Message::Echo(echo), 172)
    }
}
