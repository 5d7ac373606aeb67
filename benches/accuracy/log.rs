//! What the link's packet log says of one run: the truth.

use std::collections::BTreeMap;
use std::time::Duration;

use greenroom_lab::link::{Direction, DropReason, PacketRecord};

/// The packets of one run by sequence number.
pub(crate) type Truth = BTreeMap<u32, Exchange>;

/// A request and its reply.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) request: Option<Passage>,
    pub(crate) reply: Option<Passage>,
    /// From the request's arrival at the server to the reply's departure, as the server tells it in the reply.
    pub(crate) told_turnaround: Option<Duration>,
}

/// A packet's way through the link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passage {
    pub(crate) entered_at: Duration,
    pub(crate) left_at: Option<Duration>,
    pub(crate) is_lost: bool,
}

impl Passage {
    fn of(record: &PacketRecord) -> Self {
        Self {
            entered_at: record.entered_at,
            left_at: record.left_at(),
            is_lost: record.drop_reason() == Some(DropReason::Loss),
        }
    }

    /// Time inside the link.
    pub(crate) fn transit_ms(&self) -> Option<f64> {
        Some(ms(self.left_at?.checked_sub(self.entered_at)?))
    }
}

impl Exchange {
    /// Time that request and reply spent inside the link, together.
    pub(crate) fn rtt_ms(&self) -> Option<f64> {
        Some(self.request?.transit_ms()? + self.reply?.transit_ms()?)
    }

    /// Time beyond the link on the server's side, its own turnaround left out: two hops, two network stacks.
    pub(crate) fn far_side_ms(&self) -> Option<f64> {
        let away = self.reply?.entered_at.checked_sub(self.request?.left_at?)?;
        Some(ms(away) - ms(self.told_turnaround?))
    }

    fn passage(&self, direction: Direction) -> Option<Passage> {
        match direction {
            Direction::Up => self.request,
            Direction::Down => self.reply,
        }
    }
}

/// A packet that counts.
struct Marked {
    sequence: u32,
    told_turnaround: Option<Duration>,
}

/// The run of `greenroom check` in the log.
pub(crate) fn of_greenroom(records: &[PacketRecord]) -> Truth {
    collect(records, |record| {
        let flow = record.flow().filter(|flow| flow.is_udp)?;
        let payload = flow.payload;
        let kind = *payload.get(4)?;
        // See docs/protocol.md.
        let is_echo = matches!(
            (record.direction, kind),
            (Direction::Up, 6) | (Direction::Down, 7)
        );
        (payload.starts_with(b"GRM\x01") && is_echo).then_some(())?;
        let nanos = |at| -> Option<Duration> {
            let bytes = payload.get(at..at + 8)?.try_into().ok()?;
            Some(Duration::from_nanos(u64::from_be_bytes(bytes)))
        };
        let told_turnaround = match record.direction {
            Direction::Up => None,
            Direction::Down => nanos(40)?.checked_sub(nanos(32)?),
        };
        Some(Marked {
            sequence: u32::from_be_bytes(payload.get(16..20)?.try_into().ok()?),
            told_turnaround,
        })
    })
}

/// UDP port of irtt's server.
const IRTT_PORT: u16 = 2112;

/// The run of `irtt client` in the log.
///
/// Source: irtt 0.9.0, `packet.go`: three letters of magic, flags (2: reply), token, little-endian sequence number.
pub(crate) fn of_irtt(records: &[PacketRecord]) -> Truth {
    collect(records, |record| {
        let flow = record.flow().filter(|flow| flow.is_udp)?;
        let (port, flags) = match record.direction {
            Direction::Up => (flow.destination.port(), 0),
            Direction::Down => (flow.source.port(), 2),
        };
        let wanted = [0x14, 0xa7, 0x5b, flags];
        (port == IRTT_PORT && flow.payload.starts_with(&wanted)).then_some(())?;
        Some(Marked {
            sequence: u32::from_le_bytes(flow.payload.get(12..16)?.try_into().ok()?),
            told_turnaround: None,
        })
    })
}

fn collect(records: &[PacketRecord], mark: impl Fn(&PacketRecord) -> Option<Marked>) -> Truth {
    let mut truth = Truth::new();
    for record in records.iter().filter(|record| !record.is_duplicate) {
        let Some(marked) = mark(record) else { continue };
        let exchange = truth.entry(marked.sequence).or_default();
        match record.direction {
            Direction::Up => exchange.request = Some(Passage::of(record)),
            Direction::Down => {
                exchange.reply = Some(Passage::of(record));
                exchange.told_turnaround = marked.told_turnaround;
            }
        }
    }
    truth
}

/// Times in the link of the packets that arrived, in the order of their arrival.
pub(crate) fn transits_ms(truth: &Truth, direction: Direction) -> Vec<f64> {
    let mut passages: Vec<Passage> = truth
        .values()
        .filter_map(|exchange| exchange.passage(direction))
        .filter(|passage| passage.left_at.is_some())
        .collect();
    passages.sort_by_key(|passage| passage.left_at);
    passages.iter().filter_map(Passage::transit_ms).collect()
}

/// Share of the packets that entered and were lost.
pub(crate) fn loss_ratio(truth: &Truth, direction: Direction) -> f64 {
    let passages = || {
        truth
            .values()
            .filter_map(|exchange| exchange.passage(direction))
    };
    let lost = passages().filter(|passage| passage.is_lost).count();
    lost as f64 / passages().count().max(1) as f64
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}
