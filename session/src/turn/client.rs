//! The loop between the machine and a connection, and how long each stage took.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use greenroom_reports::model::outcome::ReasonCode;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::credentials::Credentials;
use super::machine::{Event, MachineConfig, PATIENCE, Refusal, Request, Told, TurnMachine};
use super::tls::{CertificateFacts, Trust, reason_of};
use super::traffic::Traffic;
use super::wire::Wire;

/// Longest wait for the answer to the request that ends an allocation: the server ends it by itself.
const RELEASE_PATIENCE: Duration = Duration::from_millis(250);

/// How the server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

/// Which server, and how.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its address.
    pub address: SocketAddr,
    /// How it is reached.
    pub transport: Transport,
    /// The name that its certificate is to be for.
    pub name: String,
    /// Who asks.
    pub credentials: Option<Credentials>,
    /// Asks for a relay address of IPv6.
    pub wants_ipv6: bool,
    /// Where what it costs is counted.
    pub traffic: Traffic,
}

/// How long each stage took, each from the end of the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// TCP.
    pub connect: Option<Duration>,
    /// TLS.
    pub tls: Option<Duration>,
    /// From the first request to the server's question who we are.
    pub challenge: Option<Duration>,
    /// From the answer to that question to the address that relays.
    pub allocate: Option<Duration>,
    /// Until the peer was permitted.
    pub permission: Option<Duration>,
    /// From the first packet's leaving until it was back.
    pub first_byte: Option<Duration>,
}

/// Why there is no relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The connection was refused, by the server or on the way.
    Refused,
    /// No answer; the stage says to what.
    NoAnswer,
    /// No route, or the system let nothing out.
    Unreachable(String),
    /// TLS failed.
    Tls {
        /// What is wrong.
        code: ReasonCode,
        /// In TLS's own words.
        message: String,
        /// The certificate that was shown.
        certificate: Option<CertificateFacts>,
    },
    /// The other end closed the connection.
    Closed,
    /// The other end speaks something else.
    NotTurn,
    /// The server refused to allocate.
    Allocate(Refusal),
    /// The server refused the peer.
    Peer(Refusal),
    /// The server sends to another one.
    Redirected(SocketAddr),
    /// The server gave no address.
    NoAddress,
}

/// A connection that is open.
#[derive(Debug)]
pub struct Connected {
    pub(crate) wire: Wire,
    /// How long that took.
    pub stages: Stages,
    /// The certificate that was shown.
    pub certificate: Option<CertificateFacts>,
}

/// What came of connecting.
pub type Connecting = Result<Connected, (Failure, Stages)>;

/// Connects.
///
/// # Errors
/// Why it does not, with the stages that were reached.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn connect(server: &Server, trust: &Trust) -> Connecting {
    let mut stages = Stages::default();
    if server.transport == Transport::Udp {
        let wire = Wire::udp(server.address).await;
        let wire = wire.map_err(|error| (blamed(&error), stages))?;
        return Ok(Connected {
            wire,
            stages,
            certificate: None,
        });
    }
    let began = Instant::now();
    let stream = tokio::time::timeout(PATIENCE, TcpStream::connect(server.address)).await;
    let stream = match stream {
        Err(_elapsed) => return Err((Failure::NoAnswer, stages)),
        Ok(Err(error)) => return Err((blamed(&error), stages)),
        Ok(Ok(stream)) => stream,
    };
    stages.connect = Some(began.elapsed());
    if server.transport == Transport::Tcp {
        let wire = Wire::tcp(stream).map_err(|error| (blamed(&error), stages))?;
        return Ok(Connected {
            wire,
            stages,
            certificate: None,
        });
    }
    secure(server, stream, trust, stages).await
}

async fn secure(
    server: &Server,
    stream: TcpStream,
    trust: &Trust,
    mut stages: Stages,
) -> Connecting {
    let failed = |code, message: String, certificate| Failure::Tls {
        code,
        message,
        certificate,
    };
    let Ok(name) = ServerName::try_from(server.name.clone()) else {
        let message = format!("{} is no name for a certificate", server.name);
        return Err((failed(ReasonCode::TlsWrongName, message, None), stages));
    };
    let began = Instant::now();
    let (opened, seen) = match tokio::time::timeout(PATIENCE, Wire::tls(stream, name, trust)).await
    {
        Ok(ended) => ended,
        Err(_elapsed) => return Err((Failure::NoAnswer, stages)),
    };
    match opened {
        Ok(wire) => {
            stages.tls = Some(began.elapsed());
            Ok(Connected {
                wire,
                stages,
                certificate: seen.facts(),
            })
        }
        Err(error) => {
            let failure = failed(reason_of(&error), error.to_string(), seen.facts());
            Err((failure, stages))
        }
    }
}

/// TCP has time stamps here, and is acknowledged with what goes the other way.
fn headers(server: &Server, wire: &Wire) -> usize {
    let ip = if server.address.is_ipv4() { 20 } else { 40 };
    ip + if wire.is_stream() { 32 } else { 8 }
}

pub(crate) fn blamed(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Failure::Refused,
        io::ErrorKind::TimedOut => Failure::NoAnswer,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => Failure::Closed,
        io::ErrorKind::InvalidData => Failure::NotTurn,
        _ => Failure::Unreachable(error.to_string()),
    }
}

/// A packet that came through the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// When it came.
    pub at: Instant,
    /// Who sent it, as the relay sees it.
    pub peer: SocketAddr,
    /// What is in it.
    pub payload: Vec<u8>,
}

/// One allocation on a server.
#[derive(Debug)]
pub struct TurnClient {
    wire: Wire,
    machine: TurnMachine,
    traffic: Traffic,
    /// Of IP and UDP or TCP.
    headers: usize,
    /// The message that is being sent.
    leaving: Option<Vec<u8>>,
    /// How long each stage took.
    pub stages: Stages,
    /// The certificate that was shown.
    pub certificate: Option<CertificateFacts>,
}

impl TurnClient {
    /// A client over an open connection. `first_transaction` comes from a source that nobody can
    /// guess.
    pub fn new(connected: Connected, server: &Server, first_transaction: u128) -> Self {
        let machine = TurnMachine::new(MachineConfig {
            credentials: server.credentials.clone(),
            is_stream: connected.wire.is_stream(),
            wants_ipv6: server.wants_ipv6,
            first_transaction,
        });
        Self {
            headers: headers(server, &connected.wire),
            traffic: server.traffic.clone(),
            wire: connected.wire,
            machine,
            leaving: None,
            stages: connected.stages,
            certificate: connected.certificate,
        }
    }

    /// What the server told of itself and of the allocation.
    pub fn told(&self) -> &Told {
        self.machine.told()
    }

    /// This end's address.
    ///
    /// # Errors
    /// What the system says.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.wire.local()
    }

    /// Asks for an address that relays.
    ///
    /// # Errors
    /// Why there is none.
    ///
    /// # Cancel safety
    /// Dropping the future may leave an allocation, which ends by itself.
    pub async fn allocate(&mut self) -> Result<SocketAddr, Failure> {
        let mut began = Instant::now();
        self.machine.ask(began, Request::Allocate);
        loop {
            match self.next_event().await? {
                Event::Challenged => {
                    self.stages.challenge = Some(began.elapsed());
                    began = Instant::now();
                }
                Event::Done(Request::Allocate) => {
                    self.stages.allocate = Some(began.elapsed());
                    return self.told().relayed.ok_or(Failure::NoAddress);
                }
                Event::Refused(Request::Allocate, refusal) => {
                    return Err(Failure::Allocate(refusal));
                }
                Event::Redirected(server) => return Err(Failure::Redirected(server)),
                Event::NoAnswer(Request::Allocate) => return Err(Failure::NoAnswer),
                _ => {}
            }
        }
    }

    /// Binds a channel to a peer, which permits it too.
    ///
    /// # Errors
    /// Why the peer cannot be reached.
    pub async fn bind(&mut self, peer: SocketAddr) -> Result<(), Failure> {
        self.permit(Request::Channel(peer)).await
    }

    /// Permits a peer, and has its packets come and go without a channel.
    ///
    /// # Errors
    /// Why the peer cannot be reached.
    pub async fn permit_peer(&mut self, peer: SocketAddr) -> Result<(), Failure> {
        self.permit(Request::Permission(peer)).await
    }

    async fn permit(&mut self, request: Request) -> Result<(), Failure> {
        let began = Instant::now();
        self.machine.ask(began, request);
        loop {
            match self.next_event().await? {
                Event::Done(done) if done == request => {
                    self.stages.permission = Some(began.elapsed());
                    return Ok(());
                }
                Event::Refused(asked, refusal) if asked == request => {
                    return Err(Failure::Peer(refusal));
                }
                Event::NoAnswer(asked) if asked == request => return Err(Failure::NoAnswer),
                _ => {}
            }
        }
    }

    /// Sends a packet to a peer.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn send(&mut self, peer: SocketAddr, payload: &[u8]) -> Result<(), Failure> {
        self.machine.send_to(peer, payload);
        self.flush().await
    }

    /// The next packet of a peer.
    ///
    /// # Errors
    /// When the connection broke.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn receive(&mut self) -> Result<Relayed, Failure> {
        loop {
            if let Event::Data(peer, payload) = self.next_event().await? {
                let at = Instant::now();
                return Ok(Relayed { at, peer, payload });
            }
        }
    }

    /// Ends the allocation, and waits shortly for the server to say so.
    pub async fn release(mut self) {
        let released = async {
            self.machine.ask(Instant::now(), Request::Release);
            // A server that knows of none has ended it.
            while let Ok(event) = self.next_event().await {
                if matches!(
                    event,
                    Event::Done(Request::Release) | Event::Refused(Request::Release, _)
                ) {
                    return;
                }
            }
        };
        let _in_time = tokio::time::timeout(RELEASE_PATIENCE, released).await;
    }

    /// A packet to a peer, which leaves with the next [`Self::poll_flush`] that has room for it.
    pub fn queue(&mut self, peer: SocketAddr, payload: &[u8]) {
        self.machine.send_to(peer, payload);
    }

    /// Messages that have not left yet.
    pub fn queued(&self) -> usize {
        self.machine.n_outgoing() + usize::from(self.leaving.is_some())
    }

    /// Whether messages go over TCP or TLS, which lose none and hold back who sends too much.
    pub fn is_stream(&self) -> bool {
        self.wire.is_stream()
    }

    /// Sends what is queued; ready when all of it has left.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            let Some(bytes) = self.leaving.take().or_else(|| self.machine.poll_transmit()) else {
                return Poll::Ready(Ok(()));
            };
            match self.wire.poll_send(context, &bytes) {
                Poll::Ready(sent) => {
                    self.traffic.count_sent(bytes.len() + self.headers);
                    sent.map_err(|error| blamed(&error))?;
                }
                Poll::Pending => {
                    self.leaving = Some(bytes);
                    return Poll::Pending;
                }
            }
        }
    }

    /// The next packet of a peer. What waits to be sent leaves meanwhile.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<Relayed, Failure>> {
        loop {
            if let Event::Data(peer, payload) = ready!(self.poll_event(context))? {
                let at = Instant::now();
                return Poll::Ready(Ok(Relayed { at, peer, payload }));
            }
        }
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Result<Event, Failure>> {
        loop {
            if let Some(event) = self.machine.poll_event() {
                return Poll::Ready(Ok(event));
            }
            if let Poll::Ready(Err(broken)) = self.poll_flush(context) {
                return Poll::Ready(Err(broken));
            }
            let bytes = ready!(self.wire.poll_receive(context)).map_err(|error| blamed(&error))?;
            self.traffic.count_received(bytes.len() + self.headers);
            self.machine.received(Instant::now(), &bytes);
        }
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        poll_fn(|context| self.poll_flush(context)).await
    }

    async fn next_event(&mut self) -> Result<Event, Failure> {
        loop {
            let wake = self.machine.wake_at();
            let sleep = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                event = poll_fn(|context| self.poll_event(context)) => return event,
                () = sleep => self.machine.wake(Instant::now()),
            }
        }
    }
}

#[cfg(test)]
#[path = "tests/client.rs"]
mod tests;
