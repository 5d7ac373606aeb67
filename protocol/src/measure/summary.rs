//! From echo records to the path section of the report.

use std::time::Duration;

use greenroom_reports::model::path::{
    ClockSource, DirectionSection, Distribution, Family, Loss, Order, Outage, PathMtu, PathSection,
    StreamShape, Transport, UdpBlocked,
};
use greenroom_reports::model::sensitive::Sensitive;
use greenroom_reports::stats::late_loss::late_loss;
use greenroom_reports::stats::loss::Fate;
use greenroom_reports::units::{ByteCount, Millis};

use super::client::Client;
use super::path_mtu::Way;
use super::record::{EchoRecord, ReplyTimes};
use super::time::MonotonicTime;
use super::variation::{
    above_least_ms, inter_packet_delay_variation, interarrival_jitter,
    interarrival_jitter_interval, packet_delay_variation,
};

/// Shortest time without any answer that counts as an outage. A jitter buffer or a retransmission
/// bridges less; half a second is a hole that everybody hears.
pub const SHORTEST_OUTAGE: Duration = Duration::from_millis(500);

/// What the machine cannot know: where its packets went.
#[derive(Clone, Debug)]
pub struct PathContext {
    /// How they traveled.
    pub transport: Transport,
    /// Why not over UDP.
    pub udp_blocked: Option<UdpBlocked>,
    /// The server's address.
    pub remote: std::net::SocketAddr,
    /// What this machine's kernel knows of the path MTU.
    pub local_path_mtu: Option<u16>,
}

/// Summarizes what a client measured so far. `None` before the first packet that counts.
///
/// Packets of the warm-up count in nothing but `first_packet_ms`; packets without an answer that
/// are still on their way at `now` count in nothing.
pub fn summarize(client: &Client, context: PathContext, now: MonotonicTime) -> Option<PathSection> {
    let (warmup, counted) = client.records().split_at(client.warmup());
    let records = settled(counted, now);
    let first = records.first()?;
    let outages = find_outages(records);
    let over_udp = !context.transport.is_stream();
    let spacing = mean_spacing(records);
    let mut section = PathSection {
        transport: context.transport,
        udp_blocked: context.udp_blocked,
        remote: Sensitive::from(context.remote.ip()),
        remote_port: context.remote.port(),
        family: family_of(context.remote),
        clock: worst_clock(records, |reply| reply.clock),
        server_clock: worst_clock(records, |reply| reply.server_clock),
        stream: stream_shape(client, records, spacing),
        first_packet_ms: warmup
            .first()
            .unwrap_or(first)
            .rtt_ns()
            .map(Millis::from_nanos),
        rtt: round_trips(records),
        up: variation(records, EchoRecord::up_transit_ns, |reply| {
            reply.server_arrival
        }),
        down: variation(records, EchoRecord::down_transit_ns, |reply| reply.arrival),
        outages: outages
            .iter()
            .map(|span| span.describe(records, first))
            .collect(),
        extended: client.extended(),
    };
    if over_udp {
        add_datagram_figures(&mut section, records, &outages, spacing);
        add_path_mtu(&mut section, client, context.local_path_mtu);
    }
    Some(section)
}

/// Records whose fate is known: answered, or long enough ago. A cancelled run leaves packets on
/// their way, and those are not lost.
fn settled(records: &[EchoRecord], now: MonotonicTime) -> &[EchoRecord] {
    let longest = records
        .iter()
        .filter_map(|record| Some(record.reply?.arrival.since(record.sent)))
        .max()
        .unwrap_or(SHORTEST_OUTAGE);
    let on_its_way = |record: &EchoRecord| {
        record.reply.is_none() && now.since(record.sent) < (longest * 2).min(SHORTEST_OUTAGE)
    };
    let end = records
        .iter()
        .rposition(|record| !on_its_way(record))
        .map_or(0, |last| last + 1);
    &records[..end]
}

fn family_of(remote: std::net::SocketAddr) -> Family {
    if remote.ip().to_canonical().is_ipv4() {
        Family::Ipv4
    } else {
        Family::Ipv6
    }
}

/// The kernel's only when it stamped every packet: one that it did not stamp can be far off.
fn worst_clock(records: &[EchoRecord], of: impl Fn(ReplyTimes) -> ClockSource) -> ClockSource {
    let mut sources = records.iter().filter_map(|r| r.reply).map(of).peekable();
    let any = sources.peek().is_some();
    if any && sources.all(|source| source == ClockSource::KernelReceive) {
        ClockSource::KernelReceive
    } else {
        ClockSource::User
    }
}

fn stream_shape(client: &Client, records: &[EchoRecord], spacing: Duration) -> StreamShape {
    StreamShape {
        interval_ms: spacing.into(),
        payload_bytes: ByteCount::new(u64::from(client.plan().payload_bytes)),
        duration_ms: sent_over(records).into(),
        packets_sent: records.len() as u64,
        warmup_packets: client.warmup() as u64,
    }
}

fn sent_over(records: &[EchoRecord]) -> Duration {
    match (records.first(), records.last()) {
        (Some(first), Some(last)) => last.sent.since(first.sent),
        _ => Duration::ZERO,
    }
}

fn mean_spacing(records: &[EchoRecord]) -> Duration {
    let gaps = u32::try_from(records.len().saturating_sub(1)).unwrap_or(u32::MAX);
    sent_over(records) / gaps.max(1)
}

fn round_trips(records: &[EchoRecord]) -> Option<Distribution> {
    let samples: Vec<f64> = records
        .iter()
        .filter_map(EchoRecord::rtt_ns)
        .map(|ns| ns as f64 / 1e6)
        .collect();
    Distribution::from_samples(&samples)
}

/// Delay variation of one direction.
fn variation(
    records: &[EchoRecord],
    transit: impl Fn(&EchoRecord) -> Option<i64>,
    arrival: impl Fn(ReplyTimes) -> MonotonicTime,
) -> DirectionSection {
    let by_departure: Vec<Option<i64>> = records.iter().map(&transit).collect();
    let mut arrivals: Vec<(MonotonicTime, i64)> = records
        .iter()
        .filter_map(|record| Some((arrival(record.reply?), transit(record)?)))
        .collect();
    arrivals.sort_by_key(|(at, _)| *at);
    let by_arrival: Vec<i64> = arrivals.into_iter().map(|(_, transit)| transit).collect();
    DirectionSection {
        interarrival_jitter_ms: interarrival_jitter(&by_arrival),
        interarrival_jitter_interval_ms: interarrival_jitter_interval(&by_arrival),
        late_loss: late_loss(&above_least_ms(&by_arrival)),
        pdv: packet_delay_variation(&by_arrival),
        ipdv: inter_packet_delay_variation(&by_departure),
        ..DirectionSection::default()
    }
}

fn add_datagram_figures(
    section: &mut PathSection,
    records: &[EchoRecord],
    outages: &[Span],
    spacing: Duration,
) {
    let fates = fates(records, outages);
    section.up.loss = Loss::from_sequence(&fates.up, spacing.into());
    section.down.loss = Loss::from_sequence(&fates.down, spacing.into());
    section.up.order = Order::from_arrivals(&arrivals_up(records));
    section.down.order = Order::from_arrivals(&arrivals_down(records));
}

fn add_path_mtu(section: &mut PathSection, client: &Client, local: Option<u16>) {
    let find = |way, known| -> Option<PathMtu> { client.sizes()?.result(way, known) };
    section.up.path_mtu = find(Way::Up, local);
    section.down.path_mtu = find(Way::Down, client.server_path_mtu());
}

struct Fates {
    up: Vec<Fate>,
    down: Vec<Fate>,
}

/// What became of each packet in each direction. An answer that was never sent is no loss on the
/// way back; a request of which nobody can tell whether it arrived counts in neither direction.
fn fates(records: &[EchoRecord], outages: &[Span]) -> Fates {
    let mut fates = Fates {
        up: Vec::new(),
        down: Vec::new(),
    };
    for (index, record) in records.iter().enumerate() {
        let in_outage = outages.iter().any(|span| span.contains(index));
        match record.reached_server {
            _ if in_outage => {
                fates.up.push(Fate::LostInOutage);
                fates.down.push(Fate::LostInOutage);
            }
            Some(true) => {
                fates.up.push(Fate::Arrived);
                let answered = record.reply.is_some();
                fates
                    .down
                    .push(if answered { Fate::Arrived } else { Fate::Lost });
            }
            Some(false) => fates.up.push(Fate::Lost),
            None => {}
        }
    }
    fates
}

/// Sequence numbers in the order in which the server saw them, as far as its answers came back.
fn arrivals_up(records: &[EchoRecord]) -> Vec<u64> {
    let mut seen: Vec<(MonotonicTime, &EchoRecord)> = records
        .iter()
        .filter_map(|record| Some((record.reply?.server_arrival, record)))
        .collect();
    seen.sort_by_key(|(at, record)| (*at, record.seq));
    seen.iter()
        .flat_map(|(_, record)| copies(u64::from(record.seq), record.copied_up))
        .collect()
}

/// Ranks of the server's sending in the order in which the answers came in.
fn arrivals_down(records: &[EchoRecord]) -> Vec<u64> {
    let mut by_departure: Vec<(ReplyTimes, &EchoRecord)> = records
        .iter()
        .filter_map(|record| Some((record.reply?, record)))
        .collect();
    by_departure.sort_by_key(|(reply, record)| (reply.server_departure, record.seq));
    let mut by_arrival: Vec<(MonotonicTime, u64, bool)> = by_departure
        .iter()
        .zip(0..)
        .map(|((reply, record), rank)| (reply.arrival, rank, record.copied_down))
        .collect();
    by_arrival.sort_unstable();
    by_arrival
        .into_iter()
        .flat_map(|(_, rank, copied)| copies(rank, copied))
        .collect()
}

fn copies(sequence: u64, copied: bool) -> impl Iterator<Item = u64> {
    std::iter::repeat_n(sequence, if copied { 2 } else { 1 })
}

/// Consecutive records without an answer: indices, the end not included.
#[derive(Debug, PartialEq, Eq)]
struct Span {
    begin: usize,
    end: usize,
}

impl Span {
    fn contains(&self, index: usize) -> bool {
        (self.begin..self.end).contains(&index)
    }

    /// From the first packet that was lost to the first one that came through again.
    fn duration(&self, records: &[EchoRecord]) -> Duration {
        let begin = records[self.begin].sent;
        let end = records.get(self.end).or(records.last());
        end.map_or(Duration::ZERO, |record| record.sent.since(begin))
    }

    fn describe(&self, records: &[EchoRecord], first: &EchoRecord) -> Outage {
        Outage {
            start_ms: records[self.begin].sent.since(first.sent).into(),
            duration_ms: self.duration(records).into(),
            packets_lost: (self.end - self.begin) as u64,
            recovered: self.end < records.len(),
        }
    }
}

fn find_outages(records: &[EchoRecord]) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut begin = None;
    for (index, record) in records.iter().enumerate() {
        match (record.reply.is_some(), begin) {
            (false, None) => begin = Some(index),
            (true, Some(b)) => {
                spans.push(Span {
                    begin: b,
                    end: index,
                });
                begin = None;
            }
            _ => {}
        }
    }
    spans.extend(begin.map(|b| Span {
        begin: b,
        end: records.len(),
    }));
    spans.retain(|span| span.duration(records) >= SHORTEST_OUTAGE);
    spans
}
