//! What a receiver notes of a load.

use super::super::time::MonotonicTime;
use super::wire::{LoadReport, MAX_NOTES, NOTE_UNIT_NS};

/// Arrivals noted one by one. At 1200 bytes they are 1.3 s of 100 Mbit/s; beyond, only totals grow.
pub const MAX_NOTED: usize = 16_384;
/// Sequence numbers whose copies are told apart; more than any load may have packets.
pub const MAX_LOAD_PACKETS: u32 = 1 << 22;

/// One packet that came in for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// Sequence number.
    pub seq: u32,
    /// When, on the receiver's clock.
    pub at: MonotonicTime,
}

/// Totals of a load so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Different packets.
    pub packets: u32,
    /// Their UDP payload.
    pub bytes: u64,
    /// Second and later copies.
    pub duplicates: u32,
    /// Packets that came in behind a later one.
    pub reordered: u32,
    /// When the first came in.
    pub first: Option<MonotonicTime>,
    /// When the last came in.
    pub last: Option<MonotonicTime>,
}

/// The arrivals of one load. Memory is bounded by the packets granted and [`MAX_NOTED`].
#[derive(Debug)]
pub struct Ledger {
    granted: u32,
    seen: Vec<u64>,
    notes: Vec<Note>,
    totals: Totals,
    highest: Option<u32>,
}

impl Ledger {
    /// An empty one for sequence numbers below `granted`.
    pub fn new(granted: u32) -> Self {
        Self {
            granted: granted.min(MAX_LOAD_PACKETS),
            seen: Vec::new(),
            notes: Vec::new(),
            totals: Totals::default(),
            highest: None,
        }
    }

    /// Notes an arrival; false when it was beyond what is granted, or a copy.
    pub fn note(&mut self, seq: u32, bytes: usize, at: MonotonicTime) -> bool {
        if seq >= self.granted {
            return false;
        }
        let (word, bit) = ((seq / 64) as usize, 1 << (seq % 64));
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        if self.seen[word] & bit != 0 {
            self.totals.duplicates = self.totals.duplicates.saturating_add(1);
            return false;
        }
        self.seen[word] |= bit;
        self.totals.reordered += u32::from(self.highest.is_some_and(|highest| seq < highest));
        self.highest = self.highest.max(Some(seq));
        self.totals.packets += 1;
        self.totals.bytes += bytes as u64;
        self.totals.first.get_or_insert(at);
        self.totals.last = self.totals.last.max(Some(at));
        if self.notes.len() < MAX_NOTED {
            self.notes.push(Note { seq, at });
        }
        true
    }

    /// Arrivals noted one by one, in their order.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Totals so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// What is told of it, from note `base` on.
    pub fn report(&self, session: u64, load: u32, base: u32) -> LoadReport {
        let first = self.totals.first.unwrap_or_default();
        let noted = self.notes.iter().skip(base as usize).take(MAX_NOTES);
        LoadReport {
            session,
            load,
            received: self.totals.packets,
            duplicates: self.totals.duplicates,
            received_bytes: self.totals.bytes,
            first_arrival_ns: first.as_nanos(),
            last_arrival_ns: self.totals.last.unwrap_or_default().as_nanos(),
            noted: u32::try_from(self.notes.len()).unwrap_or(u32::MAX),
            base,
            notes: noted
                .map(|note| (note.seq, since(first, note.at)))
                .collect(),
            ..LoadReport::default()
        }
    }
}

/// Time since the first arrival in the unit of reports. A stamp before the first, which readings
/// of two clocks can give, is told as the first.
fn since(first: MonotonicTime, at: MonotonicTime) -> u32 {
    let units = u64::try_from(at.minus(first)).unwrap_or(0) / NOTE_UNIT_NS;
    u32::try_from(units).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn copies_and_strangers_are_not_counted_as_arrivals() {
        let mut ledger = Ledger::new(10);
        let at = MonotonicTime::from_nanos(5_000);
        assert!(ledger.note(0, 100, at));
        assert!(ledger.note(2, 100, at.after(Duration::from_micros(7))));
        assert!(ledger.note(1, 100, at.after(Duration::from_micros(9))));
        assert!(!ledger.note(1, 100, at));
        assert!(!ledger.note(10, 100, at));
        let totals = ledger.totals();
        assert_eq!(
            (totals.packets, totals.bytes, totals.duplicates),
            (3, 300, 1)
        );
        assert_eq!(totals.reordered, 1);
        let report = ledger.report(7, 8, 1);
        assert_eq!(report.notes, [(2, 70), (1, 90)]);
        assert_eq!((report.noted, report.base), (3, 1));
    }

    #[test]
    fn memory_is_bounded() {
        let mut ledger = Ledger::new(u32::MAX);
        for seq in 0..20_000 {
            ledger.note(seq, 1, MonotonicTime::default());
        }
        assert!(!ledger.note(MAX_LOAD_PACKETS, 1, MonotonicTime::default()));
        assert_eq!(ledger.notes().len(), MAX_NOTED);
        assert_eq!(ledger.totals().packets, 20_000);
    }
}
