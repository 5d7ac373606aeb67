//! Search for the largest packet that comes through, each direction apart.
//!
//! Candidates of one round leave together, each up to four times, so that a round costs one
//! round trip when everything comes through.
//!
//! Source: RFC 8899 (datagram packetization layer path MTU discovery), searched in parallel
//! instead of one size after the other, since a call is waiting.

use std::collections::BTreeMap;
use std::time::Duration;

use greenroom_reports::model::path::PathMtu;
use greenroom_reports::units::ByteCount;

use super::time::MonotonicTime;
use super::wire::SIZE_FIELDS;

/// Largest IP packet that is tried: Ethernet's.
pub const LARGEST: u16 = 1500;

/// Times that a size is sent before it counts as lost. At 10 % loss each way a size that does fit
/// is taken for lost once in a thousand.
const TRIES: u8 = 4;

/// Candidates of one round and direction when the gap is narrowed: eight make a gap of 20 bytes
/// exact in two rounds.
const PARTS: u16 = 8;

/// Sizes at which paths commonly end: IPv6's least, tunnels, WireGuard, L2TP, GRE, PPPoE, Ethernet.
const LADDER: [u16; 10] = [576, 1000, 1200, 1280, 1380, 1420, 1450, 1476, 1492, 1500];

/// A direction of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// To the server.
    Up,
    /// From the server.
    Down,
}

/// A probe to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Identifies it in its answer.
    pub id: u32,
    /// UDP payload of the probe.
    pub payload_bytes: u16,
    /// UDP payload that its answer is to have.
    pub reply_bytes: u16,
}

/// The search of both directions.
#[derive(Debug)]
pub struct SizeSearch {
    headers: u16,
    largest: u16,
    patience: Duration,
    spacing: Duration,
    up: Side,
    down: Side,
    next_id: u32,
    open: BTreeMap<u32, Candidate>,
    any_answer: bool,
    over: bool,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    way: Way,
    size: u16,
    tries: u8,
    next_at: MonotonicTime,
}

#[derive(Debug, Default)]
struct Side {
    fits: u16,
    too_large: Option<u16>,
    signaled: bool,
    /// The size that was tried once more after the search had closed in on it: a burst of losses
    /// can swallow every try of a size that does fit.
    confirmed: Option<u16>,
}

impl SizeSearch {
    /// A search up to `largest` bytes of IP packet, over a path with these bytes of IP and UDP
    /// headers and this longest round trip.
    pub fn new(headers: u16, largest: u16, rtt: Duration) -> Self {
        Self {
            headers,
            largest: largest.min(LARGEST),
            patience: rtt * 3 / 2 + Duration::from_millis(30),
            spacing: Duration::from_millis(15),
            up: Side::default(),
            down: Side::default(),
            next_id: 0,
            open: BTreeMap::new(),
            any_answer: false,
            over: false,
        }
    }

    /// The next probe to send now.
    pub fn poll(&mut self, now: MonotonicTime) -> Option<Probe> {
        self.give_up_on_silent(now);
        if self.open.is_empty() && !self.over {
            self.begin_round(now);
        }
        let due = self
            .open
            .iter_mut()
            .find(|(_, c)| c.tries < TRIES && c.next_at <= now);
        let (id, candidate) = due?;
        candidate.tries += 1;
        let pause = if candidate.tries < TRIES {
            self.spacing
        } else {
            self.patience
        };
        candidate.next_at = now.after(pause);
        let (id, candidate) = (*id, *candidate);
        Some(self.probe(id, candidate))
    }

    /// When [`SizeSearch::poll`] has to be called again; `None` when the search is over.
    pub fn next_at(&self) -> Option<MonotonicTime> {
        self.open.values().map(|c| c.next_at).min()
    }

    /// Notes an answer: a probe of `received` payload bytes came in, its answer had `bytes`.
    pub fn answered(&mut self, id: u32, received: u16, bytes: usize) {
        let Some(candidate) = self.open.get(&id).copied() else {
            return;
        };
        let arrived = match candidate.way {
            Way::Up => usize::from(received),
            Way::Down => bytes,
        };
        if arrived < usize::from(candidate.size.saturating_sub(self.headers)) {
            return;
        }
        self.any_answer = true;
        self.open.remove(&id);
        let side = self.side(candidate.way);
        side.fits = side.fits.max(candidate.size);
        let fits = side.fits;
        // What is smaller than something that came through need not be waited for.
        self.open
            .retain(|_, c| c.way != candidate.way || c.size > fits);
    }

    /// The system refused to send this probe, since it knows that it is too large.
    pub fn too_large_to_send(&mut self, id: u32) {
        if let Some(candidate) = self.open.remove(&id) {
            let side = self.side(candidate.way);
            side.signaled = true;
            side.note_too_large(candidate.size);
        }
    }

    /// The largest packet of a direction. `known` is what the sending side's kernel was told of the
    /// path MTU. `None` when no probe came back at all.
    pub fn result(&self, way: Way, known: Option<u16>) -> Option<PathMtu> {
        let side = match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        };
        let tried = side.too_large.map_or(side.fits, |_| self.largest);
        // An interface or a router that says "too large" lets a sender adapt; a few bytes of
        // difference come from lost probes.
        let told = side.signaled || known.is_some_and(|mtu| mtu <= side.fits.saturating_add(8));
        (side.fits > 0).then(|| PathMtu {
            bytes: ByteCount::new(u64::from(side.fits)),
            largest_tried_bytes: ByteCount::new(u64::from(tried)),
            black_hole: side.too_large.is_some() && !told,
        })
    }

    fn probe(&self, id: u32, candidate: Candidate) -> Probe {
        let large = candidate.size.saturating_sub(self.headers);
        let small = u16::try_from(SIZE_FIELDS).unwrap_or(u16::MAX);
        let (payload_bytes, reply_bytes) = match candidate.way {
            Way::Up => (large, small),
            Way::Down => (small, large),
        };
        Probe {
            id,
            payload_bytes,
            reply_bytes,
        }
    }

    fn give_up_on_silent(&mut self, now: MonotonicTime) {
        let silent: Vec<u32> = self
            .open
            .iter()
            .filter(|(_, c)| c.tries >= TRIES && c.next_at <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in silent {
            if let Some(candidate) = self.open.remove(&id) {
                self.side(candidate.way).note_too_large(candidate.size);
            }
        }
    }

    fn begin_round(&mut self, now: MonotonicTime) {
        let first = self.next_id == 0;
        // Nothing at all came back: there is no path to search.
        if !first && !self.any_answer {
            self.over = true;
            return;
        }
        for way in [Way::Up, Way::Down] {
            let largest = self.largest;
            for size in self.side(way).candidates(first, largest) {
                let candidate = Candidate {
                    way,
                    size,
                    tries: 0,
                    next_at: now,
                };
                self.open.insert(self.next_id, candidate);
                self.next_id += 1;
            }
        }
        self.over = self.open.is_empty();
    }

    fn side(&mut self, way: Way) -> &mut Side {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}

impl Side {
    fn note_too_large(&mut self, size: u16) {
        // Loss can make a size look too large although a larger one came through.
        if size > self.fits {
            self.too_large = Some(self.too_large.map_or(size, |known| known.min(size)));
        }
    }

    /// Sizes to try next: the ends first, then the common ones, then the gap in equal parts, then
    /// once more the smallest that is too large.
    fn candidates(&mut self, first: bool, largest: u16) -> Vec<u16> {
        if first {
            let below = [LADDER[0], 1280].into_iter().filter(|size| *size < largest);
            return below.chain([largest]).collect();
        }
        self.too_large = self.too_large.filter(|size| *size > self.fits);
        let Some(too_large) = self.too_large else {
            // A size that was taken for too large came through after all: begin above it.
            return if self.fits < largest {
                vec![largest]
            } else {
                Vec::new()
            };
        };
        let between = |size: &u16| self.fits < *size && *size < too_large;
        let common: Vec<u16> = LADDER.into_iter().filter(between).collect();
        let mut next = if common.is_empty() {
            even_parts(self.fits, too_large)
        } else {
            common
        };
        if next.is_empty() && !self.signaled && self.confirmed != Some(too_large) {
            self.confirmed = Some(too_large);
            next.push(too_large);
        }
        next
    }
}

fn even_parts(low: u16, high: u16) -> Vec<u16> {
    let gap = u32::from(high - low);
    let parts = u32::from(PARTS + 1).min(gap);
    (1..parts)
        .filter_map(|part| u16::try_from(u32::from(low) + gap * part / parts).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the search over a path that carries packets up to these sizes, in virtual time.
    fn search(up: u16, down: u16, drop_every: Option<u32>) -> SizeSearch {
        let rtt = Duration::from_millis(20);
        let mut search = SizeSearch::new(28, LARGEST, rtt);
        let mut now = MonotonicTime::default();
        let mut in_flight: Vec<(MonotonicTime, Probe)> = Vec::new();
        let mut n_sent = 0;
        loop {
            while let Some(probe) = search.poll(now) {
                n_sent += 1;
                let fits = probe.payload_bytes + 28 <= up && probe.reply_bytes + 28 <= down;
                if fits && drop_every.is_none_or(|n| n_sent % n != 0) {
                    in_flight.push((now.after(rtt), probe));
                }
            }
            let Some(at) = search.next_at() else {
                return search;
            };
            let arrival = in_flight.iter().map(|(at, _)| *at).min();
            now = arrival.map_or(at, |a| a.min(at)).max(now);
            let (due, later) = in_flight.into_iter().partition(|(at, _)| *at <= now);
            in_flight = later;
            for (_, probe) in due {
                let probe: Probe = probe;
                search.answered(
                    probe.id,
                    probe.payload_bytes,
                    usize::from(probe.reply_bytes),
                );
            }
            assert!(now.as_nanos() < 3_000_000_000, "the search takes too long");
        }
    }

    fn bytes(search: &SizeSearch, way: Way) -> u64 {
        search
            .result(way, None)
            .unwrap_or_else(|| panic!("no {way:?}: {search:?}"))
            .bytes
            .get()
    }

    #[test]
    fn an_ethernet_path_is_found_in_one_round() {
        let search = search(1500, 1500, None);
        let up = search.result(Way::Up, None).unwrap();
        assert_eq!(up.bytes.get(), 1500);
        assert!(!up.black_hole);
        assert_eq!(search.next_id, 6);
    }

    #[test]
    fn every_size_is_found_exactly_in_each_direction() {
        for size in (577..1500).step_by(7) {
            let search = search(size, 1500 - (size - 577) / 2, None);
            assert_eq!(bytes(&search, Way::Up), u64::from(size));
            assert_eq!(
                bytes(&search, Way::Down),
                u64::from(1500 - (size - 577) / 2)
            );
        }
    }

    #[test]
    fn loss_does_not_make_a_path_look_narrow() {
        for every in 2..9 {
            assert_eq!(bytes(&search(1500, 1500, Some(every)), Way::Up), 1500);
        }
    }

    #[test]
    fn a_size_that_somebody_reported_is_no_black_hole() {
        let search = search(1400, 1400, None);
        assert!(search.result(Way::Up, None).unwrap().black_hole);
        assert!(search.result(Way::Up, Some(1500)).unwrap().black_hole);
        assert!(!search.result(Way::Up, Some(1400)).unwrap().black_hole);
    }

    #[test]
    fn a_silent_path_gives_no_answer_and_ends() {
        assert_eq!(search(0, 0, None).result(Way::Up, None), None);
    }
}
