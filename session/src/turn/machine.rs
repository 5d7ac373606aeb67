//! TURN's client side: what to send, and what an answer means. No socket, no clock.
//!
//! Written on `stun-types` rather than taken from `turn-client-proto`: that one leaves 50 ms between
//! two requests, which would be most of what is measured here, and tells of a refusal neither code
//! nor words, which are what is asked for.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stun_types::attribute::{
    AlternateServer, ErrorCode, Nonce, Realm, Software, Username, XorMappedAddress,
};
use stun_types::message::{
    IntegrityAlgorithm, IntegrityKey, LongTermKeyCredentials, Message, MessageClass, MessageType,
    MessageWrite as _, MessageWriteExt as _, MessageWriteVec, Method, TransactionId,
};
use turn_types::AddressFamily;
use turn_types::attribute::{
    ChannelNumber, Data, Lifetime, RequestedAddressFamily, RequestedTransport, XorPeerAddress,
    XorRelayedAddress,
};
use turn_types::message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, DATA, REFRESH, SEND};

use super::credentials::Credentials;

/// Pauses before a request over UDP is sent again: a probe has not the 39.5 s of RFC 8489 §6.2.1.
/// Shorter ones send needlessly on long paths, longer ones make one lost packet look like a dead
/// server.
const RETRANSMIT_AFTER: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];
/// Longest wait for the answer to one request; from then on it counts as blocked.
pub const PATIENCE: Duration = Duration::from_millis(2300);
/// Times that a new nonce is taken for a request. One is usual; more, and the server never ends.
const MAX_STALE: u8 = 2;
/// Protocol number of UDP, for `REQUESTED-TRANSPORT`.
const UDP: u8 = 17;
/// The first of the channels (RFC 8656 §12).
pub(super) const CHANNEL: u16 = 0x4000;
/// Lifetime that is asked for, in seconds: a probe that dies leaves nothing for longer.
const LIFETIME_S: u32 = 120;

/// What a machine is to do.
#[derive(Clone, Debug)]
pub(super) struct MachineConfig {
    /// User name and password; without them the server's first refusal is the end.
    pub(super) credentials: Option<Credentials>,
    /// Over TCP or TLS: nothing is sent again.
    pub(super) is_stream: bool,
    /// Family of the address that relays.
    pub(super) wants_ipv6: bool,
    /// The first transaction's id, from a source that nobody can guess; the next ones count on.
    pub(super) first_transaction: u128,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// An address that relays.
    Allocate,
    /// That packets of this address come through, and go out to it.
    Permission(SocketAddr),
    /// A channel to this peer, which permits it too.
    Channel(SocketAddr),
    /// The end of the allocation.
    Release,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The server asked who we are.
    Challenged,
    /// A request succeeded.
    Done(Request),
    /// A request was refused for good.
    Refused(Request, Refusal),
    /// No answer came in time.
    NoAnswer(Request),
    /// Another server should be asked (RFC 8489 §10).
    Redirected(SocketAddr),
    /// A peer's packet.
    Data(SocketAddr, Vec<u8>),
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `ERROR-CODE`.
    pub code: u16,
    /// The server's words.
    pub reason: String,
    /// It came to a request that was signed.
    pub authenticated: bool,
}

/// What a server told of itself and of the allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// `SOFTWARE`.
    pub software: Option<String>,
    /// `REALM`.
    pub realm: Option<String>,
    /// The address that relays.
    pub relayed: Option<SocketAddr>,
    /// This machine's address, as the server sees it.
    pub mapped: Option<SocketAddr>,
    /// How long the allocation lasts.
    pub lifetime: Option<Duration>,
}

/// The client side of one allocation.
#[derive(Debug)]
pub(super) struct TurnMachine {
    config: MachineConfig,
    told: Told,
    auth: Option<Auth>,
    next_transaction: u128,
    pending: Option<Pending>,
    channel: Option<SocketAddr>,
    outbox: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
}

#[derive(Debug)]
struct Auth {
    realm: String,
    nonce: String,
    key: IntegrityKey,
}

#[derive(Debug)]
struct Pending {
    request: Request,
    transaction: TransactionId,
    bytes: Vec<u8>,
    began: Instant,
    sent: Instant,
    again: usize,
    stale: u8,
    signed: bool,
}

impl TurnMachine {
    /// A machine that has asked for nothing yet.
    pub(super) fn new(config: MachineConfig) -> Self {
        Self {
            next_transaction: config.first_transaction,
            config,
            told: Told::default(),
            auth: None,
            pending: None,
            channel: None,
            outbox: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// What the server told so far.
    pub(super) fn told(&self) -> &Told {
        &self.told
    }

    /// Asks. One request is under way at a time: a second one replaces the first.
    pub(super) fn ask(&mut self, now: Instant, request: Request) {
        self.send_request(now, request, 0);
    }

    /// The next message to be sent.
    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox.pop_front()
    }

    /// Messages to be sent.
    pub(super) fn n_outgoing(&self) -> usize {
        self.outbox.len()
    }

    /// The next thing that happened.
    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::wake`] is due.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let pending = self.pending.as_ref()?;
        let ends = pending.began + PATIENCE;
        let again = RETRANSMIT_AFTER.get(pending.again);
        let again = again.filter(|_| !self.config.is_stream);
        Some(again.map_or(ends, |pause| ends.min(pending.sent + *pause)))
    }

    /// Sends again, or gives up.
    pub(super) fn wake(&mut self, now: Instant) {
        let due = self.wake_at().is_some_and(|at| at <= now);
        let Some(pending) = self.pending.as_mut().filter(|_| due) else {
            return;
        };
        if now >= pending.began + PATIENCE {
            let request = pending.request;
            self.pending = None;
            self.events.push_back(Event::NoAnswer(request));
            return;
        }
        pending.again += 1;
        pending.sent = now;
        self.outbox.push_back(pending.bytes.clone());
    }

    /// A packet to a peer: through the channel, where it is the channel's peer.
    pub(super) fn send_to(&mut self, peer: SocketAddr, payload: &[u8]) {
        let bytes = if self.channel == Some(peer) {
            channel_data(payload, self.config.is_stream)
        } else {
            self.send_indication(peer, payload)
        };
        self.outbox.push_back(bytes);
    }

    /// Takes one message from the server. What is no answer of its is passed over.
    pub(super) fn received(&mut self, now: Instant, bytes: &[u8]) {
        if let Some(payload) = channel_payload(bytes) {
            if let Some(peer) = self.channel {
                self.events.push_back(Event::Data(peer, payload.to_vec()));
            }
            return;
        }
        let Ok(message) = Message::from_bytes(bytes) else {
            return;
        };
        if message.has_method(DATA) && message.has_class(MessageClass::Indication) {
            return self.take_data(&message);
        }
        let answers = |p: &Pending| p.transaction == message.transaction_id();
        if !message.is_response() || !self.pending.as_ref().is_some_and(answers) {
            return;
        }
        if let Ok(software) = message.attribute::<Software>() {
            self.told.software = Some(software.software().to_owned());
        }
        if message.has_class(MessageClass::Success) {
            self.succeeded(&message);
        } else {
            self.failed(now, &message);
        }
    }
}

impl TurnMachine {
    fn send_request(&mut self, now: Instant, request: Request, stale: u8) {
        let transaction = TransactionId::from(self.next_transaction);
        self.next_transaction = self.next_transaction.wrapping_add(1);
        let bytes = self.encode(request, transaction);
        self.outbox.push_back(bytes.clone());
        self.pending = Some(Pending {
            request,
            transaction,
            bytes,
            began: now,
            sent: now,
            again: 0,
            stale,
            signed: self.auth.is_some(),
        });
    }

    fn encode(&self, request: Request, transaction: TransactionId) -> Vec<u8> {
        let method = method_of(request);
        let kind = MessageType::from_class_method(MessageClass::Request, method);
        let mut message = Message::builder(kind, transaction, MessageWriteVec::new());
        // Each attribute is added once, to a message with room for it.
        let mut add = |attribute: &dyn stun_types::prelude::AttributeWrite| {
            let _fits = message.add_attribute(attribute);
        };
        match request {
            Request::Allocate => {
                add(&RequestedTransport::new(UDP));
                add(&Lifetime::new(LIFETIME_S));
                if self.config.wants_ipv6 {
                    add(&RequestedAddressFamily::new(AddressFamily::IPV6));
                }
            }
            Request::Permission(peer) => add(&XorPeerAddress::new(peer, transaction)),
            Request::Channel(peer) => {
                add(&ChannelNumber::new(CHANNEL));
                add(&XorPeerAddress::new(peer, transaction));
            }
            Request::Release => add(&Lifetime::new(0)),
        }
        self.sign(message)
    }

    fn sign(&self, mut message: MessageWriteVec) -> Vec<u8> {
        if let (Some(auth), Some(credentials)) = (&self.auth, &self.config.credentials) {
            let (name, realm, nonce) = (
                Username::new(&credentials.username),
                Realm::new(&auth.realm),
                Nonce::new(&auth.nonce),
            );
            if let (Ok(name), Ok(realm), Ok(nonce)) = (name, realm, nonce) {
                let _fits = message.add_attribute(&name);
                let _fits = message.add_attribute(&realm);
                let _fits = message.add_attribute(&nonce);
                let sha1 = IntegrityAlgorithm::Sha1;
                let _fits = message.add_message_integrity_with_key(&auth.key, sha1);
            }
        }
        let _fits = message.add_fingerprint();
        message.finish()
    }

    fn send_indication(&mut self, peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
        let transaction = TransactionId::from(self.next_transaction);
        self.next_transaction = self.next_transaction.wrapping_add(1);
        let kind = MessageType::from_class_method(MessageClass::Indication, SEND);
        let mut message = Message::builder(kind, transaction, MessageWriteVec::new());
        let _fits = message.add_attribute(&XorPeerAddress::new(peer, transaction));
        let _fits = message.add_attribute(&Data::new(payload));
        message.finish()
    }

    fn take_data(&mut self, message: &Message<'_>) {
        if let (Ok(peer), Ok(data)) = (
            message.attribute::<XorPeerAddress>(),
            message.attribute::<Data<'_>>(),
        ) {
            let peer = peer.addr(message.transaction_id());
            let payload = data.data().to_vec();
            self.events.push_back(Event::Data(peer, payload));
        }
    }

    /// Only what the server signed counts, once it has our name (RFC 8489 §9.2.5).
    fn succeeded(&mut self, message: &Message<'_>) {
        if let Some(auth) = &self.auth
            && message.validate_integrity_with_key(&auth.key).is_err()
        {
            return;
        }
        let Some(pending) = self.pending.take() else {
            return;
        };
        let transaction = message.transaction_id();
        match pending.request {
            Request::Allocate => {
                let relayed = message.attribute::<XorRelayedAddress>();
                let mapped = message.attribute::<XorMappedAddress>();
                let lifetime = message.attribute::<Lifetime>();
                self.told.relayed = relayed.ok().map(|a| a.addr(transaction));
                self.told.mapped = mapped.ok().map(|a| a.addr(transaction));
                self.told.lifetime = lifetime
                    .ok()
                    .map(|l| Duration::from_secs(l.seconds().into()));
            }
            Request::Channel(peer) => self.channel = Some(peer),
            Request::Permission(_) | Request::Release => {}
        }
        self.events.push_back(Event::Done(pending.request));
    }

    fn failed(&mut self, now: Instant, message: &Message<'_>) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let (code, reason) = match message.attribute::<ErrorCode>() {
            Ok(error) => (error.code(), error.reason().to_owned()),
            Err(_none) => (0, String::new()),
        };
        let refusal = Refusal {
            code,
            reason,
            authenticated: pending.signed,
        };
        match code {
            401 if !pending.signed && self.take_challenge(message) => {
                self.events.push_back(Event::Challenged);
                self.send_request(now, pending.request, pending.stale);
            }
            438 if pending.stale < MAX_STALE && self.take_challenge(message) => {
                self.send_request(now, pending.request, pending.stale + 1);
            }
            300 => self.redirected(message, pending.request, refusal),
            _ => self
                .events
                .push_back(Event::Refused(pending.request, refusal)),
        }
    }

    fn redirected(&mut self, message: &Message<'_>, request: Request, refusal: Refusal) {
        let event = match message.attribute::<AlternateServer>() {
            Ok(other) => Event::Redirected(other.server()),
            Err(_none) => Event::Refused(request, refusal),
        };
        self.events.push_back(event);
    }

    /// Realm and nonce of a refusal; `false` when there is nothing to sign with.
    fn take_challenge(&mut self, message: &Message<'_>) -> bool {
        let (Some(credentials), Ok(nonce)) =
            (&self.config.credentials, message.attribute::<Nonce>())
        else {
            return false;
        };
        let told = message.attribute::<Realm>().ok();
        let told = told.map(|realm| realm.realm().to_owned());
        let Some(realm) = told.or_else(|| self.told.realm.clone()) else {
            return false;
        };
        let key = LongTermKeyCredentials::new(
            credentials.username.clone(),
            credentials.password.clone(),
            realm.clone(),
        )
        .make_key(IntegrityAlgorithm::Sha1);
        self.told.realm = Some(realm.clone());
        self.auth = Some(Auth {
            realm,
            nonce: nonce.nonce().to_owned(),
            key,
        });
        true
    }
}

fn method_of(request: Request) -> Method {
    match request {
        Request::Allocate => ALLOCATE,
        Request::Permission(_) => CREATE_PERMISSION,
        Request::Channel(_) => CHANNEL_BIND,
        Request::Release => REFRESH,
    }
}

/// In a stream messages are padded to four bytes (RFC 8656 §12.5).
fn channel_data(payload: &[u8], is_stream: bool) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let payload = &payload[..usize::from(length)];
    let mut bytes = Vec::with_capacity(payload.len() + 8);
    bytes.extend(CHANNEL.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(payload);
    if is_stream {
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// The payload of a message of our channel.
fn channel_payload(bytes: &[u8]) -> Option<&[u8]> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    let [a, b, c, d] = *head;
    let length = usize::from(u16::from_be_bytes([c, d]));
    (u16::from_be_bytes([a, b]) == CHANNEL)
        .then(|| rest.get(..length))
        .flatten()
}

#[cfg(test)]
#[path = "tests/machine.rs"]
mod tests;
