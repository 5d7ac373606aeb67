//! One 5-tuple towards the server: its session, and an echo stream that shows the delay on it.

use std::time::Duration;

use greenroom_reports::model::path::ClockSource;

use super::super::super::handshake::{Handshake, Step};
use super::super::super::limits::MIN_ECHO_BYTES;
use super::super::super::record::{EchoRecord, ReplyTimes};
use super::super::super::session::MAX_SEQUENCE;
use super::super::super::time::MonotonicTime;
use super::super::super::wire::{self, Echo, EchoReply, Message, Opened, RefusalCode};

/// UDP payload of an echo: as small as they come, since they take from what is measured.
pub(crate) const ECHO_BYTES: u16 = MIN_ECHO_BYTES;

/// Why a flow has no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowFailure {
    /// Nobody answered.
    NoAnswer {
        /// Packets sent.
        attempts: u32,
        /// How long was waited.
        waited: Duration,
    },
    /// The server refused.
    Refused {
        /// Why.
        code: RefusalCode,
        /// When to try again; zero when not said.
        retry_after: Duration,
    },
}

/// The flow.
#[derive(Debug)]
pub(crate) struct Flow {
    nonce: u64,
    handshake: Handshake,
    session: Option<Opened>,
    failure: Option<FlowFailure>,
    interval: Duration,
    next_echo: Option<MonotonicTime>,
    records: Vec<EchoRecord>,
    last_heard: Option<MonotonicTime>,
}

impl Flow {
    /// A flow that has not begun; it sends an echo every `interval` once it is open.
    pub(crate) fn new(
        nonce: u64,
        patience: Duration,
        session_time: Duration,
        interval: Duration,
    ) -> Self {
        Self {
            nonce,
            handshake: Handshake::new(nonce, patience, session_time),
            session: None,
            failure: None,
            interval,
            next_echo: None,
            records: Vec::new(),
            last_heard: None,
        }
    }

    pub(crate) fn session(&self) -> Option<u64> {
        self.session.map(|opened| opened.session)
    }

    pub(crate) fn failure(&self) -> Option<FlowFailure> {
        self.failure
    }

    /// Every echo so far.
    pub(crate) fn records(&self) -> &[EchoRecord] {
        &self.records
    }

    /// When anything came in last.
    pub(crate) fn last_heard(&self) -> Option<MonotonicTime> {
        self.last_heard
    }

    /// Spacing of the echoes from now on.
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// The next datagram, if one is due.
    pub(crate) fn poll(&mut self, now: MonotonicTime) -> FlowStep {
        if self.failure.is_some() {
            return FlowStep::Idle;
        }
        if self.session.is_none() {
            return self.poll_handshake(now);
        }
        let due = *self.next_echo.get_or_insert(now);
        if now < due {
            return FlowStep::Wait(due);
        }
        if self.records.len() >= MAX_SEQUENCE as usize {
            return FlowStep::Idle;
        }
        // Late echoes are not made up for: they would be a burst.
        self.next_echo = Some(due.after(self.interval).max(now.after(self.interval / 2)));
        self.echo(now)
    }

    fn poll_handshake(&mut self, now: MonotonicTime) -> FlowStep {
        match self.handshake.poll(now) {
            Step::Transmit(datagram) => FlowStep::Transmit(datagram, None),
            Step::Wait(until) => FlowStep::Wait(until),
            Step::GaveUp { attempts, waited } => {
                self.failure = Some(FlowFailure::NoAnswer { attempts, waited });
                FlowStep::Idle
            }
        }
    }

    fn echo(&mut self, now: MonotonicTime) -> FlowStep {
        let seq = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        self.records.push(EchoRecord::new(seq, now));
        let echo = Message::Echo(Echo {
            session: self.session().unwrap_or(0),
            seq,
            departure_ns: now.as_nanos(),
        });
        let mut datagram = Vec::new();
        wire::encode(&echo, ECHO_BYTES.into(), &mut datagram);
        FlowStep::Transmit(datagram, Some(seq))
    }

    /// The echo left at this time, which is closer to the truth than that of the poll.
    pub(crate) fn departed(&mut self, seq: u32, at: MonotonicTime) {
        if let Some(record) = self.records.get_mut(seq as usize) {
            record.sent = at;
        }
    }

    /// Takes a message that is about the session itself or its echoes; false when it is not.
    pub(crate) fn received(
        &mut self,
        at: MonotonicTime,
        clock: ClockSource,
        message: &Message,
    ) -> bool {
        let ours = match message {
            Message::Challenge { nonce, token } if self.session.is_none() => {
                self.handshake.challenged(at, *nonce, *token)
            }
            Message::Opened(opened) if self.session.is_none() => self.open(at, *opened),
            Message::Refused {
                subject,
                code,
                retry_after_ms,
            } if self.session.is_none() && *subject == self.nonce => {
                self.failure = Some(FlowFailure::Refused {
                    code: *code,
                    retry_after: Duration::from_millis(u64::from(*retry_after_ms)),
                });
                true
            }
            Message::EchoReply(reply) => self.answered(at, clock, *reply),
            _ => false,
        };
        if ours {
            self.heard(at);
        }
        ours
    }

    /// Something of this session came in.
    pub(crate) fn heard(&mut self, at: MonotonicTime) {
        self.last_heard = self.last_heard.max(Some(at));
    }

    fn open(&mut self, at: MonotonicTime, opened: Opened) -> bool {
        let ours = self.handshake.opened(at, opened.nonce).is_some();
        if ours {
            self.session = Some(opened);
        }
        ours
    }

    fn answered(&mut self, at: MonotonicTime, clock: ClockSource, reply: EchoReply) -> bool {
        if Some(reply.session) != self.session() {
            return false;
        }
        let Some(record) = self.records.get_mut(reply.seq as usize) else {
            return false;
        };
        let times = ReplyTimes::of(&reply, at, clock);
        let possible = times.are_possible(record.sent);
        if possible {
            record.note_reply(reply.copy, times);
        }
        possible
    }
}

/// What a flow has to do.
#[derive(Debug)]
pub(crate) enum FlowStep {
    /// Send this; it is the echo of this number.
    Transmit(Vec<u8>, Option<u32>),
    /// Nothing before this time.
    Wait(MonotonicTime),
    /// Nothing.
    Idle,
}
