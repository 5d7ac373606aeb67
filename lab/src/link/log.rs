//! What happened to each packet.

use std::time::Duration;

use serde::Serialize;

use super::decode::{self, Flow};

/// Bytes of a packet that the log keeps: an IPv6 and a UDP header and 48 bytes of payload.
const HEAD_BYTES: usize = 96;

/// A direction of a duplex link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

impl Direction {
    /// Both directions.
    pub const BOTH: [Self; 2] = [Self::Up, Self::Down];

    /// The other direction.
    #[must_use]
    pub fn reverse(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }
}

/// Why a link dropped a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// Longer than the MTU.
    TooLong,
    /// Entered during an outage.
    Outage,
    /// The loss model said so.
    Loss,
    /// No room in the bottleneck's queue.
    QueueFull,
}

/// Where a packet ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Still inside the link.
    InFlight,
    /// Handed over at the far end.
    Left {
        /// When the emulation wanted it to leave.
        due_at: Duration,
        /// When it was taken out; later than `due_at` by the scheduling error of the driver.
        left_at: Duration,
    },
    /// Never arrives.
    Dropped(DropReason),
}

/// The story of one packet, or of its copy.
#[derive(Clone, PartialEq, Eq)]
pub struct PacketRecord {
    /// Which way it went.
    pub direction: Direction,
    /// Its rank among the packets that entered in this direction, from 0; a copy shares it.
    pub sequence: u64,
    /// Whether the link made it as a copy of the packet with this sequence number.
    pub is_duplicate: bool,
    /// Length in bytes.
    pub size: usize,
    /// When it entered.
    pub entered_at: Duration,
    /// What became of it.
    pub fate: Fate,
    head: [u8; HEAD_BYTES],
}

impl PacketRecord {
    pub(super) fn new(
        direction: Direction,
        sequence: u64,
        entered_at: Duration,
        packet: &[u8],
    ) -> Self {
        let mut head = [0; HEAD_BYTES];
        let n = packet.len().min(HEAD_BYTES);
        head[..n].copy_from_slice(&packet[..n]);
        Self {
            direction,
            sequence,
            is_duplicate: false,
            size: packet.len(),
            entered_at,
            fate: Fate::InFlight,
            head,
        }
    }

    /// The first bytes of the packet, 96 at most.
    pub fn head(&self) -> &[u8] {
        &self.head[..self.size.min(HEAD_BYTES)]
    }

    /// When it left, or `None` if it did not (yet).
    pub fn left_at(&self) -> Option<Duration> {
        match self.fate {
            Fate::Left { left_at, .. } => Some(left_at),
            Fate::InFlight | Fate::Dropped(_) => None,
        }
    }

    /// Why it was dropped, or `None` if it was not.
    pub fn drop_reason(&self) -> Option<DropReason> {
        match self.fate {
            Fate::Dropped(reason) => Some(reason),
            Fate::InFlight | Fate::Left { .. } => None,
        }
    }

    /// Time spent in the link.
    pub fn transit(&self) -> Option<Duration> {
        self.left_at()?.checked_sub(self.entered_at)
    }

    /// How late the driver took it out.
    pub fn scheduling_error(&self) -> Option<Duration> {
        match self.fate {
            Fate::Left { due_at, left_at } => Some(left_at.saturating_sub(due_at)),
            Fate::InFlight | Fate::Dropped(_) => None,
        }
    }

    /// Addresses, ports and the start of the payload, if this is an unfragmented UDP or TCP packet over IP.
    pub fn flow(&self) -> Option<Flow<'_>> {
        decode::flow(self.head())
    }

    /// One line of JSON, without a line break; times in nanoseconds, absent values left out.
    #[expect(
        clippy::missing_panics_doc,
        reason = "serializing numbers and strings cannot fail"
    )]
    pub fn to_json(&self) -> String {
        let due_at = match self.fate {
            Fate::Left { due_at, .. } => Some(due_at),
            Fate::InFlight | Fate::Dropped(_) => None,
        };
        let line = JsonLine {
            direction: self.direction,
            sequence: self.sequence,
            is_duplicate: self.is_duplicate,
            size_bytes: self.size,
            entered_ns: self.entered_at.as_nanos(),
            due_ns: due_at.map(|at| at.as_nanos()),
            left_ns: self.left_at().map(|at| at.as_nanos()),
            dropped: self.drop_reason(),
            head_hex: hex(self.head()),
        };
        serde_json::to_string(&line)
            .expect("a flat struct of numbers and strings always serializes")
    }
}

impl std::fmt::Debug for PacketRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_json())
    }
}

#[derive(Serialize)]
struct JsonLine {
    direction: Direction,
    sequence: u64,
    is_duplicate: bool,
    size_bytes: usize,
    entered_ns: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_ns: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_ns: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<DropReason>,
    head_hex: String,
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Totals of one direction; complete even when the log overflowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counters {
    /// Packets put in.
    pub entered: u64,
    /// Packets taken out, copies included.
    pub left: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Packets chosen to be overtaken.
    pub held_back: u64,
    /// Packets dropped by the loss model.
    pub lost: u64,
    /// Packets dropped by a full queue.
    pub queue_full: u64,
    /// Packets dropped for their length.
    pub too_long: u64,
    /// Packets dropped by an outage.
    pub outage: u64,
}

impl Counters {
    /// All packets dropped, for whatever reason.
    pub fn dropped(&self) -> u64 {
        self.lost + self.queue_full + self.too_long + self.outage
    }

    pub(super) fn count_drop(&mut self, reason: DropReason) {
        let counter = match reason {
            DropReason::TooLong => &mut self.too_long,
            DropReason::Outage => &mut self.outage,
            DropReason::Loss => &mut self.lost,
            DropReason::QueueFull => &mut self.queue_full,
        };
        *counter += 1;
    }
}

/// A bounded list of records, in the order packets entered (a copy: left the bottleneck).
#[derive(Debug)]
pub(super) struct PacketLog {
    records: Vec<PacketRecord>,
    capacity: usize,
    /// Number of the first record, which grows when the log is cleared.
    base: usize,
    has_overflowed: bool,
}

/// Where a record is, or was before the log was cleared; `None` when it found no room.
pub(super) type RecordId = Option<usize>;

impl PacketLog {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            records: Vec::new(),
            capacity,
            base: 0,
            has_overflowed: false,
        }
    }

    pub(super) fn push(&mut self, record: PacketRecord) -> RecordId {
        if self.records.len() >= self.capacity {
            self.has_overflowed = true;
            return None;
        }
        self.records.push(record);
        Some(self.base + self.records.len() - 1)
    }

    pub(super) fn get_mut(&mut self, id: RecordId) -> Option<&mut PacketRecord> {
        self.records.get_mut(id?.checked_sub(self.base)?)
    }

    pub(super) fn records(&self) -> &[PacketRecord] {
        &self.records
    }

    pub(super) fn has_overflowed(&self) -> bool {
        self.has_overflowed
    }

    /// Empties the log and gives what it held; packets in flight stay `InFlight` in it.
    pub(super) fn take(&mut self) -> Vec<PacketRecord> {
        self.base += self.records.len();
        self.has_overflowed = false;
        std::mem::take(&mut self.records)
    }
}
