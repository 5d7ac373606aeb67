//! Two allocations on the server's TURN relay: one for loads, one for echoes alone.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, Waker};

use greenroom_protocol::measure::load::client::FlowId;
use greenroom_reports::model::path::ClockSource;

use super::drive::{Carrier, Take};
use crate::clock::Clock;
use crate::relay::{OpenRelay, broken};

/// Messages that wait to be sent. Over TCP and TLS the machine is not asked for more: what waits here
/// delays whatever comes behind it.
const STREAM_QUEUE: usize = 16;
/// Over UDP what is beyond is dropped, as any queue on the way would: a train of 100 packets.
const DATAGRAM_QUEUE: usize = 100;
/// Packets taken from one relay before the machine gets its turn.
const TAKEN_A_TURN: usize = 64;

/// The relays.
pub(super) struct OverRelay {
    load: OpenRelay,
    other: OpenRelay,
    clock: Clock,
}

impl OverRelay {
    pub(super) fn new(load: OpenRelay, other: OpenRelay, clock: Clock) -> Self {
        Self { load, other, clock }
    }

    /// Ends both allocations.
    pub(super) async fn release(self) {
        tokio::join!(self.load.release(), self.other.release());
    }

    /// Sends what can be sent and hands in what came; ready when there was anything.
    fn poll(&mut self, context: &mut Context<'_>, take: &mut Take<'_>) -> Poll<io::Result<()>> {
        let mut is_ready = false;
        for (flow, relay) in [
            (FlowId::Load, &mut self.load),
            (FlowId::Other, &mut self.other),
        ] {
            let waiting = relay.client.queued();
            if let Poll::Ready(Err(failure)) = relay.client.poll_flush(context) {
                return Poll::Ready(Err(broken(&failure)));
            }
            is_ready |= relay.client.queued() < waiting;
            for _ in 0..TAKEN_A_TURN {
                match relay.client.poll_receive(context) {
                    Poll::Pending => break,
                    Poll::Ready(Err(failure)) => return Poll::Ready(Err(broken(&failure))),
                    Poll::Ready(Ok(packet)) => {
                        is_ready = true;
                        take(flow, self.clock.now(), ClockSource::User, &packet.payload);
                    }
                }
            }
        }
        if is_ready {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }
}

impl Carrier for OverRelay {
    fn send(&mut self, flow: FlowId, segment_bytes: Option<u16>, bytes: &[u8]) -> io::Result<()> {
        let segment = segment_bytes.map_or(bytes.len(), usize::from).max(1);
        let relay = match flow {
            FlowId::Load => &mut self.load,
            FlowId::Other => &mut self.other,
        };
        let drops = !relay.client.is_stream();
        for datagram in bytes.chunks(segment) {
            if drops && relay.client.queued() >= DATAGRAM_QUEUE {
                break;
            }
            relay.client.queue(relay.peer, datagram);
            // What does not leave at once leaves while waiting, which asks again.
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(Err(failure)) = relay.client.poll_flush(&mut context) {
                return Err(broken(&failure));
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        let is_full =
            |relay: &OpenRelay| relay.client.is_stream() && relay.client.queued() >= STREAM_QUEUE;
        is_full(&self.load) || is_full(&self.other)
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

    fn headers(&self) -> u64 {
        self.load.headers().into()
    }
}
