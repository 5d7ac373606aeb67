//! The connection to a TURN server: UDP, TCP or TLS.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::framing::Framing;
use super::tls::{Seen, Trust};

/// Largest datagram that is read.
const MAX_DATAGRAM: usize = 65_535;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Wire {
    way: Way,
    /// What comes in goes through it; kept, since zeroing it anew for each message takes longer than
    /// reading one.
    buffer: Box<[u8]>,
    /// Bytes of the message being sent that have left.
    written: usize,
}

#[derive(Debug)]
enum Way {
    Udp(UdpSocket),
    Tcp(TcpStream, Framing),
    Tls(Box<TlsStream<TcpStream>>, Framing),
}

impl Wire {
    fn new(way: Way) -> Self {
        Self {
            way,
            buffer: vec![0; MAX_DATAGRAM].into_boxed_slice(),
            written: 0,
        }
    }

    /// A socket that hears this server alone.
    pub(super) async fn udp(server: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = if server.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(server).await?;
        Ok(Self::new(Way::Udp(socket)))
    }

    /// An open TCP connection, its messages leaving at once.
    pub(super) fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::new(Way::Tcp(stream, Framing::default())))
    }

    /// TLS over an open TCP connection, and the certificate that was shown.
    pub(super) async fn tls(
        stream: TcpStream,
        name: ServerName<'static>,
        trust: &Trust,
    ) -> (io::Result<Self>, Seen) {
        let (config, seen) = match trust.client_config() {
            Ok(ready) => ready,
            Err(error) => return (Err(io::Error::other(error)), Seen::default()),
        };
        let opened = async {
            stream.set_nodelay(true)?;
            let stream = TlsConnector::from(config).connect(name, stream).await?;
            Ok(Self::new(Way::Tls(Box::new(stream), Framing::default())))
        };
        (opened.await, seen)
    }

    pub(crate) fn is_stream(&self) -> bool {
        !matches!(self.way, Way::Udp(_))
    }

    /// This end's address.
    pub(super) fn local(&self) -> io::Result<SocketAddr> {
        match &self.way {
            Way::Udp(socket) => socket.local_addr(),
            Way::Tcp(stream, _) => stream.local_addr(),
            Way::Tls(stream, _) => stream.get_ref().0.local_addr(),
        }
    }

    /// Sends a message. As long as it is not ready, the same message has to be given again: a part of
    /// it may have left.
    pub(super) fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<()>> {
        match &mut self.way {
            Way::Udp(socket) => {
                // What ICMP says of an earlier datagram is the error of the next call, which then
                // sends nothing.
                if ready!(socket.poll_send(context, bytes)).is_err() {
                    ready!(socket.poll_send(context, bytes))?;
                }
                Poll::Ready(Ok(()))
            }
            Way::Tcp(stream, _) => write(stream, context, bytes, &mut self.written),
            Way::Tls(stream, _) => write(stream.as_mut(), context, bytes, &mut self.written),
        }
    }

    /// The next message.
    pub(super) fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        let buffer = &mut self.buffer;
        match &mut self.way {
            Way::Udp(socket) => {
                let mut read = ReadBuf::new(buffer);
                ready!(socket.poll_recv(context, &mut read))?;
                Poll::Ready(Ok(read.filled().to_vec()))
            }
            Way::Tcp(stream, framing) => read(stream, framing, context, buffer),
            Way::Tls(stream, framing) => read(stream.as_mut(), framing, context, buffer),
        }
    }

    /// Sends a message.
    ///
    /// # Cancel safety
    /// Dropping the future may leave half a message on its way: the connection is of no use then.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        poll_fn(|context| self.poll_send(context, bytes)).await
    }

    /// The next message.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(crate) async fn receive(&mut self) -> io::Result<Vec<u8>> {
        poll_fn(|context| self.poll_receive(context)).await
    }
}

fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    context: &mut Context<'_>,
    bytes: &[u8],
    written: &mut usize,
) -> Poll<io::Result<()>> {
    let mut stream = Pin::new(stream);
    while let Some(rest) = bytes.get(*written..).filter(|rest| !rest.is_empty()) {
        let n = ready!(stream.as_mut().poll_write(context, rest))?;
        if n == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        *written += n;
    }
    ready!(stream.poll_flush(context))?;
    *written = 0;
    Poll::Ready(Ok(()))
}

fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    framing: &mut Framing,
    context: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<Vec<u8>>> {
    loop {
        let next = framing.next_message();
        if let Some(message) = next.map_err(|_other| io::Error::from(io::ErrorKind::InvalidData))? {
            return Poll::Ready(Ok(message));
        }
        let room = framing.room().min(buffer.len());
        let mut read = ReadBuf::new(&mut buffer[..room]);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut read))?;
        if read.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        framing.push(read.filled());
    }
}
