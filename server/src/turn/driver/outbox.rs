//! Packets on their way out, gathered so that those of one flow leave together.

use super::socket::Route;
use crate::turn::machine::relay::PortId;

/// Bytes that leave in one call at most (64 KiB of IP, with room for headers).
const MAX_BURST_BYTES: usize = 60_000;
/// Packets in one call at most (`UDP_MAX_SEGMENTS` of Linux).
const MAX_BURST_PACKETS: usize = 64;
/// Flows that are gathered at a time; looking for a flow takes longer with more.
const MAX_PARCELS: usize = 64;

/// Through which socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Through {
    /// The one that clients speak to.
    Listener,
    /// A relay address.
    Port(PortId),
}

/// Packets of one size to one place.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) through: Through,
    pub(super) route: Route,
    pub(super) segment_bytes: usize,
    pub(super) packets: Vec<u8>,
    n_packets: usize,
    /// A smaller packet came in, behind which none fits.
    closed: bool,
}

/// The packets gathered.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    parcels: Vec<Parcel>,
    n_used: usize,
}

impl Outbox {
    /// Adds a packet of three parts. Packets of a flow keep their order.
    pub(super) fn push(
        &mut self,
        through: Through,
        route: Route,
        [head, body]: [&[u8]; 2],
        n_padding: usize,
    ) {
        let size = head.len() + body.len() + n_padding;
        let parcel = match self.open_for(through, route, size) {
            Some(at) => &mut self.parcels[at],
            None => self.begin(through, route, size),
        };
        parcel.packets.extend_from_slice(head);
        parcel.packets.extend_from_slice(body);
        parcel.packets.resize(parcel.packets.len() + n_padding, 0);
        parcel.n_packets += 1;
        parcel.closed = size < parcel.segment_bytes || size == 0;
    }

    /// Whether it has to be sent before more goes in.
    pub(super) fn is_full(&self) -> bool {
        self.n_used >= MAX_PARCELS
    }

    /// What was gathered.
    pub(super) fn parcels(&self) -> &[Parcel] {
        &self.parcels[..self.n_used]
    }

    /// Forgets what was gathered, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.n_used = 0;
    }

    /// The flow's last parcel, when the packet fits behind what is in it.
    fn open_for(&self, through: Through, route: Route, size: usize) -> Option<usize> {
        let of_flow = |parcel: &Parcel| parcel.through == through && parcel.route == route;
        let at = self.parcels().iter().rposition(of_flow)?;
        let parcel = &self.parcels[at];
        let fits = !parcel.closed
            && size <= parcel.segment_bytes
            && parcel.n_packets < MAX_BURST_PACKETS
            && parcel.packets.len() + size <= MAX_BURST_BYTES;
        fits.then_some(at)
    }

    fn begin(&mut self, through: Through, route: Route, size: usize) -> &mut Parcel {
        let at = self.n_used;
        self.n_used += 1;
        if at == self.parcels.len() {
            self.parcels.push(Parcel {
                through,
                route,
                segment_bytes: size,
                packets: Vec::new(),
                n_packets: 0,
                closed: false,
            });
        }
        let parcel = &mut self.parcels[at];
        parcel.through = through;
        parcel.route = route;
        parcel.segment_bytes = size;
        parcel.packets.clear();
        parcel.n_packets = 0;
        parcel
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(to: &str) -> Route {
        Route {
            to: to.parse().unwrap(),
            source: None,
        }
    }

    fn sizes(outbox: &Outbox) -> Vec<(usize, usize)> {
        let parcels = outbox.parcels().iter();
        parcels
            .map(|parcel| (parcel.segment_bytes, parcel.packets.len()))
            .collect()
    }

    #[test]
    fn packets_of_a_flow_leave_together_and_in_order() {
        let mut outbox = Outbox::default();
        let (a, b) = (route("192.0.2.1:1"), route("192.0.2.2:1"));
        for _ in 0..3 {
            outbox.push(Through::Listener, a, [&[1; 4], &[2; 10]], 2);
            outbox.push(Through::Listener, b, [&[], &[3; 5]], 0);
        }
        assert_eq!(sizes(&outbox), [(16, 48), (5, 15)]);
        // A smaller one closes the burst, a larger one begins another.
        outbox.push(Through::Listener, a, [&[], &[4; 3]], 0);
        outbox.push(Through::Listener, a, [&[], &[5; 3]], 0);
        outbox.push(Through::Listener, b, [&[], &[6; 6]], 0);
        assert_eq!(sizes(&outbox), [(16, 51), (5, 15), (3, 3), (6, 6)]);
        outbox.clear();
        outbox.push(Through::Port(PortId(1)), a, [&[7], &[]], 0);
        assert_eq!(sizes(&outbox), [(1, 1)]);
    }

    #[test]
    fn a_burst_is_no_larger_than_the_system_takes() {
        let mut outbox = Outbox::default();
        for _ in 0..100 {
            outbox.push(
                Through::Listener,
                route("192.0.2.1:1"),
                [&[], &[0; 1000]],
                0,
            );
        }
        assert_eq!(sizes(&outbox), [(1000, 60_000), (1000, 40_000)]);
        assert!(!outbox.is_full());
    }
}
