//! Two WebSockets: one for loads, one for echoes alone.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Sink, Stream};
use greenroom_protocol::measure::load::client::FlowId;
use greenroom_reports::model::path::ClockSource;
use greenroom_session::dial::websocket::{Message, WebSocket};

use super::drive::{Carrier, Take};
use crate::clock::Clock;

/// Messages that wait to be sent on one socket; beyond, the machine is not asked for more.
const QUEUE: usize = 64;

/// The sockets.
pub(super) struct OverWebSocket {
    load: Line,
    other: Line,
    clock: Clock,
}

impl OverWebSocket {
    pub(super) fn new(load: WebSocket, other: WebSocket, clock: Clock) -> Self {
        Self {
            load: Line::new(load),
            other: Line::new(other),
            clock,
        }
    }

    fn line(&mut self, flow: FlowId) -> &mut Line {
        match flow {
            FlowId::Load => &mut self.load,
            FlowId::Other => &mut self.other,
        }
    }
}

/// One socket and what waits to be sent on it.
struct Line {
    socket: WebSocket,
    queue: VecDeque<Vec<u8>>,
    /// Something was handed over that has not left yet.
    unflushed: bool,
}

impl Line {
    fn new(socket: WebSocket) -> Self {
        Self {
            socket,
            queue: VecDeque::new(),
            unflushed: false,
        }
    }

    /// Sends what can be sent now; ready when at least one message has left.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut has_left = false;
        loop {
            let mut socket = Pin::new(&mut self.socket);
            if self.unflushed {
                match socket.as_mut().poll_flush(context) {
                    Poll::Ready(Ok(())) => {
                        self.unflushed = false;
                        has_left = true;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                    Poll::Pending if has_left => return Poll::Ready(Ok(())),
                    Poll::Pending => return Poll::Pending,
                }
            }
            if self.queue.is_empty() {
                return if has_left {
                    Poll::Ready(Ok(()))
                } else {
                    Poll::Pending
                };
            }
            match socket.as_mut().poll_ready(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                Poll::Pending if has_left => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
            if let Some(datagram) = self.queue.pop_front() {
                let message = Message::Binary(datagram.into());
                socket.start_send(message).map_err(io::Error::other)?;
                self.unflushed = true;
            }
        }
    }

    /// The next datagram that came in.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        loop {
            match Pin::new(&mut self.socket).poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(Message::Binary(bytes)))) => {
                    return Poll::Ready(Ok(bytes.to_vec()));
                }
                Poll::Ready(Some(Ok(Message::Close(_))) | None) => {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
    }
}

impl Carrier for OverWebSocket {
    async fn send(
        &mut self,
        flow: FlowId,
        segment_bytes: Option<u16>,
        bytes: &[u8],
    ) -> io::Result<()> {
        let segment = segment_bytes.map_or(bytes.len(), usize::from).max(1);
        let line = self.line(flow);
        line.queue.extend(bytes.chunks(segment).map(<[u8]>::to_vec));
        poll_fn(|context| match line.poll_send(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // What does not leave at once leaves while waiting.
            _ => Poll::Ready(Ok(())),
        })
        .await
    }

    fn is_full(&self) -> bool {
        self.load.queue.len() >= QUEUE || self.other.queue.len() >= QUEUE
    }

    async fn wait(&mut self, take: &mut Take<'_>) -> io::Result<()> {
        let clock = self.clock;
        poll_fn(|context| {
            let mut is_ready = false;
            for (flow, line) in [
                (FlowId::Load, &mut self.load),
                (FlowId::Other, &mut self.other),
            ] {
                match line.poll_send(context) {
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok(())) => is_ready = true,
                    Poll::Pending => {}
                }
                while let Poll::Ready(received) = line.poll_receive(context) {
                    match received {
                        Ok(bytes) => take(flow, clock.now(), ClockSource::User, &bytes),
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                    is_ready = true;
                }
            }
            if is_ready {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        })
        .await
    }

    /// What came in is handed in while waiting, which a full queue brings about.
    fn take_waiting(&mut self, _take: &mut Take<'_>) -> io::Result<()> {
        Ok(())
    }

    /// IPv4, TCP with time stamps, WebSocket with mask; TLS comes on top and is not counted.
    fn headers(&self) -> u64 {
        20 + 32 + 8
    }
}
