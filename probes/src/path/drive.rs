//! The loop between the protocol's machine and a transport. It decides nothing.

use std::io;

use greenroom_protocol::measure::client::{Client, ClientEvent, End, Output, Transmit};
use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_reports::model::path::ClockSource;
use greenroom_reports::model::report::ProbeId;
use greenroom_reports::units::{ByteCount, Millis};

use crate::cancel::Cancel;
use crate::clock::Clock;
use crate::emit::Emitter;
use crate::event::Sample;

/// What carries datagrams.
pub(super) trait Transport: Send {
    /// Sends one datagram; returns right after it left.
    fn send(
        &mut self,
        client: &mut Client,
        transmit: Transmit,
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Waits for datagrams and hands each to `take`.
    ///
    /// Must be cancel safe: dropping the future loses no datagram.
    fn receive(
        &mut self,
        take: &mut (dyn FnMut(Incoming<'_>) + Send),
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Bytes of headers below the datagram, for the account.
    fn headers(&self) -> u64;
}

/// A datagram that came in.
pub(super) struct Incoming<'a> {
    pub(super) at: MonotonicTime,
    pub(super) clock: ClockSource,
    pub(super) bytes: &'a [u8],
}

/// How a drive ended.
#[derive(Debug)]
pub(super) enum DriveEnd {
    /// The machine's own end.
    Machine(End),
    /// Somebody stopped the run.
    Cancelled,
    /// The transport broke.
    Broken(io::Error),
}

/// What was sent and received.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub(super) sent: ByteCount,
    pub(super) received: ByteCount,
}

/// Drives one client over one transport until it ends.
pub(super) struct Drive<'a, T> {
    pub(super) client: &'a mut Client,
    pub(super) transport: &'a mut T,
    pub(super) clock: Clock,
    pub(super) cancel: &'a Cancel,
    pub(super) emitter: &'a Emitter,
    pub(super) traffic: &'a mut Traffic,
}

impl<T: Transport> Drive<'_, T> {
    /// Runs until the machine ends, somebody cancels, or the transport breaks.
    ///
    /// `when_ended` is asked how many slots to add when the stream has ended.
    pub(super) async fn run(
        &mut self,
        mut when_ended: impl FnMut(&Client) -> u32 + Send,
    ) -> DriveEnd {
        loop {
            if self.cancel.cause().is_some() {
                return self.part().await;
            }
            match self.client.poll(self.clock.now()) {
                Output::Transmit(transmit) => {
                    if let Err(error) = self.send(transmit).await {
                        return DriveEnd::Broken(error);
                    }
                }
                Output::Event(event) => {
                    let slots = when_ended(self.client);
                    if event == ClientEvent::StreamEnded && slots > 0 {
                        self.client.extend(self.clock.now(), slots);
                    }
                }
                Output::Wait(until) => {
                    if let Err(error) = self.wait(until).await {
                        return DriveEnd::Broken(error);
                    }
                }
                Output::Finished(end) => return DriveEnd::Machine(end),
            }
        }
    }

    /// Tells the server that we leave, without waiting for an answer.
    async fn part(&mut self) -> DriveEnd {
        if let Some(datagram) = self.client.farewell() {
            let kind = greenroom_protocol::measure::client::TransmitKind::Control;
            let goodbye = self
                .transport
                .send(self.client, Transmit { datagram, kind });
            // The session ends by itself if this gets lost.
            let _lost = goodbye.await;
        }
        self.client.cancel();
        DriveEnd::Cancelled
    }

    async fn send(&mut self, transmit: Transmit) -> io::Result<()> {
        let bytes = transmit.datagram.len() as u64 + self.transport.headers();
        self.traffic.sent = self.traffic.sent.saturating_add(ByteCount::new(bytes));
        self.emitter.progress(ProbeId::Path, self.client.progress());
        self.transport.send(self.client, transmit).await
    }

    async fn wait(&mut self, until: MonotonicTime) -> io::Result<()> {
        let (client, emitter, traffic) = (&mut *self.client, self.emitter, &mut *self.traffic);
        let headers = self.transport.headers();
        let mut take = |incoming: Incoming<'_>| {
            let bytes = ByteCount::new(incoming.bytes.len() as u64 + headers);
            traffic.received = traffic.received.saturating_add(bytes);
            let event = client.received(incoming.at, incoming.clock, incoming.bytes);
            if let Some(ClientEvent::Answered {
                seq,
                warmup,
                rtt_ns,
                ..
            }) = event
            {
                let rtt_ms = Millis::from_nanos(rtt_ns);
                emitter.sample(
                    ProbeId::Path,
                    Sample::RoundTrip {
                        seq,
                        rtt_ms,
                        warmup,
                    },
                );
            }
        };
        let result = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Ok(()),
            result = self.transport.receive(&mut take) => result,
            () = self.clock.sleep_until(until) => Ok(()),
        };
        match result {
            // An ICMP message about an earlier datagram.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.client.rejected();
                Ok(())
            }
            other => other,
        }
    }
}
