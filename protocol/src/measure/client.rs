//! The client's end: handshake, echo stream, size search, receipts.
//!
//! A driver owns socket and clock. It calls [`Client::poll`] until that says [`Output::Wait`] or
//! [`Output::Finished`], and hands in what arrives.

use std::time::Duration;

use greenroom_reports::model::path::ClockSource;

use super::handshake::{Handshake, Step};
use super::limits::{MAX_DATAGRAM_BYTES, MIN_ECHO_BYTES};
use super::path_mtu::SizeSearch;
use super::record::{EchoRecord, ReplyTimes};
use super::session::MAX_SEQUENCE;
use super::time::MonotonicTime;
use super::token::Token;
use super::wire::{
    self, Echo, EchoReply, Message, Opened, RECEIPT_BYTES, RECEIPT_SPAN, Receipt, RefusalCode,
};

/// What a client does.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Not to be guessed by others; entropy of the driver.
    pub nonce: u64,
    /// The echo stream.
    pub stream: StreamPlan,
    /// Longest wait for the answer to hello and open together.
    pub patience: Duration,
    /// How long the session is asked for; the server may grant less.
    pub session_time: Duration,
    /// Bytes of IP and UDP headers when packets are datagrams whose largest size is to be found;
    /// `None` over a stream.
    pub headers: Option<u16>,
}

/// The shape of the echo stream: that of a voice call, by default.
#[derive(Clone, Copy, Debug)]
pub struct StreamPlan {
    /// Spacing of slots. 20 ms is Opus' usual packet time.
    pub interval: Duration,
    /// Slots that count.
    pub slots: u32,
    /// Slots before those, which pay for ARP, NAT and radio wake-up.
    pub warmup_slots: u32,
    /// Every so many slots a second packet follows at once: pairs tell losses that come in bursts
    /// shorter than the spacing, and narrow the interval of loss; 0 for none.
    pub pair_every: u32,
    /// UDP payload. 172 bytes is an RTP packet of Opus at 64 kbit/s.
    pub payload_bytes: u16,
    /// Each slot is moved at random within plus or minus this share of the spacing, so that the
    /// stream does not beat with Wi-Fi beacons.
    pub phase: f64,
}

impl Default for StreamPlan {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(20),
            slots: 150,
            warmup_slots: 2,
            pair_every: 3,
            payload_bytes: 172,
            phase: 0.1,
        }
    }
}

/// What the driver is to do.
#[derive(Debug)]
pub enum Output {
    /// Send this.
    Transmit(Transmit),
    /// Something worth telling.
    Event(ClientEvent),
    /// Nothing before this time, unless something comes in.
    Wait(MonotonicTime),
    /// Nothing any more.
    Finished(End),
}

/// A datagram to send.
#[derive(Debug)]
pub struct Transmit {
    /// Its bytes.
    pub datagram: Vec<u8>,
    /// What it is, to be told back.
    pub kind: TransmitKind,
}

/// What a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransmitKind {
    /// An echo request: tell [`Client::departed`] when it left.
    Echo(u32),
    /// A size probe: tell [`Client::too_large_to_send`] when the system says so.
    SizeProbe(u32),
    /// Anything else.
    Control,
}

/// Something worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The session is open.
    Opened {
        /// Round trip of the opening, server time included.
        round_trip: Duration,
        /// The server's wall clock, nanoseconds since 1970 (UTC).
        wall_unix_ns: i64,
    },
    /// An answer came in for the first time.
    Answered {
        /// Sequence number.
        seq: u32,
        /// It belongs to the warm-up.
        warmup: bool,
        /// Round-trip time without the server's turnaround, in nanoseconds.
        rtt_ns: i64,
        /// When the request left.
        sent: MonotonicTime,
    },
    /// All packets of the stream left, and each came back or was given up.
    /// [`Client::extend`] may be called now.
    StreamEnded,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As planned.
    Complete,
    /// [`Client::cancel`] was called.
    Cancelled,
    /// Nobody answered the handshake.
    NoAnswer {
        /// Packets sent.
        attempts: u32,
        /// How long was waited.
        waited: Duration,
    },
    /// The other end, or something between, said by ICMP that nobody listens.
    Rejected,
    /// The server refused.
    Refused {
        /// Why.
        code: RefusalCode,
        /// When to try again; zero when not said.
        retry_after: Duration,
    },
    /// The server answered, then stopped and did not come back.
    Vanished,
}

/// An answer is awaited for at least this long before its packet counts as lost.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(500);
/// And for at most this long.
const LONGEST_PATIENCE: Duration = Duration::from_secs(2);
/// Requests for a receipt before it is given up.
const RECEIPT_TRIES: u32 = 5;
/// Packets a second that a server must grant for the size search, which sends up to some eighty
/// within a tenth of a second.
const SIZE_SEARCH_RATE: u32 = 400;
/// Nothing for this long at the end of the stream, and no receipt either: the server is gone.
const VANISHED_AFTER: Duration = Duration::from_millis(500);

/// The client's end of the protocol.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    phase: Phase,
    random: u64,
    session: Option<Opened>,
    records: Vec<EchoRecord>,
    slots_planned: u32,
    stream_began: MonotonicTime,
    longest_rtt: Duration,
    last_arrival: Option<MonotonicTime>,
    sizes: Option<SizeSearch>,
    receipt_missing: bool,
    server_path_mtu: Option<u16>,
    extended: bool,
    ignored: u64,
}

#[derive(Debug)]
enum Phase {
    Handshake(Handshake),
    Stream {
        slot: u32,
        pair_due: bool,
    },
    Drain,
    StreamEnded {
        told: bool,
    },
    Sizes,
    Receipts {
        base: u32,
        tries: u32,
        next_at: MonotonicTime,
    },
    Close,
    Finished(End),
}

impl Client {
    /// A client that has not begun. Slots beyond the protocol's last sequence number are not sent.
    pub fn new(config: ClientConfig) -> Self {
        let planned = config
            .stream
            .slots
            .saturating_add(config.stream.warmup_slots);
        let handshake = Handshake::new(config.nonce, config.patience, config.session_time);
        Self {
            random: config.nonce | 1,
            slots_planned: planned.min(MAX_SEQUENCE / 2),
            config,
            phase: Phase::Handshake(handshake),
            session: None,
            records: Vec::new(),
            stream_began: MonotonicTime::default(),
            longest_rtt: Duration::ZERO,
            last_arrival: None,
            sizes: None,
            receipt_missing: false,
            server_path_mtu: None,
            extended: false,
            ignored: 0,
        }
    }

    /// What to do now.
    pub fn poll(&mut self, now: MonotonicTime) -> Output {
        loop {
            let output = match &self.phase {
                Phase::Handshake(_) => self.poll_handshake(now),
                Phase::Stream { slot, pair_due } => {
                    let (slot, pair_due) = (*slot, *pair_due);
                    self.poll_stream(now, slot, pair_due)
                }
                Phase::Drain => self.poll_drain(now),
                Phase::StreamEnded { told } => {
                    let told = *told;
                    self.poll_stream_ended(now, told)
                }
                Phase::Sizes => self.poll_sizes(now),
                Phase::Receipts { .. } => self.poll_receipts(now),
                Phase::Close => Some(self.close()),
                Phase::Finished(end) => Some(Output::Finished(*end)),
            };
            if let Some(output) = output {
                return output;
            }
        }
    }

    /// Hands in a datagram. What is no answer to this client is ignored and counted.
    pub fn received(
        &mut self,
        at: MonotonicTime,
        clock: ClockSource,
        datagram: &[u8],
    ) -> Option<ClientEvent> {
        let bytes = datagram.len();
        let event = match wire::decode(datagram) {
            Ok(Message::Challenge { nonce, token }) => self.challenged(at, nonce, token),
            Ok(Message::Opened(opened)) => self.opened(at, opened),
            Ok(Message::Refused {
                subject,
                code,
                retry_after_ms,
            }) => self.refused(subject, code, retry_after_ms),
            Ok(Message::EchoReply(reply)) => self.answered(at, clock, reply),
            Ok(Message::SizeReply {
                session,
                id,
                received_bytes,
            }) => self.size_answered(session, id, received_bytes, bytes),
            Ok(Message::Receipt(receipt)) => self.receipt_came(&receipt),
            _ => Err(Ignored),
        };
        event.unwrap_or_else(|Ignored| {
            self.ignored += 1;
            None
        })
    }

    /// The echo request left at this time, which is closer to the truth than the time of the poll.
    pub fn departed(&mut self, seq: u32, at: MonotonicTime) {
        if let Some(record) = self.records.get_mut(seq as usize) {
            record.sent = at;
        }
    }

    /// The system refused to send this size probe, since it knows that it is too large.
    pub fn too_large_to_send(&mut self, id: u32) {
        if let Some(sizes) = &mut self.sizes {
            sizes.too_large_to_send(id);
        }
    }

    /// An ICMP message said that nobody listens. It ends the handshake; later it is only a hint,
    /// since anybody can send one.
    pub fn rejected(&mut self) {
        if matches!(self.phase, Phase::Handshake(_)) {
            self.phase = Phase::Finished(End::Rejected);
        }
    }

    /// Adds slots to the stream, once, while [`ClientEvent::StreamEnded`] is the last event.
    pub fn extend(&mut self, now: MonotonicTime, slots: u32) {
        if !matches!(self.phase, Phase::StreamEnded { .. }) || self.extended {
            return;
        }
        self.extended = true;
        let slot = self.slots_planned;
        self.slots_planned = slot.saturating_add(slots).min(MAX_SEQUENCE / 2);
        // The stream goes on from now as if the slots before had been on time.
        let past = self.config.stream.interval * slot;
        let began = now
            .as_nanos()
            .saturating_sub(MonotonicTime::default().after(past).as_nanos());
        self.stream_began = MonotonicTime::from_nanos(began);
        self.phase = Phase::Stream {
            slot,
            pair_due: false,
        };
    }

    /// Ends as soon as possible; what was measured stays.
    pub fn cancel(&mut self) {
        if !matches!(self.phase, Phase::Finished(_)) {
            self.phase = Phase::Finished(End::Cancelled);
        }
    }

    /// The farewell to the server, for a driver that ends early.
    pub fn farewell(&self) -> Option<Vec<u8>> {
        let session = self.session?.session;
        let mut datagram = Vec::new();
        wire::encode(
            &Message::Close { session },
            MIN_ECHO_BYTES.into(),
            &mut datagram,
        );
        Some(datagram)
    }

    /// Every echo request so far, warm-up included, by sequence number.
    pub fn records(&self) -> &[EchoRecord] {
        &self.records
    }

    /// Echo requests at the start that belong to the warm-up.
    pub fn warmup(&self) -> usize {
        (self.config.stream.warmup_slots as usize).min(self.records.len())
    }

    /// The stream's plan.
    pub fn plan(&self) -> &StreamPlan {
        &self.config.stream
    }

    /// Share of the stream's slots that were sent, for a progress bar.
    pub fn progress(&self) -> f64 {
        let sent = match &self.phase {
            Phase::Handshake(_) => 0,
            Phase::Stream { slot, .. } => *slot,
            _ => self.slots_planned,
        };
        f64::from(sent) / f64::from(self.slots_planned.max(1))
    }

    /// The search for the largest packet, once it began.
    pub fn sizes(&self) -> Option<&SizeSearch> {
        self.sizes.as_ref()
    }

    /// What the server's kernel knows of the path MTU to here.
    pub fn server_path_mtu(&self) -> Option<u16> {
        self.server_path_mtu
    }

    /// The stream was extended.
    pub fn extended(&self) -> bool {
        self.extended
    }

    /// Datagrams that were no answer to this client.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    // ----- handshake

    fn poll_handshake(&mut self, now: MonotonicTime) -> Option<Output> {
        let Phase::Handshake(handshake) = &mut self.phase else {
            return None;
        };
        match handshake.poll(now) {
            Step::Wait(until) => Some(Output::Wait(until)),
            Step::Transmit(datagram) => Some(Output::Transmit(Transmit {
                datagram,
                kind: TransmitKind::Control,
            })),
            Step::GaveUp { attempts, waited } => {
                self.phase = Phase::Finished(End::NoAnswer { attempts, waited });
                None
            }
        }
    }

    fn challenged(&mut self, at: MonotonicTime, nonce: u64, token: Token) -> Told {
        let Phase::Handshake(handshake) = &mut self.phase else {
            return Err(Ignored);
        };
        if handshake.challenged(at, nonce, token) {
            Ok(None)
        } else {
            Err(Ignored)
        }
    }

    fn opened(&mut self, at: MonotonicTime, opened: Opened) -> Told {
        let Phase::Handshake(handshake) = &self.phase else {
            return Err(Ignored);
        };
        let round_trip = handshake.opened(at, opened.nonce).ok_or(Ignored)?;
        self.longest_rtt = round_trip;
        self.stay_within(opened);
        self.session = Some(opened);
        self.stream_began = at;
        self.phase = Phase::Stream {
            slot: 0,
            pair_due: false,
        };
        Ok(Some(ClientEvent::Opened {
            round_trip,
            wall_unix_ns: opened.wall_unix_ns,
        }))
    }

    /// Plans no more than the server grants.
    fn stay_within(&mut self, opened: Opened) {
        let stream = &mut self.config.stream;
        let largest = opened
            .max_datagram_bytes
            .clamp(MIN_ECHO_BYTES, MAX_DATAGRAM_BYTES);
        stream.payload_bytes = stream.payload_bytes.clamp(MIN_ECHO_BYTES, largest);
        // A third is left for pairs and some for the random phase.
        let rate = f64::from(opened.max_packets_per_second.max(1)) * 0.6;
        stream.interval = stream.interval.max(Duration::from_secs_f64(1.0 / rate));
        // Half of the session is left for the size search, the receipts and an extension.
        let half = Duration::from_millis(u64::from(opened.max_session_ms) / 2);
        let fit = half.as_nanos() / stream.interval.as_nanos().max(1);
        self.slots_planned = self
            .slots_planned
            .min(u32::try_from(fit).unwrap_or(u32::MAX));
    }

    fn refused(&mut self, subject: u64, code: RefusalCode, retry_after_ms: u32) -> Told {
        let ours = match (&self.phase, self.session) {
            (Phase::Finished(_), _) => false,
            (_, Some(session)) => subject == session.session,
            (_, None) => subject == self.config.nonce,
        };
        // "Too fast" costs packets, not the session.
        if !ours {
            return Err(Ignored);
        }
        if self.session.is_none() {
            let retry_after = Duration::from_millis(u64::from(retry_after_ms));
            self.phase = Phase::Finished(End::Refused { code, retry_after });
        }
        Ok(None)
    }

    // ----- echo stream

    fn poll_stream(&mut self, now: MonotonicTime, slot: u32, pair_due: bool) -> Option<Output> {
        if slot >= self.slots_planned {
            self.phase = Phase::Drain;
            return None;
        }
        let due = self.slot_time(slot);
        if now < due {
            return Some(Output::Wait(due));
        }
        let plan = self.config.stream;
        let in_pair = plan.pair_every > 0
            && slot >= plan.warmup_slots
            && slot % plan.pair_every == plan.pair_every - 1;
        self.phase = if in_pair && !pair_due {
            Phase::Stream {
                slot,
                pair_due: true,
            }
        } else {
            Phase::Stream {
                slot: slot + 1,
                pair_due: false,
            }
        };
        Some(self.echo(now))
    }

    /// A slot's own time: even spacing plus a random phase that depends on the slot alone.
    fn slot_time(&self, slot: u32) -> MonotonicTime {
        let interval = self.config.stream.interval;
        let mut state = self.random ^ (u64::from(slot) << 20) ^ 0x9E37_79B9_7F4A_7C15;
        for _ in 0..3 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
        }
        let unit = (state >> 11) as f64 / (1_u64 << 53) as f64;
        let phase = interval.mul_f64(self.config.stream.phase.clamp(0.0, 0.5) * 2.0 * unit);
        self.stream_began.after(interval * slot + phase)
    }

    fn echo(&mut self, now: MonotonicTime) -> Output {
        let seq = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        self.records.push(EchoRecord::new(seq, now));
        let echo = Echo {
            session: self.session.map_or(0, |s| s.session),
            seq,
            departure_ns: now.as_nanos(),
        };
        let total = usize::from(self.config.stream.payload_bytes);
        transmit(&Message::Echo(echo), total, TransmitKind::Echo(seq))
    }

    fn answered(&mut self, at: MonotonicTime, clock: ClockSource, reply: EchoReply) -> Told {
        if Some(reply.session) != self.session.map(|s| s.session) {
            return Err(Ignored);
        }
        let warmup = self.config.stream.warmup_slots;
        let record = self.records.get_mut(reply.seq as usize).ok_or(Ignored)?;
        let times = ReplyTimes::of(&reply, at, clock);
        if !times.are_possible(record.sent) {
            return Err(Ignored);
        }
        let first = record.note_reply(reply.copy, times);
        let (rtt_ns, sent) = (record.rtt_ns(), record.sent);
        self.note_window(reply);
        self.last_arrival = self.last_arrival.max(Some(at));
        let Some(rtt_ns) = rtt_ns.filter(|_| first) else {
            return Ok(None);
        };
        self.longest_rtt = self.longest_rtt.max(at.since(sent));
        Ok(Some(ClientEvent::Answered {
            seq: reply.seq,
            warmup: reply.seq < warmup,
            rtt_ns,
            sent,
        }))
    }

    /// What the server saw before this request: a set bit is certain, an unset one may still change.
    fn note_window(&mut self, reply: EchoReply) {
        for back in 0..64 {
            let Some(seq) = reply.seq.checked_sub(back) else {
                return;
            };
            let reached = reply.window & (1 << back) != 0;
            if let Some(record) = self.records.get_mut(seq as usize)
                && (reached || record.reached_server.is_none())
            {
                record.reached_server = Some(reached);
            }
        }
    }

    /// How long an answer is awaited: three of the longest round trips seen, within bounds.
    fn patience(&self) -> Duration {
        (self.longest_rtt * 3).clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE)
    }

    fn poll_drain(&mut self, now: MonotonicTime) -> Option<Output> {
        let patience = self.patience();
        let last_wait = self
            .records
            .iter()
            .filter(|record| record.reply.is_none())
            .map(|record| record.sent.after(patience))
            .filter(|until| *until > now)
            .max();
        if let Some(until) = last_wait {
            return Some(Output::Wait(until));
        }
        self.phase = Phase::StreamEnded { told: false };
        None
    }

    fn poll_stream_ended(&mut self, now: MonotonicTime, told: bool) -> Option<Output> {
        if !told {
            self.phase = Phase::StreamEnded { told: true };
            return Some(Output::Event(ClientEvent::StreamEnded));
        }
        self.phase = match (self.config.headers, self.is_silent()) {
            (Some(headers), false) => self.begin_sizes(now, headers),
            (Some(_), true) => receipts_from(now, 0),
            // Over a stream nothing is lost, so there is nothing to be told.
            (None, false) => Phase::Close,
            (None, true) => Phase::Finished(End::Vanished),
        };
        None
    }

    fn begin_sizes(&mut self, now: MonotonicTime, headers: u16) -> Phase {
        let rate = self.session.map_or(0, |s| s.max_packets_per_second);
        if rate < SIZE_SEARCH_RATE {
            return receipts_from(now, 0);
        }
        let payload = self.session.map_or(0, |s| s.max_datagram_bytes);
        let largest = payload.saturating_add(headers);
        self.sizes = Some(SizeSearch::new(headers, largest, self.longest_rtt));
        Phase::Sizes
    }

    /// Nothing came in at the end of the stream, although packets were on their way.
    fn is_silent(&self) -> bool {
        let Some(last) = self.records.last() else {
            return true;
        };
        self.last_arrival
            .is_none_or(|at| last.sent.since(at) >= VANISHED_AFTER)
    }

    // ----- sizes and receipts

    fn poll_sizes(&mut self, now: MonotonicTime) -> Option<Output> {
        let session = self.session.map_or(0, |s| s.session);
        let sizes = self.sizes.as_mut()?;
        if let Some(probe) = sizes.poll(now) {
            let message = Message::SizeProbe {
                session,
                id: probe.id,
                reply_bytes: probe.reply_bytes,
            };
            let kind = TransmitKind::SizeProbe(probe.id);
            return Some(transmit(&message, probe.payload_bytes.into(), kind));
        }
        if let Some(until) = sizes.next_at() {
            return Some(Output::Wait(until));
        }
        self.phase = receipts_from(now, 0);
        None
    }

    fn size_answered(&mut self, session: u64, id: u32, received: u16, bytes: usize) -> Told {
        if Some(session) != self.session.map(|s| s.session) {
            return Err(Ignored);
        }
        let sizes = self.sizes.as_mut().ok_or(Ignored)?;
        sizes.answered(id, received, bytes);
        Ok(None)
    }

    fn poll_receipts(&mut self, now: MonotonicTime) -> Option<Output> {
        let pause = self.longest_rtt * 3 / 2 + Duration::from_millis(40);
        let n_sent = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        let Phase::Receipts {
            base,
            tries,
            next_at,
        } = &mut self.phase
        else {
            return None;
        };
        let base = *base;
        if base >= n_sent {
            self.phase = Phase::Close;
            return None;
        }
        if *tries > 0 && now < *next_at {
            return Some(Output::Wait(*next_at));
        }
        if *tries >= RECEIPT_TRIES {
            self.receipt_missing = true;
            self.phase = if self.is_silent() {
                Phase::Finished(End::Vanished)
            } else {
                Phase::Close
            };
            return None;
        }
        *tries += 1;
        *next_at = now.after(pause);
        let session = self.session.map_or(0, |s| s.session);
        let request = Message::ReceiptRequest { session, base };
        Some(transmit(&request, RECEIPT_BYTES, TransmitKind::Control))
    }

    fn receipt_came(&mut self, receipt: &Receipt) -> Told {
        let expected = matches!(self.phase, Phase::Receipts { base, .. } if base == receipt.base);
        if !expected || Some(receipt.session) != self.session.map(|s| s.session) {
            return Err(Ignored);
        }
        self.server_path_mtu = (receipt.path_mtu > 0).then_some(receipt.path_mtu);
        for record in &mut self.records {
            if let Some(reached) = receipt.contains(record.seq) {
                // An answer is better evidence than a receipt that denies its request.
                record.reached_server = Some(reached || record.reply.is_some());
            }
        }
        let next = receipt.base.saturating_add(RECEIPT_SPAN);
        self.phase = receipts_from(MonotonicTime::default(), next);
        Ok(None)
    }

    fn close(&mut self) -> Output {
        self.phase = Phase::Finished(End::Complete);
        let session = self.session.map_or(0, |s| s.session);
        transmit(
            &Message::Close { session },
            MIN_ECHO_BYTES.into(),
            TransmitKind::Control,
        )
    }
}

/// A datagram that is no answer to this client.
struct Ignored;

type Told = Result<Option<ClientEvent>, Ignored>;

fn receipts_from(next_at: MonotonicTime, base: u32) -> Phase {
    Phase::Receipts {
        base,
        tries: 0,
        next_at,
    }
}

fn transmit(message: &Message, total: usize, kind: TransmitKind) -> Output {
    let mut datagram = Vec::new();
    wire::encode(message, total, &mut datagram);
    Output::Transmit(Transmit { datagram, kind })
}
