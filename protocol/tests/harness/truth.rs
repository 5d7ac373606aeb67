//! What the link's log says happened, worked out without the code under test.

use std::collections::BTreeMap;
use std::time::Duration;

use greenroom_lab::link::{Direction, PacketRecord};

use super::HEADERS;

/// Kinds of the protocol's datagrams, docs/protocol.md.
const ECHO: u8 = 6;
const ECHO_REPLY: u8 = 7;

/// Where a record keeps the datagram.
pub(crate) type Payload = fn(&PacketRecord) -> Option<&[u8]>;

/// The datagram of a packet of this harness, whose headers are zeros.
pub(crate) fn behind_zeros(record: &PacketRecord) -> Option<&[u8]> {
    record.head().get(HEADERS..)
}

/// One echo packet in one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passage {
    pub(crate) seq: u32,
    pub(crate) entered_at: Duration,
    /// `None` when the link dropped it.
    pub(crate) left_at: Option<Duration>,
}

impl Passage {
    fn transit_ms(&self) -> Option<f64> {
        let transit = self.left_at?.checked_sub(self.entered_at)?;
        Some(transit.as_secs_f64() * 1e3)
    }
}

/// Echo packets of both directions by sequence number, copies left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    up: BTreeMap<u32, Passage>,
    down: BTreeMap<u32, Passage>,
}

impl Truth {
    /// Reads a log that holds one measurement. `warmup` packets at its start are left out.
    pub(crate) fn of(records: &[PacketRecord], payload: Payload, warmup: u32) -> Self {
        let mut truth = Self::default();
        for record in records.iter().filter(|record| !record.is_duplicate) {
            let echo = payload(record).and_then(|payload| sequence(record.direction, payload));
            let Some(seq) = echo.filter(|seq| *seq >= warmup) else {
                continue;
            };
            let passage = Passage {
                seq,
                entered_at: record.entered_at,
                left_at: record.left_at(),
            };
            truth.of_mut(record.direction).entry(seq).or_insert(passage);
        }
        truth
    }

    pub(crate) fn of_direction(&self, direction: Direction) -> &BTreeMap<u32, Passage> {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    fn of_mut(&mut self, direction: Direction) -> &mut BTreeMap<u32, Passage> {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    /// Packets that entered, and how many of them the link dropped.
    pub(crate) fn loss(&self, direction: Direction) -> (u64, u64) {
        let passages = self.of_direction(direction);
        let lost = passages.values().filter(|p| p.left_at.is_none()).count();
        (passages.len() as u64, lost as u64)
    }

    /// Time inside the link, there and back.
    pub(crate) fn rtt_ms(&self, seq: u32) -> Option<f64> {
        let up = self.up.get(&seq)?.transit_ms()?;
        Some(up + self.down.get(&seq)?.transit_ms()?)
    }

    /// Transit times in milliseconds, in order of arrival.
    fn transits_ms(&self, direction: Direction) -> Vec<f64> {
        let mut arrived: Vec<&Passage> = self
            .of_direction(direction)
            .values()
            .filter(|passage| passage.left_at.is_some())
            .collect();
        arrived.sort_by_key(|passage| (passage.left_at, passage.seq));
        arrived
            .into_iter()
            .filter_map(Passage::transit_ms)
            .collect()
    }

    /// RFC 3550 §6.4.1 as it stands there.
    pub(crate) fn interarrival_jitter_ms(&self, direction: Direction) -> f64 {
        let mut jitter = 0.0;
        let mut previous = None;
        for transit in self.transits_ms(direction) {
            let d: f64 = previous.map_or(0.0, |before: f64| (transit - before).abs());
            jitter += (1.0 / 16.0) * (d - jitter) * f64::from(u8::from(previous.is_some()));
            previous = Some(transit);
        }
        jitter
    }

    /// 95th percentile, nearest rank, of transit above the least; `None` without a packet.
    pub(crate) fn pdv_p95_ms(&self, direction: Direction) -> Option<f64> {
        let mut transits = self.transits_ms(direction);
        transits.sort_by(f64::total_cmp);
        let rank = (transits.len() * 95).div_ceil(100);
        Some(transits.get(rank.checked_sub(1)?)? - transits.first()?)
    }
}

/// Sequence number of an echo request on its way up, or of its answer on its way down.
fn sequence(direction: Direction, payload: &[u8]) -> Option<u32> {
    let kind = match direction {
        Direction::Up => ECHO,
        Direction::Down => ECHO_REPLY,
    };
    let is_echo = payload.starts_with(b"GRM") && payload.get(4) == Some(&kind);
    let seq = payload.get(16..20)?.try_into().ok()?;
    is_echo.then_some(u32::from_be_bytes(seq))
}
