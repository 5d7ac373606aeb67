//! The machine.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    ops::Range,
};

use greenroom_protocol::measure::time::MonotonicTime;
use stun_types::message::{BINDING, Message, MessageClass, MessageHeader};
use turn_types::message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH, SEND};

use super::{
    allocation::Allocation,
    answer,
    counters::{Dropped, RelayCounters},
    quota::{Held, Quotas},
};
use crate::turn::{
    buckets::{AddressBuckets, Refill},
    credentials::Credentials,
    nonce::Nonces,
    own::OwnAddresses,
    policy::PeerPolicy,
};

/// Answers to one address that has proven nothing: a page of clients behind one NAT at once, then
/// a steady trickle. What is withheld is asked for again.
const UNPROVEN_ANSWERS: Refill = Refill {
    per_second: 50.0,
    most: 200.0,
};
/// Bytes of one message beyond which it is dropped: what UDP carries over any usual link, with
/// room for larger frames.
pub(crate) const MAX_MESSAGE_BYTES: usize = 9216;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl Transport {
    /// Each, with its name in the metrics.
    pub(crate) const ALL: [(&'static str, Self); 3] =
        [("udp", Self::Udp), ("tcp", Self::Tcp), ("tls", Self::Tls)];

    /// Whether messages follow one another without bounds.
    pub(crate) fn is_stream(self) -> bool {
        self != Self::Udp
    }
}

/// A client: the five-tuple of RFC 8656 §3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    /// What it speaks.
    pub(crate) transport: Transport,
    /// Where it is, IPv4 as such.
    pub(crate) address: SocketAddr,
    /// The address of ours that it speaks to, IPv4 as such.
    pub(crate) server_ip: IpAddr,
    /// Number of its connection; 0 for UDP.
    pub(crate) connection: u64,
}

/// The time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Monotonic.
    pub(crate) monotonic: MonotonicTime,
    /// Seconds since 1970 (UTC).
    pub(crate) unix_s: u64,
}

/// A relay socket: its allocation's place and its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PortId(pub(crate) u32);

impl PortId {
    pub(super) fn new(place: usize, second: usize) -> Self {
        Self(u32::try_from(place * 2 + second).unwrap_or(u32::MAX))
    }

    pub(super) fn place(self) -> usize {
        self.0 as usize / 2
    }
}

/// Who opens and closes relay sockets.
pub(crate) trait Ports {
    /// Opens a socket on this address, at a port of the configured range, an even one if asked.
    ///
    /// # Errors
    /// What the system says.
    fn open(&mut self, port: PortId, ip: IpAddr, even: bool) -> io::Result<SocketAddr>;

    /// An address of this family to relay from, for a client that speaks to `server_ip`.
    fn relay_ip(&mut self, ipv4: bool, server_ip: IpAddr) -> Option<IpAddr>;

    /// Closes a socket.
    fn close(&mut self, port: PortId);
}

/// What is to be done with something that a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Handled {
    /// Nothing.
    Silent,
    /// The answer goes back.
    Reply,
    /// A part of the message goes to a peer.
    Forward(Forward),
}

/// What goes to a peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Forward {
    /// Through this socket.
    pub(crate) port: PortId,
    /// To this address.
    pub(crate) to: SocketAddr,
    /// This part of the message.
    pub(crate) payload: Range<usize>,
}

/// What the machine is to allow.
#[derive(Debug)]
pub(crate) struct RelayConfig {
    /// Who may have an allocation.
    pub(crate) credentials: Credentials,
    /// Key of the nonces.
    pub(crate) nonce_key: [u8; 32],
    /// Which peers may be reached with the operator's credentials.
    pub(crate) policy: PeerPolicy,
    /// Addresses of this server.
    pub(crate) own: OwnAddresses,
    /// How many allocations there may be.
    pub(crate) quotas: Quotas,
    /// Payload of one allocation in bits a second, both directions together.
    pub(crate) max_allocation_bps: u64,
}

/// The machine: all allocations.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(super) credentials: Credentials,
    pub(super) nonces: Nonces,
    pub(super) policy: PeerPolicy,
    pub(super) own: OwnAddresses,
    pub(super) quotas: Quotas,
    pub(super) held: Held,
    pub(super) rate: Refill,
    pub(super) counters: RelayCounters,
    pub(super) draining: bool,
    pub(super) places: Vec<Option<Allocation>>,
    pub(super) free: Vec<usize>,
    pub(super) by_client: HashMap<Client, usize>,
    unproven: AddressBuckets,
    pub(super) indications: u64,
}

impl Relay {
    /// Without allocations.
    pub(crate) fn new(config: RelayConfig) -> Self {
        // A quarter of a second's worth at once: more than any burst of a call.
        let per_second = config.max_allocation_bps as f64 / 8.0;
        Self {
            credentials: config.credentials,
            nonces: Nonces::new(config.nonce_key),
            policy: config.policy,
            own: config.own,
            quotas: config.quotas,
            held: Held::default(),
            rate: Refill {
                per_second,
                most: (per_second / 4.0).max(MAX_MESSAGE_BYTES as f64),
            },
            counters: RelayCounters::default(),
            draining: false,
            places: Vec::new(),
            free: Vec::new(),
            by_client: HashMap::new(),
            unproven: AddressBuckets::new(UNPROVEN_ANSWERS),
            indications: 0,
        }
    }

    /// Takes one message of a client. An answer is written to `reply`.
    pub(crate) fn handle(
        &mut self,
        now: Now,
        client: &Client,
        bytes: &[u8],
        ports: &mut impl Ports,
        reply: &mut Vec<u8>,
    ) -> Handled {
        match bytes.first() {
            Some(0x40..=0x7F) => self.channel_data(now.monotonic, client, bytes),
            Some(0..=3) => self.handle_stun(now, client, bytes, ports, reply),
            _ => self.dropped(Dropped::Malformed),
        }
    }

    fn handle_stun(
        &mut self,
        now: Now,
        client: &Client,
        bytes: &[u8],
        ports: &mut impl Ports,
        reply: &mut Vec<u8>,
    ) -> Handled {
        let Some(message) = parse(bytes) else {
            return self.dropped(Dropped::Malformed);
        };
        match (message.class(), message.method()) {
            (MessageClass::Indication, SEND) => self.send(now.monotonic, client, &message, bytes),
            // A client says that it is alive (RFC 8489 §6.3.2).
            (MessageClass::Indication, BINDING) => Handled::Silent,
            (MessageClass::Request, BINDING) => self.binding(now, client, &message, reply),
            (MessageClass::Request, method) => {
                let answer = match method {
                    ALLOCATE => self.allocate(now, client, &message, ports),
                    REFRESH => self.refresh(now, client, &message, ports),
                    CREATE_PERMISSION => self.create_permission(now, client, &message),
                    CHANNEL_BIND => self.channel_bind(now, client, &message),
                    _ => Err(answer::Refusal::unproven(400)),
                };
                self.answer(now, client, &message, answer, reply)
            }
            _ => self.dropped(Dropped::Malformed),
        }
    }

    fn binding(
        &mut self,
        now: Now,
        client: &Client,
        message: &Message<'_>,
        reply: &mut Vec<u8>,
    ) -> Handled {
        if !self.may_answer_unproven(now, client) {
            return self.dropped(Dropped::AnswerWithheld);
        }
        let unknown = answer::unknown_attributes(message, &[]);
        if !unknown.is_empty() {
            self.counters.refuse(420);
            *reply = answer::unknown(message, &unknown);
            return Handled::Reply;
        }
        self.counters.bindings += 1;
        *reply = answer::binding(message, client.address);
        Handled::Reply
    }

    /// Whether a client that has proven nothing gets an answer. On a connection it has proven its
    /// address.
    pub(super) fn may_answer_unproven(&mut self, now: Now, client: &Client) -> bool {
        self.unproven.take(client.address.ip(), now.monotonic)
    }

    /// The allocation of a client.
    pub(super) fn place_of(&self, now: MonotonicTime, client: &Client) -> Option<usize> {
        let place = *self.by_client.get(client)?;
        let alive = |allocation: &Allocation| now < allocation.expires;
        self.places[place]
            .as_ref()
            .is_some_and(alive)
            .then_some(place)
    }

    /// Ends an allocation and frees what it held.
    pub(super) fn end(&mut self, place: usize, ports: &mut impl Ports) {
        let Some(allocation) = self.places.get_mut(place).and_then(Option::take) else {
            return;
        };
        for relayed in allocation.relayed.iter().flatten() {
            self.own.remove_relay(relayed.known);
            ports.close(relayed.port);
        }
        self.by_client.remove(&allocation.client);
        self.held.give_back(
            allocation.client.address.ip(),
            &allocation.user,
            allocation.reach,
        );
        let open = &mut self.counters.open[allocation.client.transport as usize];
        *open = open.saturating_sub(1);
        self.free.push(place);
    }

    /// Ends what nobody refreshed. To be called about once a second.
    pub(crate) fn expire(&mut self, now: MonotonicTime, ports: &mut impl Ports) {
        for place in 0..self.places.len() {
            let is_over = |allocation: &Allocation| allocation.expires <= now;
            if self.places[place].as_ref().is_some_and(is_over) {
                self.counters.expired += 1;
                self.end(place, ports);
            }
        }
    }

    /// A client's connection is gone, and its allocation with it (RFC 8656 §3.1).
    pub(crate) fn disconnected(&mut self, client: &Client, ports: &mut impl Ports) {
        if let Some(place) = self.by_client.get(client).copied() {
            self.end(place, ports);
        }
    }

    /// From now on there are no new allocations.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    /// Counts since the start.
    pub(crate) fn counters(&self) -> &RelayCounters {
        &self.counters
    }

    /// Counts what the driver dropped.
    pub(crate) fn count_dropped(&mut self, why: Dropped, n: u64) {
        self.counters.drop_many(why, n);
    }

    /// Allocations open now.
    pub(crate) fn n_allocations(&self) -> usize {
        self.by_client.len()
    }

    /// Whether this client has an allocation.
    pub(crate) fn has_allocation(&self, client: &Client) -> bool {
        self.by_client.contains_key(client)
    }

    pub(super) fn dropped(&mut self, why: Dropped) -> Handled {
        self.counters.drop(why);
        Handled::Silent
    }
}

/// A whole STUN message and nothing else.
fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let header = MessageHeader::from_bytes(bytes).ok()?;
    let length = usize::from(header.data_length());
    if !length.is_multiple_of(4) || length + MessageHeader::LENGTH != bytes.len() {
        return None;
    }
    Message::from_bytes(bytes).ok()
}
