//! One session of the responder: what came in, and how much more may.

use std::net::SocketAddr;
use std::time::Duration;

use super::responder::loads::SessionLoads;
use super::time::MonotonicTime;
use super::wire::{RECEIPT_SPAN, Receipt};

/// Sequence numbers that a session counts. Requests beyond are not answered; at 500 packets a
/// second they last for more than a minute, longer than a session.
pub const MAX_SEQUENCE: u32 = 32_768;

/// A session of one client.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) from: SocketAddr,
    pub(super) nonce: u64,
    pub(super) expires: MonotonicTime,
    pub(super) budget: TokenBucket,
    pub(super) warned: Option<MonotonicTime>,
    /// When anything of it came in last.
    pub(super) heard: MonotonicTime,
    pub(super) loads: SessionLoads,
    received: u32,
    duplicates: u32,
    seen: Vec<u8>,
    copies: Copies,
}

impl Session {
    pub(super) fn new(
        from: SocketAddr,
        nonce: u64,
        expires: MonotonicTime,
        budget: TokenBucket,
    ) -> Self {
        Self {
            from,
            nonce,
            expires,
            budget,
            warned: None,
            heard: MonotonicTime::default(),
            loads: SessionLoads::default(),
            received: 0,
            duplicates: 0,
            seen: Vec::new(),
            copies: Copies::default(),
        }
    }

    /// Notes that request `seq` came in. Returns which copy it is, 1 for the first; `None` beyond
    /// [`MAX_SEQUENCE`].
    pub(super) fn note(&mut self, seq: u32) -> Option<u16> {
        if seq >= MAX_SEQUENCE {
            return None;
        }
        let (byte, mask) = bit(seq);
        if byte >= self.seen.len() {
            self.seen.resize(byte + 1, 0);
        }
        if self.seen[byte] & mask == 0 {
            self.seen[byte] |= mask;
            self.received += 1;
            return Some(1);
        }
        self.duplicates = self.duplicates.saturating_add(1);
        Some(self.copies.next(seq))
    }

    pub(super) fn received(&self) -> u32 {
        self.received
    }

    /// Bit `i` is set when request `seq - i` came in.
    pub(super) fn window(&self, seq: u32) -> u64 {
        (0..64)
            .filter(|back| seq.checked_sub(*back).is_some_and(|s| self.has(s)))
            .fold(0, |window, back| window | (1 << back))
    }

    pub(super) fn receipt(&self, id: u64, base: u32) -> Receipt {
        let mut bitmap = Box::new([0; RECEIPT_SPAN as usize / 8]);
        for index in 0..RECEIPT_SPAN {
            if base.checked_add(index).is_some_and(|seq| self.has(seq)) {
                let (byte, mask) = bit(index);
                bitmap[byte] |= mask;
            }
        }
        Receipt {
            session: id,
            base,
            received: self.received,
            duplicates: self.duplicates,
            path_mtu: 0,
            bitmap,
        }
    }

    fn has(&self, seq: u32) -> bool {
        let (byte, mask) = bit(seq);
        self.seen.get(byte).is_some_and(|b| b & mask != 0)
    }
}

fn bit(seq: u32) -> (usize, u8) {
    ((seq / 8) as usize, 0x80 >> (seq % 8))
}

/// How often the last duplicated requests came in. Copies made by a network arrive close together,
/// so a few places are enough; one that fell out is numbered 2 again.
#[derive(Debug, Default)]
struct Copies {
    places: [(u32, u16); 8],
    next: usize,
}

impl Copies {
    fn next(&mut self, seq: u32) -> u16 {
        if let Some(place) = self.places.iter_mut().find(|p| p.1 > 0 && p.0 == seq) {
            place.1 = place.1.saturating_add(1);
            return place.1;
        }
        self.places[self.next] = (seq, 2);
        self.next = (self.next + 1) % self.places.len();
        2
    }
}

/// A budget that refills with time.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    tokens: f64,
    capacity: f64,
    per_second: f64,
    filled_at: MonotonicTime,
}

impl TokenBucket {
    /// A full bucket of `capacity` that refills by `per_second`.
    pub fn new(now: MonotonicTime, per_second: u32, capacity: u32) -> Self {
        Self {
            tokens: f64::from(capacity),
            capacity: f64::from(capacity),
            per_second: f64::from(per_second),
            filled_at: now,
        }
    }

    /// Takes one token, if there is one.
    pub fn take(&mut self, now: MonotonicTime) -> bool {
        self.refill(now);
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }

    /// Whether nothing was taken for so long that it is full again.
    pub fn is_full(&mut self, now: MonotonicTime) -> bool {
        self.refill(now);
        self.tokens >= self.capacity
    }

    fn refill(&mut self, now: MonotonicTime) {
        let elapsed: Duration = now.since(self.filled_at);
        self.filled_at = self.filled_at.max(now);
        self.tokens = (self.tokens + elapsed.as_secs_f64() * self.per_second).min(self.capacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let now = MonotonicTime::default();
        let from = "192.0.2.1:1".parse().unwrap();
        Session::new(from, 1, now, TokenBucket::new(now, 1, 1))
    }

    #[test]
    fn copies_are_counted_and_receipts_tell_what_came_in() {
        let mut session = session();
        assert_eq!(session.note(0), Some(1));
        assert_eq!(session.note(2), Some(1));
        assert_eq!(session.note(2), Some(2));
        assert_eq!(session.note(2), Some(3));
        assert_eq!(session.window(2), 0b101);
        let receipt = session.receipt(7, 0);
        assert_eq!((receipt.received, receipt.duplicates), (2, 2));
        assert_eq!(receipt.contains(1), Some(false));
        assert_eq!(receipt.contains(2), Some(true));
        assert_eq!(receipt.contains(1024), None);
    }

    #[test]
    fn a_sequence_number_out_of_bounds_takes_no_memory() {
        let mut session = session();
        assert_eq!(session.note(u32::MAX), None);
        assert!(session.seen.is_empty());
        assert_eq!(session.receipt(7, u32::MAX).contains(u32::MAX), Some(false));
    }

    #[test]
    fn a_bucket_refills_with_time_only() {
        let start = MonotonicTime::default();
        let mut bucket = TokenBucket::new(start, 10, 2);
        assert!(bucket.take(start) && bucket.take(start) && !bucket.take(start));
        let later = start.after(Duration::from_millis(100));
        assert!(bucket.take(later) && !bucket.take(start));
    }
}
