//! Two WebSockets: one for loads, one for echoes alone.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_util::{Sink, Stream};
use greenroom_protocol::measure::load::client::FlowId;
use greenroom_reports::model::path::ClockSource;
use greenroom_session::dial::websocket::{Message, WebSocket};

use super::drive::{Carrier, Take};
use crate::clock::Clock;

/// Messages that wait to be sent on one socket; beyond, the machine is not asked for more. What
/// waits here delays whatever comes behind it.
const QUEUE: usize = 16;
/// Messages taken from one socket before the machine gets its turn.
const TAKEN_A_TURN: usize = 64;

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

    /// Sends what can be sent and hands in what came; ready when there was anything.
    fn poll(&mut self, context: &mut Context<'_>, take: &mut Take<'_>) -> Poll<io::Result<()>> {
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
            let mut taken = 0;
            while taken < TAKEN_A_TURN {
                match line.poll_receive(context) {
                    Poll::Ready(Ok(bytes)) => {
                        take(flow, self.clock.now(), ClockSource::User, &bytes);
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => break,
                }
                taken += 1;
                is_ready = true;
            }
        }
        if is_ready {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
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
    fn send(&mut self, flow: FlowId, segment_bytes: Option<u16>, bytes: &[u8]) -> io::Result<()> {
        let segment = segment_bytes.map_or(bytes.len(), usize::from).max(1);
        let line = self.line(flow);
        line.queue.extend(bytes.chunks(segment).map(<[u8]>::to_vec));
        // What does not leave at once leaves while waiting, which asks again.
        match line.poll_send(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }

    fn is_full(&self) -> bool {
        self.load.queue.len() >= QUEUE || self.other.queue.len() >= QUEUE
    }

    async fn wait(&mut self, take: &mut Take<'_>) -> io::Result<()> {
        poll_fn(|context| self.poll(context, take)).await
    }

    fn take_waiting(&mut self, take: &mut Take<'_>) -> io::Result<()> {
        match self.poll(&mut Context::from_waker(Waker::noop()), take) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }

    /// IPv4, TCP with time stamps, WebSocket with mask; TLS comes on top and is not counted.
    fn headers(&self) -> u64 {
        20 + 32 + 8
    }
}
