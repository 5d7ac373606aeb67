//! The machine: answers datagrams, opens sessions, keeps limits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use greenroom_reports::model::path::ClockSource;

use super::super::limits::{Limits, MIN_ECHO_BYTES};
use super::super::load::egress::Turns;
use super::super::session::{Session, TokenBucket};
use super::super::time::MonotonicTime;
use super::super::token::{Token, TokenMint};
use super::super::wire::{
    self, DecodeError, ECHO_REPLY_FIELDS, Echo, EchoReply, HELLO_BYTES, Message, OPEN_BYTES,
    Opened, RECEIPT_BYTES, RefusalCode, SIZE_FIELDS,
};
use super::counters::ResponderCounters;

/// What a responder needs to begin.
#[derive(Clone)]
pub struct ResponderConfig {
    /// What is granted.
    pub limits: Limits,
    /// Entropy of the driver; never logged.
    pub secret: [u8; 32],
}

impl std::fmt::Debug for ResponderConfig {
    /// The secret is not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponderConfig")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// How a datagram came in.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Sender.
    pub from: SocketAddr,
    /// When it came in.
    pub at: MonotonicTime,
    /// Who says so.
    pub clock: ClockSource,
    /// The server's wall clock, nanoseconds since 1970 (UTC).
    pub wall_unix_ns: i64,
}

/// What to do after a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// Nothing.
    Silent,
    /// Send the reply; stamp its departure ([`stamp_departure`]) right before.
    Reply,
    /// Send the reply, a receipt. If the kernel knows the path MTU to the client, stamp it in
    /// ([`stamp_path_mtu`]).
    ReplyReceipt,
}

/// The server's end of the protocol. Memory is bounded by its limits.
#[derive(Debug)]
pub struct Responder {
    pub(super) limits: Limits,
    mint: TokenMint,
    serial: u64,
    pub(super) sessions: BTreeMap<u64, Session>,
    by_client: BTreeMap<(SocketAddr, u64), u64>,
    addresses: BTreeMap<IpAddr, AddressUse>,
    challenges: Option<TokenBucket>,
    pub(super) counters: ResponderCounters,
    /// Sessions that have a load, as far as was looked.
    pub(super) busy: BTreeSet<u64>,
    /// Sessions to which a load is being sent.
    pub(super) turns: Turns,
    /// Loads that are remembered, by session and id, in the order of their starts.
    pub(super) remembered: VecDeque<(u64, u32)>,
}

/// What one address, or one IPv6 /64, holds.
#[derive(Debug)]
struct AddressUse {
    sessions: usize,
    opens: TokenBucket,
}

/// Addresses remembered beside those that hold a session, so that a flood of them stays bounded.
const IDLE_ADDRESSES: usize = 16_384;

/// Least pause between two messages that say "too fast" to one session.
const TOO_FAST_PAUSE: Duration = Duration::from_secs(1);

impl Responder {
    /// A responder without sessions.
    pub fn new(config: &ResponderConfig) -> Self {
        Self {
            limits: config.limits,
            mint: TokenMint::new(config.secret),
            serial: 0,
            sessions: BTreeMap::new(),
            by_client: BTreeMap::new(),
            addresses: BTreeMap::new(),
            challenges: None,
            counters: ResponderCounters::default(),
            busy: BTreeSet::new(),
            turns: Turns::default(),
            remembered: VecDeque::new(),
        }
    }

    /// Handles one datagram; writes at most one reply.
    ///
    /// Before a client has proven that it receives at its address, a reply is never larger than
    /// what it answers.
    pub fn handle(&mut self, arrival: Arrival, datagram: &[u8], reply: &mut Vec<u8>) -> Handled {
        self.counters.datagrams_in += 1;
        reply.clear();
        let handled = match wire::decode(datagram) {
            Ok(message) => self.handle_message(arrival, &message, datagram.len(), reply),
            Err(error) => self.count_undecodable(error),
        };
        self.counters.replies += u64::from(handled != Handled::Silent);
        handled
    }

    /// Forgets sessions that are over. To be called about once a second.
    pub fn expire(&mut self, now: MonotonicTime) {
        let over: Vec<u64> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.expires <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            self.forget(id);
        }
        self.settle_loads(now);
        self.addresses
            .retain(|_, held| held.sessions > 0 || !held.opens.is_full(now));
    }

    /// Sessions open now.
    pub fn open_sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Counts since the start.
    pub fn counters(&self) -> ResponderCounters {
        self.counters
    }

    fn count_undecodable(&mut self, _error: DecodeError) -> Handled {
        self.counters.undecodable += 1;
        Handled::Silent
    }

    fn handle_message(
        &mut self,
        arrival: Arrival,
        message: &Message,
        len: usize,
        reply: &mut Vec<u8>,
    ) -> Handled {
        match message {
            Message::Hello { nonce } if len >= HELLO_BYTES => self.hello(arrival, *nonce, reply),
            Message::Open {
                nonce,
                token,
                duration_ms,
            } if len >= OPEN_BYTES => {
                let wanted = Duration::from_millis(u64::from(*duration_ms));
                self.open(arrival, *nonce, token, wanted, reply)
            }
            Message::Echo(echo) if len >= usize::from(MIN_ECHO_BYTES) => {
                self.echo(arrival, *echo, len, reply)
            }
            Message::SizeProbe {
                session,
                id,
                reply_bytes,
            } => self.size_probe(arrival, (*session, *id), *reply_bytes, len, reply),
            Message::ReceiptRequest { session, base } => {
                self.receipt(arrival, *session, *base, reply)
            }
            Message::Close { session } => self.close(arrival, *session, len, reply),
            Message::Load(load) => self.load(arrival, load, len, reply),
            _ => {
                self.counters.unexpected += 1;
                Handled::Silent
            }
        }
    }

    fn hello(&mut self, arrival: Arrival, nonce: u64, reply: &mut Vec<u8>) -> Handled {
        let rate = self.limits.max_challenges_per_second;
        let budget = self
            .challenges
            .get_or_insert_with(|| TokenBucket::new(arrival.at, rate, rate));
        if !budget.take(arrival.at) {
            self.counters.challenges_withheld += 1;
            return Handled::Silent;
        }
        let token = self.mint.token(arrival.at, arrival.from, nonce);
        wire::encode(&Message::Challenge { nonce, token }, 0, reply);
        Handled::Reply
    }

    fn open(
        &mut self,
        arrival: Arrival,
        nonce: u64,
        token: &Token,
        wanted: Duration,
        reply: &mut Vec<u8>,
    ) -> Handled {
        if !self.mint.verify(arrival.at, arrival.from, nonce, token) {
            self.counters.refused_token += 1;
            return refuse(nonce, RefusalCode::TokenInvalid, 0, reply);
        }
        // A repeated open (its answer was lost, or somebody replays it) finds its session again.
        let known = self.live_session(arrival, nonce);
        let id = match known.map_or_else(|| self.admit(arrival, nonce, wanted), Ok) {
            Ok(id) => id,
            Err(code) => return refuse(nonce, code, 60_000, reply),
        };
        let opened = Opened {
            nonce,
            session: id,
            max_session_ms: self.limits.max_session_ms,
            max_packets_per_second: self.limits.max_packets_per_second,
            max_datagram_bytes: self.limits.max_datagram_bytes,
            wall_unix_ns: arrival.wall_unix_ns,
        };
        wire::encode(&Message::Opened(opened), 0, reply);
        Handled::Reply
    }

    fn live_session(&mut self, arrival: Arrival, nonce: u64) -> Option<u64> {
        let id = *self.by_client.get(&(arrival.from, nonce))?;
        let live = self.sessions.get(&id)?.expires > arrival.at;
        if !live {
            self.forget(id);
        }
        live.then_some(id)
    }

    fn admit(
        &mut self,
        arrival: Arrival,
        nonce: u64,
        wanted: Duration,
    ) -> Result<u64, RefusalCode> {
        if self.sessions.len() >= self.limits.max_sessions {
            self.counters.refused_full += 1;
            return Err(RefusalCode::ServerFull);
        }
        if !self.charge_address(arrival) {
            self.counters.refused_address += 1;
            return Err(RefusalCode::AddressLimit);
        }
        self.serial += 1;
        let id = self.mint.session_id(self.serial);
        let longest = Duration::from_millis(u64::from(self.limits.max_session_ms));
        let expires = arrival.at.after(wanted.min(longest));
        let rate = self.limits.max_packets_per_second;
        // A quarter of a second in one burst: enough for a size search, too little for a flood.
        let budget = TokenBucket::new(arrival.at, rate, (rate / 4).max(32));
        let session = Session::new(arrival.from, nonce, expires, budget);
        self.sessions.insert(id, session);
        self.by_client.insert((arrival.from, nonce), id);
        self.counters.sessions_opened += 1;
        Ok(id)
    }

    /// Counts a new session against its address; false when the address has had enough.
    fn charge_address(&mut self, arrival: Arrival) -> bool {
        let key = address_key(arrival.from.ip());
        let bound = self.limits.max_sessions + IDLE_ADDRESSES;
        if self.addresses.len() >= bound && !self.addresses.contains_key(&key) {
            return false;
        }
        let a_minute = self.limits.max_opens_per_minute_per_address;
        let held = self.addresses.entry(key).or_insert_with(|| AddressUse {
            sessions: 0,
            opens: TokenBucket::new(arrival.at, a_minute.div_ceil(60), a_minute),
        });
        let granted =
            held.sessions < self.limits.max_sessions_per_address && held.opens.take(arrival.at);
        held.sessions += usize::from(granted);
        granted
    }

    fn echo(&mut self, arrival: Arrival, echo: Echo, len: usize, reply: &mut Vec<u8>) -> Handled {
        let Some(session) = self.charged_session(arrival, echo.session, reply) else {
            return handled_by(reply);
        };
        let Some(copy) = session.note(echo.seq) else {
            return Handled::Silent;
        };
        let answer = EchoReply {
            session: echo.session,
            seq: echo.seq,
            received: session.received(),
            copy,
            kernel_stamp: arrival.clock == ClockSource::KernelReceive,
            arrival_ns: arrival.at.as_nanos(),
            departure_ns: arrival.at.as_nanos(),
            window: session.window(echo.seq),
        };
        wire::encode(
            &Message::EchoReply(answer),
            len.max(ECHO_REPLY_FIELDS),
            reply,
        );
        Handled::Reply
    }

    fn size_probe(
        &mut self,
        arrival: Arrival,
        (id, probe): (u64, u32),
        reply_bytes: u16,
        len: usize,
        reply: &mut Vec<u8>,
    ) -> Handled {
        let largest = self.limits.max_datagram_bytes;
        if self.charged_session(arrival, id, reply).is_none() {
            return handled_by(reply);
        }
        let answer = Message::SizeReply {
            session: id,
            id: probe,
            received_bytes: u16::try_from(len).unwrap_or(u16::MAX),
        };
        let total = usize::from(reply_bytes.min(largest)).max(SIZE_FIELDS);
        wire::encode(&answer, total, reply);
        Handled::Reply
    }

    fn receipt(&mut self, arrival: Arrival, id: u64, base: u32, reply: &mut Vec<u8>) -> Handled {
        let Some(session) = self.charged_session(arrival, id, reply) else {
            return handled_by(reply);
        };
        let receipt = Message::Receipt(session.receipt(id, base));
        wire::encode(&receipt, RECEIPT_BYTES, reply);
        Handled::ReplyReceipt
    }

    fn close(&mut self, arrival: Arrival, id: u64, len: usize, reply: &mut Vec<u8>) -> Handled {
        if self.session_of(arrival, id).is_none() {
            return Handled::Silent;
        }
        self.forget(id);
        wire::encode(&Message::Closed { session: id }, 0, reply);
        if reply.len() > len {
            return Handled::Silent;
        }
        Handled::Reply
    }

    pub(super) fn session_of(&mut self, arrival: Arrival, id: u64) -> Option<&mut Session> {
        let mut session = self
            .sessions
            .get_mut(&id)
            .filter(|session| session.from == arrival.from && session.expires > arrival.at);
        match &mut session {
            Some(session) => session.heard = session.heard.max(arrival.at),
            None => self.counters.unknown_session += 1,
        }
        session
    }

    /// The session, after it paid for one packet. When it cannot pay, `reply` says so, at most
    /// once a second.
    pub(super) fn charged_session(
        &mut self,
        arrival: Arrival,
        id: u64,
        reply: &mut Vec<u8>,
    ) -> Option<&mut Session> {
        let paid = self.session_of(arrival, id)?.budget.take(arrival.at);
        self.counters.refused_rate += u64::from(!paid);
        let session = self.sessions.get_mut(&id)?;
        if paid {
            return Some(session);
        }
        let due = session
            .warned
            .is_none_or(|last| arrival.at.since(last) >= TOO_FAST_PAUSE);
        if due {
            session.warned = Some(arrival.at);
            refuse(id, RefusalCode::TooFast, 1000, reply);
        }
        None
    }

    fn forget(&mut self, id: u64) {
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        self.forget_loads(id);
        self.by_client.remove(&(session.from, session.nonce));
        if let Some(held) = self.addresses.get_mut(&address_key(session.from.ip())) {
            held.sessions = held.sessions.saturating_sub(1);
        }
    }
}

/// Writes the departure time into an encoded reply; other messages stay as they are.
pub fn stamp_departure(reply: &mut [u8], departure: MonotonicTime) {
    wire::stamp_departure(reply, departure.as_nanos());
}

/// Writes the path MTU that the server's kernel knows into an encoded receipt.
pub fn stamp_path_mtu(receipt: &mut [u8], bytes: u16) {
    wire::stamp_path_mtu(receipt, bytes);
}

pub(super) fn refuse(
    subject: u64,
    code: RefusalCode,
    retry_after_ms: u32,
    reply: &mut Vec<u8>,
) -> Handled {
    let message = Message::Refused {
        subject,
        code,
        retry_after_ms,
    };
    wire::encode(&message, 0, reply);
    Handled::Reply
}

pub(super) fn handled_by(reply: &[u8]) -> Handled {
    if reply.is_empty() {
        Handled::Silent
    } else {
        Handled::Reply
    }
}

/// One IPv4 address, or one IPv6 /64, which is what one household or machine holds.
fn address_key(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let upper = u128::from(v6) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(upper))
        }
    }
}

#[cfg(test)]
#[path = "../tests/responder.rs"]
pub(super) mod tests;
