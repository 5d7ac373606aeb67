//! What the way to the server carries, and what it does to delay while it is loaded.
//!
//! Every rate is of the IP layer, headers included, unless its name says video or audio.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::{MillisInterval, RatioInterval, Transport, UdpBlocked};
use super::sensitive::Sensitive;
use crate::derive::ladder::Rung;
use crate::units::{Bitrate, ByteCount, Millis, Ratio};

/// Rates in both directions, delay under load, and whether the traffic of a call was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThroughputSection {
    /// How the packets traveled.
    pub transport: Transport,
    /// Why not over UDP, when they traveled over WebSocket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udp_blocked: Option<UdpBlocked>,
    /// The server's address that was measured.
    pub remote: Sensitive,
    /// From this machine to the server; absent when not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uplink: Option<RateSection>,
    /// From the server to this machine; absent when not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downlink: Option<RateSection>,
    /// The same over TCP, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpComparison>,
    /// Trials with the traffic of a call, in the order in which they were made: the last one that
    /// was accepted decides what is recommended.
    pub verifications: Vec<Verification>,
    /// What the traffic of a call does to delay; absent without a verification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_load: Option<CallLoad>,
    /// What each phase cost, in the order in which they ran.
    pub phases: Vec<PhaseCost>,
}

/// The rate of one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RateSection {
    /// IP-layer capacity; RFC 9097. Absent where too little came through, or where the rate never
    /// settled, see `variation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity_bps: Option<Bitrate>,
    /// 95 % interval of the capacity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity_interval_bps: Option<BitrateInterval>,
    /// The way outran what was asked of it: the capacity is at least this.
    pub at_least: bool,
    /// What is free for a call beside other traffic: the share that the capacity estimate leaves,
    /// not above what a verification refused and not below what one accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usable_bps: Option<Bitrate>,
    /// 95 % interval of what is free, clamped in the same way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usable_interval_bps: Option<BitrateInterval>,
    /// Rate samples behind the estimate.
    pub samples: u64,
    /// Why the measurement of this direction ended.
    pub stop: StopReason,
    /// How the rate moved; set when it never settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variation: Option<RateVariation>,
    /// What holds the rate where it is, as far as it could be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<RateLimit>,
    /// Packets sent in this direction.
    pub packets_sent: u64,
    /// Packets of these that arrived, each counted once.
    pub packets_received: u64,
    /// Share lost under saturation, which is more than a call would lose. Absent over TCP and
    /// where it was not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_ratio: Option<Ratio>,
    /// 95 % interval of the share, Wilson's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_ratio_interval: Option<RatioInterval>,
    /// Delay under saturation; absent where the link was never saturated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_load: Option<FullLoad>,
}

/// A 95 % confidence interval of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BitrateInterval {
    /// Lower end, bit/s.
    pub low: Bitrate,
    /// Upper end, bit/s.
    pub high: Bitrate,
}

/// Why the measurement of a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// The rate settled.
    Stable,
    /// It carried what the highest rung needs; nothing more was asked.
    CapReached,
    /// The time budget was used up.
    Time,
    /// The data budget was used up.
    Data,
    /// Delay under load rose so far that the grade was decided.
    Delay,
    /// The rate had not settled after the one extension.
    Variable,
    /// The run was cancelled.
    Cancelled,
    /// The server ended it: its limit, or it went away.
    ServerStopped,
    /// This machine cannot send or receive faster.
    MachineLimit,
    /// Nothing came through.
    NoTraffic,
    /// A reason of a later version.
    #[serde(other)]
    Other,
}

/// Quantiles of the rate over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RateVariation {
    /// 10th percentile, bit/s.
    pub p10_bps: Bitrate,
    /// Median, bit/s.
    pub p50_bps: Bitrate,
    /// 90th percentile, bit/s.
    pub p90_bps: Bitrate,
}

/// What holds a rate where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RateLimit {
    /// The access: packets queue or are dropped between here and the server.
    Access,
    /// The test server, by its own statement.
    Server,
    /// This machine.
    Machine,
    /// Something drops what exceeds a rate without queueing it.
    Policer,
    /// The cap of the measurement.
    Cap,
    /// A limit of a later version.
    #[serde(other)]
    Other,
}

/// Delay while a direction is saturated, against the idle path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FullLoad {
    /// Median round-trip time just before, idle.
    pub idle_rtt_ms: Millis,
    /// Median rise of the round-trip time in the last third of saturation, seen by a flow on
    /// another 5-tuple.
    pub rise_p50_ms: Millis,
    /// 95th percentile of that rise.
    pub rise_p95_ms: Millis,
    /// 95 % interval of the 95th percentile; absent below the number of samples that gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rise_p95_interval_ms: Option<MillisInterval>,
    /// 95th percentile of the rise that the saturating flow itself saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_flow_rise_p95_ms: Option<Millis>,
    /// Depth of the queue at the bottleneck; absent when it was not seen full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_ms: Option<Millis>,
    /// The queue was seen full: delay stopped rising, and packets were dropped.
    pub queue_full: bool,
    /// Other flows are delayed much less than the saturating one: the queues are apart. Absent when
    /// it could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolated: Option<bool>,
    /// Round trips behind the rise.
    pub samples: u64,
    /// Letter of `rise_p95_ms`, see [`Grade::of`].
    pub grade: Grade,
    /// Round trips a minute under load, see [`rpm`]. Like, but not equal to, the responsiveness of
    /// draft-ietf-ippm-responsiveness, which loads with TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpm: Option<f64>,
    /// The delay was still rising at the end: the figures are lower bounds.
    pub still_rising: bool,
}

/// A letter for the rise of delay under saturation. Ordered: a later letter is worse.
///
/// Source: the grades of `DSLReports`, by rise of the round-trip time.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Grade {
    /// Below 5 ms.
    #[serde(rename = "A+")]
    APlus,
    /// From 5 ms to below 30 ms.
    A,
    /// From 30 ms to below 60 ms.
    B,
    /// From 60 ms to below 200 ms.
    C,
    /// From 200 ms to below 400 ms.
    D,
    /// From 400 ms.
    F,
}

impl Grade {
    /// Letters with the rise in milliseconds below which they are given, best first; from the last
    /// edge on it is [`Grade::F`].
    pub const EDGES_MS: [(Self, f64); 5] = [
        (Self::APlus, 5.0),
        (Self::A, 30.0),
        (Self::B, 60.0),
        (Self::C, 200.0),
        (Self::D, 400.0),
    ];

    /// The letter of a rise; a fall is [`Grade::APlus`]. Bands are half-open and leave no gap.
    pub fn of(rise: Millis) -> Self {
        Self::EDGES_MS
            .into_iter()
            .find(|&(_, edge)| rise.as_f64() < edge)
            .map_or(Self::F, |(grade, _)| grade)
    }

    /// The letter that is certain: by the lower end of the interval of the 95th percentile, or by
    /// the median where there is none, which is a bound too.
    pub fn of_at_least(load: &FullLoad) -> Self {
        let low = load.rise_p95_interval_ms.map(|interval| interval.low);
        Self::of(low.unwrap_or(load.rise_p50_ms))
    }

    /// The letter as it is written.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::APlus => "A+",
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::F => "F",
        }
    }
}

/// Round trips a minute at this loaded round-trip time, rounded to a whole one; `None` unless it is
/// positive.
///
/// Source: `60000 / RTT_loaded`, after draft-ietf-ippm-responsiveness §4.
pub fn rpm(loaded_rtt: Millis) -> Option<f64> {
    let rtt = loaded_rtt.as_f64();
    (rtt > 0.0).then(|| (60_000.0 / rtt).round())
}

/// What TCP carried, for comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TcpComparison {
    /// To the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uplink_bps: Option<Bitrate>,
    /// It outran what was asked of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uplink_at_least: bool,
    /// From the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downlink_bps: Option<Bitrate>,
    /// It outran what was asked of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub downlink_at_least: bool,
}

/// One trial with the traffic of a call, both directions at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    /// To the server; absent when this direction was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<VerifiedDirection>,
    /// From the server; absent when this direction was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<VerifiedDirection>,
    /// How long it ran.
    pub duration_ms: Millis,
}

/// One direction of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerifiedDirection {
    /// The rung that was tried.
    pub rung: Rung,
    /// Video payload rate; zero on the audio rung.
    pub video_bps: Bitrate,
    /// Audio payload rate.
    pub audio_bps: Bitrate,
    /// Rate of both together at the IP layer.
    pub rate_bps: Bitrate,
    /// Packets sent.
    pub packets_sent: u64,
    /// Packets of these that arrived, each counted once.
    pub packets_received: u64,
    /// Share lost; absent over TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_ratio: Option<Ratio>,
    /// 95 % interval of the share, Wilson's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_ratio_interval: Option<RatioInterval>,
    /// 95th percentile of packet delay variation, `d_i - d_min`; RFC 5481.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pdv_p95_ms: Option<Millis>,
    /// Slope of the one-way delay, ms a second: a queue that grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trend_ms_per_s: Option<f64>,
    /// The path carried it.
    pub accepted: bool,
    /// Why not, when it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_for: Option<RefusedFor>,
}

/// Why a trial was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefusedFor {
    /// Too many packets were lost.
    Loss,
    /// The delay varied too much.
    DelayVariation,
    /// The delay kept rising.
    DelayTrend,
    /// A reason of a later version.
    #[serde(other)]
    Other,
}

/// What the traffic of a call does to delay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallLoad {
    /// 95th percentile of the round-trip time while sending and receiving at the recommended rates,
    /// less the idle median.
    pub rise_p95_ms: Millis,
    /// 95 % interval of it; absent below the number of samples that gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rise_p95_interval_ms: Option<MillisInterval>,
    /// Round trips behind it.
    pub samples: u64,
    /// Rate that was sent meanwhile, IP layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uplink_bps: Option<Bitrate>,
    /// Rate that was received meanwhile, IP layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downlink_bps: Option<Bitrate>,
}

/// What one phase cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseCost {
    /// Which.
    pub phase: ThroughputPhase,
    /// How long it ran.
    pub duration_ms: Millis,
    /// Bytes sent, IP headers included.
    pub bytes_sent: ByteCount,
    /// Bytes received, IP headers included.
    pub bytes_received: ByteCount,
}

/// A phase of the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ThroughputPhase {
    /// Handshake.
    Connect,
    /// Rate to the server.
    Uplink,
    /// Rate from the server.
    Downlink,
    /// Traffic of a call, both ways.
    Verification,
    /// Comparison over TCP.
    Tcp,
    /// A phase of a later version.
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(value: f64) -> Millis {
        Millis::new(value).unwrap()
    }

    #[test]
    fn edges_belong_to_the_worse_letter() {
        assert_eq!(Grade::of(ms(-3.0)), Grade::APlus);
        assert_eq!(Grade::of(ms(4.999)), Grade::APlus);
        for (edge, grade) in [
            (5.0, Grade::A),
            (30.0, Grade::B),
            (60.0, Grade::C),
            (200.0, Grade::D),
            (400.0, Grade::F),
        ] {
            assert_eq!(Grade::of(ms(edge)), grade);
        }
    }

    #[test]
    fn a_letter_is_written_as_it_is_spoken() {
        for (grade, _) in Grade::EDGES_MS {
            assert_eq!(serde_json::to_value(grade).unwrap(), grade.letter());
        }
    }

    #[test]
    fn what_was_not_measured_is_absent_and_reads_back() {
        let nothing = serde_json::json!({
            "transport": "udp",
            "remote": "192.0.2.1",
            "uplink": {
                "at_least": false,
                "samples": 0,
                "stop": "no_traffic",
                "packets_sent": 40,
                "packets_received": 0,
            },
            "verifications": [],
            "phases": [],
        });
        let section: ThroughputSection = serde_json::from_value(nothing.clone()).unwrap();
        assert_eq!(section.uplink.as_ref().unwrap().capacity_bps, None);
        assert_eq!(serde_json::to_value(section).unwrap(), nothing);
    }

    #[test]
    fn two_hundred_milliseconds_are_three_hundred_round_trips_a_minute() {
        assert_eq!(rpm(ms(200.0)), Some(300.0));
        assert_eq!(rpm(Millis::ZERO), None);
    }

    proptest! {
        #[test]
        fn more_delay_never_gets_a_better_letter(one in -50.0_f64..900.0, more in 0.0_f64..900.0) {
            prop_assert!(Grade::of(ms(one)) <= Grade::of(ms(one + more)));
        }
    }
}
