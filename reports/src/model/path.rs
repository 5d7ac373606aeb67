//! The idle path between this machine and the server, each direction apart.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sensitive::Sensitive;
use crate::units::{ByteCount, Millis, Ratio};

/// Delay, variation, loss, order and MTU of the idle path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PathSection {
    /// How the packets traveled.
    pub transport: Transport,
    /// Why not over UDP, when they traveled over WebSocket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udp_blocked: Option<UdpBlocked>,
    /// The server's address that was measured.
    pub remote: Sensitive,
    /// The server's port that was measured.
    pub remote_port: u16,
    /// Address family used.
    pub family: Family,
    /// Where arrival times on this machine were taken.
    pub clock: ClockSource,
    /// Where arrival times on the server were taken.
    pub server_clock: ClockSource,
    /// The stream of test packets.
    pub stream: StreamShape,
    /// Round trip of the very first packet, which pays for ARP, NAT and radio wake-up. The first
    /// packets are left out of every other figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_packet_ms: Option<Millis>,
    /// Round-trip time without the server's own turnaround, `(t4-t1)-(t3-t2)`; RFC 2681.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt: Option<Distribution>,
    /// From this machine to the server.
    pub up: DirectionSection,
    /// From the server to this machine.
    pub down: DirectionSection,
    /// Times in which nothing came through.
    pub outages: Vec<Outage>,
    /// The phase was extended once because the figures were close to a threshold.
    pub extended: bool,
}

/// How test packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// UDP datagrams, as media does.
    Udp,
    /// Messages over a WebSocket, that is TCP: loss shows as delay and cannot be counted.
    WebSocket,
    /// UDP datagrams through the server's TURN relay.
    TurnUdp,
    /// Through the server's TURN relay, over TCP up to it: loss shows as delay.
    TurnTcp,
    /// Through the server's TURN relay, over TLS up to it: loss shows as delay.
    TurnTls,
}

impl Transport {
    /// Packets travel in a TCP connection, at least up to the relay.
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::WebSocket | Self::TurnTcp | Self::TurnTls)
    }

    /// Packets take the way through a TURN relay.
    pub const fn is_relayed(self) -> bool {
        matches!(self, Self::TurnUdp | Self::TurnTcp | Self::TurnTls)
    }
}

/// Address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// Who took the arrival times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockSource {
    /// The kernel, when the packet came in.
    KernelReceive,
    /// This program, after it was woken up; adds tens of microseconds, more under load.
    User,
}

/// What was seen when UDP did not come through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UdpBlocked {
    /// The UDP port that was tried.
    pub port: u16,
    /// Packets sent without an answer.
    pub attempts: u32,
    /// How long an answer was awaited.
    pub waited_ms: Millis,
    /// The other end, or something between, said so by ICMP; otherwise it was silent.
    pub rejected: bool,
}

/// The stream of test packets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StreamShape {
    /// Mean spacing of the packets.
    pub interval_ms: Millis,
    /// UDP payload of one packet.
    pub payload_bytes: ByteCount,
    /// From the first to the last packet sent.
    pub duration_ms: Millis,
    /// Packets sent that count, warm-up left out.
    pub packets_sent: u64,
    /// Packets left out as warm-up.
    pub warmup_packets: u64,
}

/// Statistics of samples, with the interval of the middle and the upper end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// Number of samples.
    pub samples: u64,
    /// Smallest.
    pub min_ms: Millis,
    /// Median.
    pub p50_ms: Millis,
    /// 95th percentile.
    pub p95_ms: Millis,
    /// 99th percentile.
    pub p99_ms: Millis,
    /// Largest.
    pub max_ms: Millis,
    /// 95 % interval of the median, from order statistics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_interval_ms: Option<MillisInterval>,
    /// 95 % interval of the 95th percentile; absent below the number of samples that gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95_interval_ms: Option<MillisInterval>,
}

/// A 95 % confidence interval of a span.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MillisInterval {
    /// Lower end.
    pub low: Millis,
    /// Upper end.
    pub high: Millis,
}

/// A 95 % confidence interval of a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RatioInterval {
    /// Lower end.
    pub low: Ratio,
    /// Upper end.
    pub high: Ratio,
}

/// One direction of the path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DirectionSection {
    /// Loss; absent over TCP, and when it cannot be told which way packets were lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// Order and copies; absent over TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// Interarrival jitter after the last packet; RFC 3550 §6.4.1. Absent below 48 packets, which
    /// it needs to converge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interarrival_jitter_ms: Option<Millis>,
    /// 95 % interval of the jitter; see [`crate::stats::jitter::jitter_interval`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interarrival_jitter_interval_ms: Option<MillisInterval>,
    /// Packet delay variation `d_i - d_min`; RFC 5481. Sizes the jitter buffer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pdv: Option<Distribution>,
    /// Share of packets that jitter buffers of usual depths would drop as too late; see
    /// [`crate::stats::late_loss::late_loss`]. Empty when the delay variation is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late_loss: Vec<LateLoss>,
    /// Inter-packet delay variation `|d_i - d_(i-1)|`; RFC 3393.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipdv: Option<Ipdv>,
    /// Path MTU of this direction; absent over TCP, and when no probe came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_mtu: Option<PathMtu>,
}

/// Packets that arrive too late for a jitter buffer of one depth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LateLoss {
    /// Depth of the buffer.
    pub buffer_ms: Millis,
    /// Packets that arrived at all.
    pub samples: u64,
    /// Share of these whose delay variation exceeds the depth.
    pub late_ratio: Ratio,
    /// 95 % interval of the share, Wilson's.
    pub late_ratio_interval: RatioInterval,
}

/// Inter-packet delay variation of consecutive packets that both arrived, as absolute values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ipdv {
    /// Pairs of packets.
    pub samples: u64,
    /// Mean.
    pub mean_ms: Millis,
    /// Median.
    pub p50_ms: Millis,
    /// 95th percentile.
    pub p95_ms: Millis,
}

/// Packets lost in one direction, outages left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Loss {
    /// Packets that entered this direction.
    pub packets_sent: u64,
    /// Packets of these that never came out.
    pub packets_lost: u64,
    /// Packets lost inside outages, which are told apart and do not count here.
    pub packets_lost_in_outages: u64,
    /// Share lost; RFC 7680.
    pub loss_ratio: Ratio,
    /// 95 % interval of the share, Wilson's.
    pub loss_ratio_interval: RatioInterval,
    /// Runs of consecutive losses.
    pub bursts: u64,
    /// Longest run, in packets.
    pub longest_burst_packets: u64,
    /// Longest run, as time: packets times their spacing.
    pub longest_burst_ms: Millis,
    /// The two-state model of the losses; absent without loss or with too few packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gilbert: Option<Gilbert>,
}

/// Gilbert's two-state loss model.
///
/// Source: RFC 3611 §4.7.2 for the states, ITU-T G.107 for `BurstR`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gilbert {
    /// Probability that a loss follows an arrival.
    pub p: Ratio,
    /// Probability that an arrival follows a loss; its inverse is the mean burst.
    pub r: Ratio,
    /// Mean run of losses over the mean run of independent losses of the same share: 1 is random,
    /// above 1 is bursty.
    pub burst_ratio: f64,
    /// Probability of at least this much clustering if losses were independent; small means that
    /// the losses do come in bursts.
    pub independence_p_value: Ratio,
}

/// Order and copies of packets in one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    /// Packets that arrived, each counted once.
    pub packets_received: u64,
    /// Packets that arrived after a later one; RFC 4737.
    pub packets_reordered: u64,
    /// Share of these.
    pub reordered_ratio: Ratio,
    /// 95 % interval of that share.
    pub reordered_ratio_interval: RatioInterval,
    /// Largest reordering extent in packets; RFC 4737 §4.2.
    pub max_extent_packets: u64,
    /// Second and later copies; RFC 5560.
    pub duplicates: u64,
    /// Share of packets that came more than once.
    pub duplicate_ratio: Ratio,
    /// 95 % interval of that share.
    pub duplicate_ratio_interval: RatioInterval,
}

/// Largest packet that came through in one direction.
///
/// Source: RFC 8899.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PathMtu {
    /// Largest IP packet that came through.
    pub bytes: ByteCount,
    /// Largest IP packet that was tried.
    pub largest_tried_bytes: ByteCount,
    /// Larger packets vanished without a message saying so.
    pub black_hole: bool,
}

/// A time in which nothing came through, in either direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outage {
    /// Since the first test packet.
    pub start_ms: Millis,
    /// How long.
    pub duration_ms: Millis,
    /// Packets sent in it, all lost.
    pub packets_lost: u64,
    /// Packets came through again afterwards.
    pub recovered: bool,
}
