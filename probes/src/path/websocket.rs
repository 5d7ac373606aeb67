//! The same datagrams as binary messages of a WebSocket.

use std::io;

use futures_util::{SinkExt, StreamExt};
use greenroom_protocol::measure::client::{Client, Transmit, TransmitKind};
use greenroom_reports::model::path::ClockSource;
use greenroom_session::dial::websocket::{Message, WebSocket};

use super::drive::{Incoming, Transport};
use crate::clock::Clock;

/// An open WebSocket.
pub(super) struct OverWebSocket {
    pub(super) socket: WebSocket,
    pub(super) clock: Clock,
}

impl Transport for OverWebSocket {
    async fn send(&mut self, client: &mut Client, transmit: Transmit) -> io::Result<()> {
        if let TransmitKind::Echo(seq) = transmit.kind {
            client.departed(seq, self.clock.now());
        }
        let message = Message::Binary(transmit.datagram.into());
        self.socket.send(message).await.map_err(io::Error::other)
    }

    async fn receive(&mut self, take: &mut (dyn FnMut(Incoming<'_>) + Send)) -> io::Result<()> {
        match self.socket.next().await {
            Some(Ok(Message::Binary(bytes))) => {
                let (at, clock) = (self.clock.now(), ClockSource::User);
                take(Incoming {
                    at,
                    clock,
                    bytes: &bytes,
                });
                Ok(())
            }
            Some(Ok(Message::Close(_))) | None => Err(io::ErrorKind::ConnectionAborted.into()),
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(io::Error::other(error)),
        }
    }

    /// IPv4, TCP with time stamps, WebSocket with mask; TLS comes on top and is not counted.
    fn headers(&self) -> u64 {
        20 + 32 + 8
    }
}
