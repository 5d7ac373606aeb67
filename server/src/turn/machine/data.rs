//! What is relayed.

use std::net::SocketAddr;

use greenroom_protocol::measure::time::MonotonicTime;
use stun_types::message::{MAGIC_COOKIE, Message};
use stun_types::prelude::AttributeStaticType as _;
use turn_types::attribute::{Data, DontFragment, XorPeerAddress};
use turn_types::channel::ChannelData;

use super::{
    allocation::Allocation,
    counters::Dropped,
    relay::{Client, Forward, Handled, PortId, Relay},
};
use crate::turn::credentials::Reach;

/// Bytes of the header of ChannelData.
const CHANNEL_HEADER_BYTES: usize = 4;
/// Longest beginning of a Data indication: header, XOR-PEER-ADDRESS with IPv6, head of DATA.
const MAX_HEAD_BYTES: usize = 20 + 24 + 4;
/// Type of a Data indication (RFC 8656 §18).
const DATA_INDICATION: u16 = 0x0017;

/// What goes to a client: `head`, the packet of the peer, and `n_padding` zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ToClient {
    /// The client.
    pub(crate) client: Client,
    head: [u8; MAX_HEAD_BYTES],
    n_head: usize,
    /// Zeros behind the packet.
    pub(crate) n_padding: usize,
}

impl ToClient {
    /// What goes before the packet.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head[..self.n_head]
    }
}

impl Relay {
    /// A client's ChannelData goes to the channel's peer. What cannot go is dropped without a
    /// word (RFC 8656 §12.6).
    pub(super) fn channel_data(
        &mut self,
        now: MonotonicTime,
        client: &Client,
        bytes: &[u8],
    ) -> Handled {
        let Ok((number, length)) = ChannelData::parse_header(bytes) else {
            return self.dropped(Dropped::Malformed);
        };
        let payload = CHANNEL_HEADER_BYTES..CHANNEL_HEADER_BYTES + length;
        if payload.end > bytes.len() {
            return self.dropped(Dropped::Malformed);
        }
        let Some(place) = self.by_client.get(client).copied() else {
            return self.dropped(Dropped::NoAllocation);
        };
        let Some(allocation) = self.places[place].as_ref() else {
            return self.dropped(Dropped::NoAllocation);
        };
        let Some(peer) = allocation.peer_of(number, now) else {
            return self.dropped(Dropped::UnboundChannel);
        };
        self.forward(now, place, peer, payload)
    }

    /// A client's Send indication goes to the peer that it names (RFC 8656 §11.2).
    pub(super) fn send(
        &mut self,
        now: MonotonicTime,
        client: &Client,
        message: &Message<'_>,
        bytes: &[u8],
    ) -> Handled {
        let data = message.raw_attribute_and_offset(Data::TYPE);
        let peer = message.attribute::<XorPeerAddress>();
        let (Some((offset, data)), Ok(peer)) = (data, peer) else {
            return self.dropped(Dropped::Malformed);
        };
        if message.has_attribute(DontFragment::TYPE) {
            return self.dropped(Dropped::Malformed);
        }
        let payload = offset + 4..offset + 4 + data.value.len();
        if payload.end > bytes.len() {
            return self.dropped(Dropped::Malformed);
        }
        let Some(place) = self.place_of(now, client) else {
            return self.dropped(Dropped::NoAllocation);
        };
        self.forward(now, place, peer.addr(message.transaction_id()), payload)
    }

    fn forward(
        &mut self,
        now: MonotonicTime,
        place: usize,
        peer: SocketAddr,
        payload: std::ops::Range<usize>,
    ) -> Handled {
        let Some(allocation) = self.places[place].as_ref() else {
            return self.dropped(Dropped::NoAllocation);
        };
        if !allocation.permits(peer.ip(), now) {
            return self.dropped(Dropped::NoPermission);
        }
        let Some((port, to)) = self.destination(allocation, peer) else {
            return self.dropped(Dropped::Forbidden);
        };
        if !self.has_rate_for(place, payload.len(), now) {
            return self.dropped(Dropped::TooFast);
        }
        self.counters.to_peers.add(payload.len());
        Handled::Forward(Forward { port, to, payload })
    }

    /// Through which socket and where to packets for a peer go; `None` when they may not. A peer
    /// at an address of this server is reached at relay ports and the measure port alone, unless
    /// the operator allowed that address and gave the credentials.
    pub(super) fn destination(
        &self,
        allocation: &Allocation,
        peer: SocketAddr,
    ) -> Option<(PortId, SocketAddr)> {
        let relayed = allocation.relayed_for(peer.ip())?;
        if self.own.is_own(peer.ip())
            && let Some(to) = self.own.destination(peer, relayed.bound.ip())
        {
            return Some((relayed.port, to));
        }
        self.is_free_peer(allocation, peer)
            .then_some((relayed.port, peer))
    }

    /// Whether the operator's credentials reach this peer, which is nothing of ours.
    fn is_free_peer(&self, allocation: &Allocation, peer: SocketAddr) -> bool {
        let ip = peer.ip();
        allocation.reach == Reach::Peers
            && peer.port() != 0
            && if self.own.is_own(ip) {
                self.policy.allows(ip)
            } else {
                self.policy.permits(ip)
            }
    }

    /// A peer's packet goes to the client, if the client permits that peer (RFC 8656 §11.3).
    pub(crate) fn handle_peer(
        &mut self,
        now: MonotonicTime,
        port: PortId,
        from: SocketAddr,
        n_bytes: usize,
    ) -> Option<ToClient> {
        let place = port.place();
        let allocation = self.places.get(place)?.as_ref()?;
        let ours = self.own.is_own(from.ip());
        let peer = if ours { self.own.source(from) } else { None };
        let peer = match peer {
            Some(peer) => peer,
            None if self.is_free_peer(allocation, from) => from,
            None => {
                self.counters.drop(Dropped::Forbidden);
                return None;
            }
        };
        if !allocation.permits(peer.ip(), now) {
            self.counters.drop(Dropped::NoPermission);
            return None;
        }
        let client = allocation.client;
        let channel = allocation.channel_of(peer, now);
        if !self.has_rate_for(place, n_bytes, now) {
            self.counters.drop(Dropped::TooFast);
            return None;
        }
        let Ok(length) = u16::try_from(n_bytes) else {
            self.counters.drop(Dropped::Oversized);
            return None;
        };
        self.counters.to_clients.add(n_bytes);
        if let Some(number) = channel {
            return Some(channel_head(client, number, length));
        }
        self.indications += 1;
        Some(indication_head(client, peer, length, self.indications))
    }

    fn has_rate_for(&mut self, place: usize, n_bytes: usize, now: MonotonicTime) -> bool {
        let rate = self.rate;
        let allocation = self.places[place].as_mut();
        // Small packets cost as much as their headers do.
        let n = n_bytes.max(MIN_COUNTED_BYTES) as f64;
        allocation.is_some_and(|allocation| allocation.rate.take(rate, n, now))
    }
}

/// What a packet counts at least: an audio packet.
const MIN_COUNTED_BYTES: usize = 100;

/// Padding to whole words: on streams always, since the next message follows.
fn padding(length: u16) -> usize {
    (4 - usize::from(length) % 4) % 4
}

fn channel_head(client: Client, number: u16, length: u16) -> ToClient {
    let mut head = [0; MAX_HEAD_BYTES];
    head[..2].copy_from_slice(&number.to_be_bytes());
    head[2..4].copy_from_slice(&length.to_be_bytes());
    let is_stream = client.transport.is_stream();
    ToClient {
        client,
        head,
        n_head: CHANNEL_HEADER_BYTES,
        n_padding: if is_stream { padding(length) } else { 0 },
    }
}

/// The beginning of a Data indication, written here since it is made for each packet: the library
/// would make a buffer and copy the packet into it.
///
/// Source: RFC 8489 §5, §14.2; RFC 8656 §11.3, §18.4.
fn indication_head(client: Client, peer: SocketAddr, length: u16, count: u64) -> ToClient {
    let mut head = [0; MAX_HEAD_BYTES];
    let mut n_head = 20;
    let mut put = |head: &mut [u8; MAX_HEAD_BYTES], bytes: &[u8]| {
        head[n_head..n_head + bytes.len()].copy_from_slice(bytes);
        n_head += bytes.len();
    };
    head[..2].copy_from_slice(&DATA_INDICATION.to_be_bytes());
    head[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    head[12..20].copy_from_slice(&count.to_be_bytes());
    let mut mask = [0; 16];
    mask.copy_from_slice(&head[4..20]);
    let port = (peer.port() ^ (MAGIC_COOKIE >> 16) as u16).to_be_bytes();
    let (family, size) = if peer.is_ipv4() { (1, 8) } else { (2, 20) };
    put(&mut head, &[0x00, 0x12, 0, size, 0, family]);
    put(&mut head, &port);
    match peer {
        SocketAddr::V4(v4) => {
            let octets = v4.ip().octets();
            put(
                &mut head,
                &std::array::from_fn::<u8, 4, _>(|i| octets[i] ^ mask[i]),
            );
        }
        SocketAddr::V6(v6) => {
            let octets = v6.ip().octets();
            put(
                &mut head,
                &std::array::from_fn::<u8, 16, _>(|i| octets[i] ^ mask[i]),
            );
        }
    }
    put(&mut head, &[0x00, 0x13]);
    put(&mut head, &length.to_be_bytes());
    let n_padding = padding(length);
    let total = n_head - 20 + usize::from(length) + n_padding;
    let total = u16::try_from(total).unwrap_or(u16::MAX);
    head[2..4].copy_from_slice(&total.to_be_bytes());
    ToClient {
        client,
        head,
        n_head,
        n_padding,
    }
}
