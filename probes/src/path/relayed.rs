//! The same datagrams through the server's TURN relay, where nothing else comes through.

use std::io;

use greenroom_protocol::measure::client::{Client, Transmit, TransmitKind};
use greenroom_reports::model::path::ClockSource;

use super::drive::{Incoming, Transport};
use crate::clock::Clock;
use crate::relay::{OpenRelay, broken};

/// A relay that is open towards the server's measurement port.
pub(super) struct OverRelay {
    pub(super) relay: OpenRelay,
    pub(super) clock: Clock,
}

impl Transport for OverRelay {
    async fn send(&mut self, client: &mut Client, transmit: Transmit) -> io::Result<()> {
        if let TransmitKind::Echo(seq) = transmit.kind {
            client.departed(seq, self.clock.now());
        }
        let peer = self.relay.peer;
        let sent = self.relay.client.send(peer, &transmit.datagram).await;
        sent.map_err(|failure| broken(&failure))
    }

    async fn receive(&mut self, take: &mut (dyn FnMut(Incoming<'_>) + Send)) -> io::Result<()> {
        let packet = self.relay.client.receive().await;
        let packet = packet.map_err(|failure| broken(&failure))?;
        let (at, clock) = (self.clock.now(), ClockSource::User);
        let bytes = &packet.payload;
        take(Incoming { at, clock, bytes });
        Ok(())
    }

    fn headers(&self) -> u64 {
        self.relay.headers().into()
    }
}
