//! The client's half of the handshake: hello and open, repeated until they are answered.

use std::time::Duration;

use super::time::MonotonicTime;
use super::token::Token;
use super::wire::{self, HELLO_BYTES, Message, OPEN_BYTES};

/// Pauses before the handshake's packets are repeated; the last one is used for all that follow.
/// Shorter than RFC 8489's 500 ms, since a person waits and the packets are few.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(80),
    Duration::from_millis(120),
    Duration::from_millis(160),
    Duration::from_millis(200),
    Duration::from_millis(240),
];

/// A handshake under way.
#[derive(Debug)]
pub(super) struct Handshake {
    nonce: u64,
    patience: Duration,
    duration_ms: u32,
    began: Option<MonotonicTime>,
    token: Option<Token>,
    token_sent: Option<MonotonicTime>,
    attempts: u32,
    pauses: usize,
    next_at: MonotonicTime,
}

/// What to do now.
#[derive(Debug)]
pub(super) enum Step {
    /// Send this.
    Transmit(Vec<u8>),
    /// Nothing before this time.
    Wait(MonotonicTime),
    /// Nobody answers.
    GaveUp {
        /// Packets sent.
        attempts: u32,
        /// How long was waited.
        waited: Duration,
    },
}

impl Handshake {
    /// One that has not begun.
    pub(super) fn new(nonce: u64, patience: Duration, session_time: Duration) -> Self {
        Self {
            nonce,
            patience,
            duration_ms: u32::try_from(session_time.as_millis()).unwrap_or(u32::MAX),
            began: None,
            token: None,
            token_sent: None,
            attempts: 0,
            pauses: 0,
            next_at: MonotonicTime::default(),
        }
    }

    /// What to do now.
    pub(super) fn poll(&mut self, now: MonotonicTime) -> Step {
        let began = *self.began.get_or_insert(now);
        let waited = now.since(began);
        if waited >= self.patience {
            let attempts = self.attempts;
            return Step::GaveUp { attempts, waited };
        }
        if self.attempts > 0 && now < self.next_at {
            return Step::Wait(self.next_at.min(began.after(self.patience)));
        }
        let pause = PAUSES[self.pauses.min(PAUSES.len() - 1)];
        self.pauses += 1;
        self.attempts += 1;
        self.next_at = now.after(pause);
        Step::Transmit(self.packet(now))
    }

    fn packet(&mut self, now: MonotonicTime) -> Vec<u8> {
        let nonce = self.nonce;
        let (message, total) = match self.token {
            None => (Message::Hello { nonce }, HELLO_BYTES),
            Some(token) => {
                self.token_sent.get_or_insert(now);
                let open = Message::Open {
                    nonce,
                    token,
                    duration_ms: self.duration_ms,
                };
                (open, OPEN_BYTES)
            }
        };
        let mut datagram = Vec::new();
        wire::encode(&message, total, &mut datagram);
        datagram
    }

    /// Takes a challenge; false when it is none of ours, or not the first.
    pub(super) fn challenged(&mut self, at: MonotonicTime, nonce: u64, token: Token) -> bool {
        if nonce != self.nonce || self.token.is_some() {
            return false;
        }
        self.token = Some(token);
        self.pauses = 0;
        self.next_at = at;
        true
    }

    /// Round trip of an opening, server time included; `None` when it is not ours.
    pub(super) fn opened(&self, at: MonotonicTime, nonce: u64) -> Option<Duration> {
        let asked = self.token_sent.filter(|_| nonce == self.nonce)?;
        Some(at.since(asked))
    }
}
