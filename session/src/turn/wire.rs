//! The connection to a TURN server: UDP, TCP or TLS.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::framing::Framing;
use super::tls::{Seen, Trust};

/// Largest datagram that is read.
const MAX_DATAGRAM: usize = 65_535;

/// An open connection.
#[derive(Debug)]
pub(super) enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Framing),
    Tls(Box<TlsStream<TcpStream>>, Framing),
}

impl Wire {
    /// A socket that hears this server alone.
    pub(super) async fn udp(server: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = if server.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(server).await?;
        Ok(Self::Udp(socket))
    }

    /// An open TCP connection, its messages leaving at once.
    pub(super) fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream, Framing::default()))
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
            Ok(Self::Tls(Box::new(stream), Framing::default()))
        };
        (opened.await, seen)
    }

    pub(super) fn is_stream(&self) -> bool {
        !matches!(self, Self::Udp(_))
    }

    /// This end's address.
    pub(super) fn local(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Tcp(stream, _) => stream.local_addr(),
            Self::Tls(stream, _) => stream.get_ref().0.local_addr(),
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => {
                // What ICMP says of an earlier datagram is the error of the next call, which then
                // sends nothing.
                if socket.send(bytes).await.is_err() {
                    socket.send(bytes).await?;
                }
                Ok(())
            }
            Self::Tcp(stream, _) => stream.write_all(bytes).await,
            Self::Tls(stream, _) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// The next message.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; MAX_DATAGRAM];
        match self {
            Self::Udp(socket) => {
                let length = socket.recv(&mut buffer).await?;
                buffer.truncate(length);
                Ok(buffer)
            }
            Self::Tcp(stream, framing) => read(stream, framing, &mut buffer).await,
            Self::Tls(stream, framing) => read(stream, framing, &mut buffer).await,
        }
    }
}

async fn read<S: tokio::io::AsyncRead + Unpin>(
    stream: &mut S,
    framing: &mut Framing,
    buffer: &mut [u8],
) -> io::Result<Vec<u8>> {
    loop {
        let next = framing.next_message();
        if let Some(message) = next.map_err(|_other| io::Error::from(io::ErrorKind::InvalidData))? {
            return Ok(message);
        }
        let room = framing.room().min(buffer.len());
        let length = stream.read(&mut buffer[..room]).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        framing.push(&buffer[..length]);
    }
}
