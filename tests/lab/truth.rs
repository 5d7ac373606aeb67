//! What the link's packet log says of a measurement: the truth to compare a report with.

use std::collections::BTreeSet;
use std::time::Duration;

use greenroom::model::path::PathSection;
use greenroom_lab::link::{Direction, DropReason, Fate, PacketRecord};

/// Kinds of datagrams; see `docs/protocol.md`.
const OPENED: u8 = 4;
const ECHO: u8 = 6;
const ECHO_REPLY: u8 = 7;

/// The echo requests and replies of one session.
#[derive(Debug)]
pub(crate) struct Truth {
    up: Vec<Packet>,
    down: Vec<Packet>,
}

/// A request or a reply in the log.
#[derive(Debug)]
struct Packet {
    sequence: u32,
    /// Which copy of the request a reply answers, from 1.
    copy: u16,
    record: PacketRecord,
}

impl Packet {
    fn arrived_at(&self) -> Option<Duration> {
        self.record.left_at()
    }
}

/// A datagram of the protocol, its first bytes.
struct Datagram<'a>(&'a [u8]);

impl<'a> Datagram<'a> {
    fn of(record: &'a PacketRecord) -> Option<Self> {
        let flow = record.flow().filter(|flow| flow.is_udp)?;
        flow.payload
            .starts_with(b"GRM\x01")
            .then_some(Self(flow.payload))
    }

    fn kind(&self) -> u8 {
        self.0.get(4).copied().unwrap_or_default()
    }

    fn u64(&self, at: usize) -> Option<u64> {
        Some(u64::from_be_bytes(self.0.get(at..at + 8)?.try_into().ok()?))
    }

    fn u32(&self, at: usize) -> Option<u32> {
        Some(u32::from_be_bytes(self.0.get(at..at + 4)?.try_into().ok()?))
    }

    fn u16(&self, at: usize) -> Option<u16> {
        Some(u16::from_be_bytes(self.0.get(at..at + 2)?.try_into().ok()?))
    }
}

impl Truth {
    pub(crate) fn of(records: &[PacketRecord]) -> Self {
        let session = records.iter().find_map(|record| {
            let datagram = Datagram::of(record)?;
            (datagram.kind() == OPENED).then(|| datagram.u64(16))?
        });
        let of = |direction, kind| -> Vec<Packet> {
            let wanted = |record: &&PacketRecord| record.direction == direction;
            let packets = records.iter().filter(wanted).filter_map(|record| {
                let datagram = Datagram::of(record).filter(|d| d.kind() == kind)?;
                (datagram.u64(8) == session).then_some(())?;
                Some(Packet {
                    sequence: datagram.u32(16)?,
                    copy: if kind == ECHO { 1 } else { datagram.u16(24)? },
                    record: record.clone(),
                })
            });
            packets.collect()
        };
        Self {
            up: of(Direction::Up, ECHO),
            down: of(Direction::Down, ECHO_REPLY),
        }
    }

    /// Echo requests that the server answered so far, the answer at least on its way back.
    pub(crate) fn answered(&self) -> usize {
        self.down.len()
    }

    fn of_direction(&self, direction: Direction) -> &[Packet] {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    /// Packets of the warm-up, which count in no figure.
    fn counted<'a>(
        &'a self,
        direction: Direction,
        path: &PathSection,
    ) -> impl Iterator<Item = &'a Packet> {
        let warmup = path.stream.warmup_packets;
        self.of_direction(direction)
            .iter()
            .filter(move |packet| u64::from(packet.sequence) >= warmup)
    }

    /// Packets that entered and that were lost, outages and copies left out.
    pub(crate) fn loss(&self, direction: Direction, path: &PathSection) -> (u64, u64) {
        let originals = self.counted(direction, path).filter(|packet| {
            !packet.record.is_duplicate
                && packet.copy == 1
                && packet.record.drop_reason() != Some(DropReason::Outage)
        });
        originals.fold((0, 0), |(sent, lost), packet| {
            let is_lost = matches!(packet.record.fate, Fate::Dropped(_));
            (sent + 1, lost + u64::from(is_lost))
        })
    }

    /// Mean length of the runs of losses, in packets; 0 without loss.
    pub(crate) fn mean_burst(&self, direction: Direction, path: &PathSection) -> f64 {
        let mut lost: Vec<(u32, bool)> = self
            .counted(direction, path)
            .filter(|packet| !packet.record.is_duplicate && packet.copy == 1)
            .map(|packet| (packet.sequence, packet.record.drop_reason().is_some()))
            .collect();
        lost.sort_unstable();
        let n_lost = lost.iter().filter(|(_, lost)| *lost).count();
        let begins = |pair: &&[(u32, bool)]| !pair[0].1 && pair[1].1;
        let first = lost.first().is_some_and(|(_, lost)| *lost);
        let n_runs = lost.windows(2).filter(begins).count() + usize::from(first);
        n_lost as f64 / n_runs.max(1) as f64
    }

    /// Packets that arrived more than once.
    pub(crate) fn duplicates(&self, direction: Direction, path: &PathSection) -> u64 {
        let copies = self.counted(direction, path).filter(|packet| {
            packet.record.is_duplicate && packet.arrived_at().is_some() && packet.copy == 1
        });
        let sequences: BTreeSet<u32> = copies.map(|packet| packet.sequence).collect();
        sequences.len() as u64
    }

    /// Packets that arrived, each once, in the order of their arrival.
    fn arrivals(&self, direction: Direction, path: &PathSection) -> Vec<&Packet> {
        let mut seen = BTreeSet::new();
        let mut arrivals: Vec<&Packet> = self
            .counted(direction, path)
            .filter(|packet| packet.arrived_at().is_some())
            .collect();
        arrivals.sort_by_key(|packet| packet.arrived_at());
        arrivals.retain(|packet| seen.insert(packet.sequence));
        arrivals
    }

    /// Packets that arrived after one that entered later; RFC 4737.
    pub(crate) fn reordered(&self, direction: Direction, path: &PathSection) -> u64 {
        let mut latest = None;
        let mut n_reordered = 0;
        for packet in self.arrivals(direction, path) {
            if Some(packet.record.sequence) < latest {
                n_reordered += 1;
            }
            latest = latest.max(Some(packet.record.sequence));
        }
        n_reordered
    }

    /// Interarrival jitter in milliseconds; RFC 3550 §6.4.1.
    pub(crate) fn jitter_ms(&self, direction: Direction, path: &PathSection) -> f64 {
        let transits: Vec<f64> = self
            .arrivals(direction, path)
            .into_iter()
            .filter_map(|packet| Some(packet.record.transit()?.as_secs_f64() * 1e3))
            .collect();
        let differences = transits.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        differences.fold(0.0, |jitter, d| jitter + (d - jitter) / 16.0)
    }

    /// Median time that a request and its reply spent in the link together, in milliseconds.
    pub(crate) fn rtt_p50_ms(&self, path: &PathSection) -> f64 {
        let replies = self.arrivals(Direction::Down, path);
        let requests = self.arrivals(Direction::Up, path);
        let mut sums: Vec<Duration> = replies
            .into_iter()
            .filter_map(|reply| {
                let request = requests.iter().find(|r| r.sequence == reply.sequence)?;
                Some(request.record.transit()? + reply.record.transit()?)
            })
            .collect();
        sums.sort_unstable();
        assert!(!sums.is_empty(), "the log has no round trip");
        // Nearest rank, as the report's percentiles: with delay in clumps the two middle ones of an
        // even number can be milliseconds apart.
        sums[(sums.len() - 1) / 2].as_secs_f64() * 1e3
    }

    /// Milliseconds of sending in which nothing came back: from the first packet lost in an outage to the first one
    /// that came through again.
    pub(crate) fn outage_ms(&self, path: &PathSection) -> f64 {
        let lost = |packet: &&Packet| packet.record.drop_reason() == Some(DropReason::Outage);
        let replies: Vec<u32> = self.down.iter().filter(lost).map(|p| p.sequence).collect();
        let mut fates: Vec<(Duration, bool)> = self
            .counted(Direction::Up, path)
            .map(|packet| {
                let lost = lost(&packet) || replies.contains(&packet.sequence);
                (packet.record.entered_at, lost)
            })
            .collect();
        fates.sort_unstable();
        let first = fates.iter().position(|(_, lost)| *lost);
        let first = first.unwrap_or_else(|| panic!("the log has no outage"));
        let after = fates[first..].iter().find(|(_, lost)| !lost);
        let after = after
            .or(fates.last())
            .map(|(at, _)| *at)
            .unwrap_or_default();
        after.saturating_sub(fates[first].0).as_secs_f64() * 1e3
    }
}
