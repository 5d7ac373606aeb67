//! Packets of loads on their way out: which address each client had addressed, and what the
//! socket did not take yet.

use std::{collections::BTreeMap, io, net::SocketAddr, time::Duration};

use greenroom_protocol::measure::{responder::Responder, time::MonotonicTime};

use super::{
    figures::Figures,
    socket::{MeasureSocket, Received, Route},
};

/// Pause before a burst is offered again that the socket had no room for: at a gigabit a second
/// it makes room for 25 kB meanwhile.
const RETRY: Duration = Duration::from_micros(200);
/// Routes that are kept beyond those in use, before the others are forgotten.
const SPARE_ROUTES: usize = 64;

/// Sends what the machine has for sending.
#[derive(Debug, Default)]
pub(super) struct Sender {
    routes: BTreeMap<SocketAddr, Route>,
    packets: Vec<u8>,
    waiting: Option<Waiting>,
}

/// The rest of a burst, in the buffer from `from` on.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    route: Route,
    segment_bytes: usize,
    from: usize,
    retry_at: MonotonicTime,
}

impl Sender {
    /// Remembers how a client is reached to which a load is being sent, since its packets answer
    /// no datagram. To be called after each reply.
    pub(super) fn learn(&mut self, responder: &Responder, received: &Received<'_>) {
        if responder.sessions_sent_to() == 0 {
            self.routes.clear();
            return;
        }
        let from = received.from();
        if responder.next_egress_to(from).is_some() {
            if self.routes.len() >= responder.sessions_sent_to() + SPARE_ROUTES {
                self.routes
                    .retain(|client, _| responder.next_egress_to(*client).is_some());
            }
            self.routes.insert(from, Route::back(received.meta));
        }
    }

    /// When something is to be sent next.
    pub(super) fn next_at(&self, responder: &Responder) -> Option<MonotonicTime> {
        match self.waiting {
            Some(waiting) => Some(waiting.retry_at),
            None => responder.next_egress_at(),
        }
    }

    /// Sends one burst, if one is due; false when nothing was sent.
    pub(super) fn send_due(
        &mut self,
        now: MonotonicTime,
        responder: &mut Responder,
        socket: &MeasureSocket,
        figures: &mut Figures,
    ) -> bool {
        let waiting = match self.waiting.take() {
            Some(waiting) if waiting.retry_at > now => {
                self.waiting = Some(waiting);
                return false;
            }
            Some(waiting) => waiting,
            None => match self.next_burst(now, responder) {
                Some(burst) => burst,
                None => return false,
            },
        };
        self.offer(now, waiting, socket, figures)
    }

    fn next_burst(&mut self, now: MonotonicTime, responder: &mut Responder) -> Option<Waiting> {
        let egress = responder.poll_egress(now, &mut self.packets)?;
        // A load begins with a reply, from which the route was learnt.
        let route = *self.routes.get(&egress.to)?;
        Some(Waiting {
            route,
            segment_bytes: usize::from(egress.segment_bytes),
            from: 0,
            retry_at: now,
        })
    }

    /// Offers packets to the socket; what it has no room for waits. False when it took none.
    fn offer(
        &mut self,
        now: MonotonicTime,
        mut burst: Waiting,
        socket: &MeasureSocket,
        figures: &mut Figures,
    ) -> bool {
        let mut taken = false;
        while burst.from < self.packets.len() {
            let rest = &self.packets[burst.from..];
            match socket.send_burst(burst.route, rest, burst.segment_bytes) {
                Ok(bytes) => {
                    burst.from += bytes;
                    figures.bytes_out += bytes as u64;
                    taken = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    burst.retry_at = now.after(RETRY);
                    self.waiting = Some(burst);
                    return taken;
                }
                // Too large for the interface, no route: to the client it is loss.
                Err(_) => {
                    let packets = rest.len().div_ceil(burst.segment_bytes.max(1));
                    figures.send_failures += packets as u64;
                    return true;
                }
            }
        }
        true
    }
}
