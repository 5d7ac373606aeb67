//! A UDP echo service and a client that counts answers.

#![expect(
    clippy::disallowed_methods,
    reason = "driver: measures and paces real packets"
)]

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use greenroom_lab::Lab;

/// The port of the echo service.
pub(crate) const PORT: u16 = 3478;

/// Echoes on the server until dropped.
pub(crate) struct Echo {
    is_stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Echo {
    pub(crate) fn start(lab: &Lab) -> Self {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let addresses: [IpAddr; 2] = [lab.server().ipv4().into(), lab.server().ipv6().into()];
        let threads = addresses.map(|address| {
            let socket = lab
                .server()
                .run(|| UdpSocket::bind((address, PORT)))
                .unwrap()
                .unwrap();
            socket
                .set_read_timeout(Some(Duration::from_millis(20)))
                .unwrap();
            let is_stopping = Arc::clone(&is_stopping);
            std::thread::spawn(move || echo(&socket, &is_stopping))
        });
        Self {
            is_stopping,
            threads: threads.into(),
        }
    }
}

fn echo(socket: &UdpSocket, is_stopping: &AtomicBool) {
    let mut buffer = [0; 2048];
    while !is_stopping.load(Ordering::Relaxed) {
        if let Ok((n, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..n], from);
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A socket on the client, connected to the echo service.
pub(crate) struct Client(UdpSocket);

/// An answer: the number sent, and when it was sent and came back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) number: u32,
    pub(crate) rtt: Duration,
    pub(crate) arrived_at: Instant,
}

impl Client {
    pub(crate) fn ipv4(lab: &Lab) -> Self {
        Self::connect(lab, lab.server().ipv4().into())
    }

    pub(crate) fn ipv6(lab: &Lab) -> Self {
        Self::connect(lab, lab.server().ipv6().into())
    }

    fn connect(lab: &Lab, server: IpAddr) -> Self {
        let any = if server.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let socket = lab.client().run(|| UdpSocket::bind(any)).unwrap().unwrap();
        socket.connect(SocketAddr::new(server, PORT)).unwrap();
        Self(socket)
    }

    /// Sends `n` packets with `size` bytes of payload, `gap` apart, and collects answers until none came for `patience`.
    pub(crate) fn exchange(
        &self,
        n: u32,
        size: usize,
        gap: Duration,
        patience: Duration,
    ) -> Vec<Answer> {
        let mut sent_at = Vec::new();
        let mut answers = Vec::new();
        let start = Instant::now();
        for number in 0..n {
            let due = start + gap * number;
            while let Some(wait) = due
                .checked_duration_since(Instant::now())
                .filter(|wait| !wait.is_zero())
            {
                answers.extend(self.receive(wait, &sent_at).unwrap_or_default());
            }
            let mut packet = vec![0; size.max(4)];
            packet[..4].copy_from_slice(&number.to_be_bytes());
            sent_at.push(Instant::now());
            let _ = self.0.send(&packet);
        }
        while let Ok(Some(answer)) = self.receive(patience, &sent_at) {
            answers.push(answer);
        }
        answers
    }

    /// One packet and the error it meets.
    pub(crate) fn provoke(&self) -> Option<io::ErrorKind> {
        let _ = self.0.send(&[0; 4]);
        self.receive(Duration::from_millis(500), &[Instant::now()])
            .err()
            .map(|error| error.kind())
    }

    fn receive(&self, wait: Duration, sent_at: &[Instant]) -> io::Result<Option<Answer>> {
        self.0
            .set_read_timeout(Some(wait.max(Duration::from_micros(50))))?;
        let mut buffer = [0; 2048];
        match self.0.recv(&mut buffer) {
            Ok(_) => {
                let arrived_at = Instant::now();
                let number = u32::from_be_bytes(buffer[..4].try_into().unwrap());
                let rtt = arrived_at - sent_at[number as usize];
                Ok(Some(Answer {
                    number,
                    rtt,
                    arrived_at,
                }))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}
