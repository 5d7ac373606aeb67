//! The two directions of one WebSocket.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use axum::{
    body::Bytes,
    extract::ws::{Message, WebSocket, close_code},
};
use futures_util::{
    Sink, SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::time::{Instant, timeout_at};

use super::app::App;
use crate::{clock, config::limits::WEBSOCKET_SEND};

/// Answers that wait for a client to take them, before it is no longer read from.
const MOST_ANSWERS: usize = 32;

/// Why a conversation ends: close code and text; `None` when the client left.
pub(super) type Reason = (u16, &'static str);

/// What a client says.
pub(super) struct Incoming<'a> {
    stream: SplitStream<&'a mut WebSocket>,
    idle: Duration,
    silent_at: Instant,
}

impl<'a> Incoming<'a> {
    pub(super) fn new(app: &App, stream: SplitStream<&'a mut WebSocket>) -> Self {
        let idle = app.limits.websocket_idle;
        Self {
            stream,
            idle,
            silent_at: clock::deadline_in(idle),
        }
    }

    /// The next datagram, or why there are no more.
    ///
    /// # Cancel safety
    /// Cancelling loses nothing.
    pub(super) async fn next(&mut self) -> Result<Bytes, Option<Reason>> {
        loop {
            let message = match timeout_at(self.silent_at, self.stream.next()).await {
                Err(_elapsed) => {
                    return Err(Some((close_code::POLICY, "nothing came for too long")));
                }
                Ok(Some(Ok(message))) => message,
                // Left, broke off, or sent a message that is too large.
                Ok(None | Some(Err(_))) => return Err(None),
            };
            self.silent_at = clock::deadline_in(self.idle);
            match message {
                Message::Binary(datagram) => return Ok(datagram),
                Message::Text(_) => {
                    let text = "only binary messages are datagrams";
                    return Err(Some((close_code::UNSUPPORTED, text)));
                }
                Message::Close(_) => return Err(None),
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
    }
}

/// Why nothing more can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stuck {
    /// The client is gone.
    Left,
    /// It does not read.
    NotRead,
}

/// What is to be sent to a client. Bounded: some answers, and one burst of a load.
pub(super) struct Outbox<'a> {
    app: &'a App,
    client: SocketAddr,
    sink: SplitSink<&'a mut WebSocket, Message>,
    answers: VecDeque<Vec<u8>>,
    packets: Bytes,
    packet_bytes: usize,
    /// The socket holds something that did not leave yet.
    unflushed: bool,
    /// When the client must have taken something.
    stuck_at: Option<Instant>,
    reply: Vec<u8>,
}

impl<'a> Outbox<'a> {
    pub(super) fn new(
        app: &'a App,
        client: SocketAddr,
        sink: SplitSink<&'a mut WebSocket, Message>,
    ) -> Self {
        Self {
            app,
            client,
            sink,
            answers: VecDeque::new(),
            packets: Bytes::new(),
            packet_bytes: 0,
            unflushed: false,
            stuck_at: None,
            reply: Vec::new(),
        }
    }

    /// Whether one more answer may wait.
    pub(super) fn has_room(&self) -> bool {
        self.answers.len() < MOST_ANSWERS
    }

    /// Answers a datagram, later.
    pub(super) fn answer(&mut self, datagram: &[u8]) {
        let stream = &self.app.stream;
        if stream.answer(self.client, datagram, &mut self.reply) {
            self.answers.push_back(std::mem::take(&mut self.reply));
        }
    }

    /// Sends what waits; when nothing does, waits for packets of a load, and takes them.
    ///
    /// # Cancel safety
    /// Cancelling loses nothing.
    pub(super) async fn step(&mut self) -> Result<(), Stuck> {
        if self.unflushed || !self.answers.is_empty() || !self.packets.is_empty() {
            return self.send().await;
        }
        match self.app.stream.next_packets_in(self.client) {
            Some(wait) => clock::wait(wait).await,
            // A load begins with a message of the client, after which this is asked again.
            None => std::future::pending().await,
        }
        self.take_packets();
        Ok(())
    }

    fn take_packets(&mut self) {
        let stream = &self.app.stream;
        if let Some(bytes) = stream.packets_to(self.client, &mut self.reply) {
            self.packets = Bytes::copy_from_slice(&self.reply);
            self.packet_bytes = bytes;
        }
    }

    /// Sends one message, or waits until what was sent has left.
    async fn send(&mut self) -> Result<(), Stuck> {
        let stuck_at = *self
            .stuck_at
            .get_or_insert_with(|| clock::deadline_in(WEBSOCKET_SEND));
        let is_left = |_left: axum::Error| Stuck::Left;
        let not_read = |_elapsed| Stuck::NotRead;
        if self.answers.is_empty() && self.packets.is_empty() {
            let flushed = timeout_at(stuck_at, self.sink.flush()).await;
            flushed.map_err(not_read)?.map_err(is_left)?;
            self.unflushed = false;
            self.stuck_at = None;
            return Ok(());
        }
        let ready = std::future::poll_fn(|cx| std::pin::Pin::new(&mut self.sink).poll_ready(cx));
        let ready = timeout_at(stuck_at, ready).await;
        ready.map_err(not_read)?.map_err(is_left)?;
        self.stuck_at = None;
        if let Some(message) = self.next_message() {
            self.unflushed = true;
            self.sink.start_send_unpin(message).map_err(is_left)?;
        }
        Ok(())
    }

    /// Answers come first, stamped as they leave.
    fn next_message(&mut self) -> Option<Message> {
        if let Some(mut answer) = self.answers.pop_front() {
            self.app.stream.stamp(&mut answer);
            return Some(Message::Binary(answer.into()));
        }
        let bytes = self.packet_bytes.min(self.packets.len());
        (bytes > 0).then(|| Message::Binary(self.packets.split_to(bytes)))
    }
}
