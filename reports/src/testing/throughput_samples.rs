//! A synthetic link, and the section that a probe would make of it.

use crate::derive::ladder::Rung;
use crate::model::path::{MillisInterval, Transport};
use crate::model::sensitive::Sensitive;
use crate::model::throughput::{
    BitrateInterval, CallLoad, FullLoad, Grade, PhaseCost, RateLimit, RateSection, RateVariation,
    RefusedFor, StopReason, ThroughputPhase, ThroughputSection, Verification, VerifiedDirection,
    rpm,
};
use crate::stats::proportion::wilson_interval;
use crate::units::{Bitrate, ByteCount, Millis, Ratio};

/// What is asked of the link at most, kbit/s.
const CAP_UP_KBPS: u64 = 12_000;
const CAP_DOWN_KBPS: u64 = 25_000;
const IDLE_RTT_MS: f64 = 20.0;

/// A link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThroughputModel {
    /// Capacity to the server.
    pub up_kbps: u64,
    /// Capacity from the server.
    pub down_kbps: u64,
    /// Depth of the queue to the server.
    pub up_queue_ms: f64,
    /// Depth of the queue from the server.
    pub down_queue_ms: f64,
    /// How the rate to the server is kept.
    pub up_shape: Shape,
    /// How the rate from the server is kept.
    pub down_shape: Shape,
    /// What the test server allows.
    pub server_kbps: Option<u64>,
    /// Rise of delay by the traffic of a call.
    pub call_load_ms: f64,
}

/// How a rate is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// By a queue.
    Steady,
    /// It swings between half and one and a half times the capacity.
    Varies,
    /// What exceeds it is dropped, not queued.
    Policed,
}

impl Default for ThroughputModel {
    /// A link of 40 Mbit/s down and 10 Mbit/s up with shallow queues.
    fn default() -> Self {
        Self {
            up_kbps: 10_000,
            down_kbps: 40_000,
            up_queue_ms: 18.0,
            down_queue_ms: 18.0,
            up_shape: Shape::Steady,
            down_shape: Shape::Steady,
            server_kbps: None,
            call_load_ms: 1.6,
        }
    }
}

/// One direction of the link.
struct Way {
    kbps: u64,
    cap_kbps: u64,
    queue_ms: f64,
    shape: Shape,
    server_kbps: Option<u64>,
}

impl ThroughputModel {
    /// What a probe would find.
    pub fn section(&self) -> ThroughputSection {
        let up = Way {
            kbps: self.up_kbps,
            cap_kbps: CAP_UP_KBPS,
            queue_ms: self.up_queue_ms,
            shape: self.up_shape,
            server_kbps: self.server_kbps,
        };
        let down = Way {
            kbps: self.down_kbps,
            cap_kbps: CAP_DOWN_KBPS,
            queue_ms: self.down_queue_ms,
            shape: self.down_shape,
            server_kbps: self.server_kbps,
        };
        ThroughputSection {
            transport: Transport::Udp,
            udp_blocked: None,
            remote: Sensitive::new("203.0.113.9"),
            uplink: Some(up.rate()),
            downlink: Some(down.rate()),
            tcp: None,
            verifications: vec![Verification {
                up: Some(up.trial(self.call_load_ms)),
                down: Some(down.trial(self.call_load_ms)),
                duration_ms: ms(1000.0),
            }],
            call_load: Some(CallLoad {
                rise_p95_ms: ms(self.call_load_ms),
                rise_p95_interval_ms: around(self.call_load_ms),
                samples: 100,
                uplink_bps: Some(up.trial(0.0).rate_bps),
                downlink_bps: Some(down.trial(0.0).rate_bps),
            }),
            phases: phases(),
        }
    }
}

impl Way {
    fn varies(&self) -> bool {
        self.shape == Shape::Varies
    }

    fn policed(&self) -> bool {
        self.shape == Shape::Policed
    }

    fn rate(&self) -> RateSection {
        let by_server = self.server_kbps.filter(|&server| server < self.kbps);
        let kbps = by_server.unwrap_or(self.kbps).min(self.cap_kbps);
        let capped = kbps == self.cap_kbps;
        let at_least = capped || by_server.is_some();
        let capacity = (!self.varies()).then(|| Bitrate::from_kbps(kbps));
        let interval = capacity.map(|capacity| part(capacity, 995, 1005));
        let (stop, limit) = match by_server {
            _ if capped => (StopReason::CapReached, RateLimit::Cap),
            Some(_) => (StopReason::ServerStopped, RateLimit::Server),
            None if self.policed() => (StopReason::Stable, RateLimit::Policer),
            None if self.varies() => (StopReason::Variable, RateLimit::Access),
            None => (StopReason::Stable, RateLimit::Access),
        };
        let lost = if at_least { 0 } else { 220 };
        RateSection {
            capacity_bps: capacity,
            capacity_interval_bps: interval,
            at_least,
            usable_bps: capacity,
            usable_interval_bps: interval,
            samples: 58,
            stop,
            variation: self.varies().then(|| RateVariation {
                p10_bps: Bitrate::from_kbps(kbps / 2),
                p50_bps: Bitrate::from_kbps(kbps),
                p90_bps: Bitrate::from_kbps(kbps + kbps / 2),
            }),
            limit: Some(limit),
            packets_sent: 1000,
            packets_received: 1000 - lost,
            loss_ratio: Ratio::of(lost, 1000),
            loss_ratio_interval: wilson_interval(lost, 1000),
            full_load: (!at_least).then(|| self.full_load()),
        }
    }

    fn full_load(&self) -> FullLoad {
        let rise = if self.policed() { 1.2 } else { self.queue_ms };
        FullLoad {
            idle_rtt_ms: ms(IDLE_RTT_MS),
            rise_p50_ms: ms(rise * 0.98),
            rise_p95_ms: ms(rise),
            rise_p95_interval_ms: around(rise),
            same_flow_rise_p95_ms: Some(ms(rise)),
            queue_ms: (!self.policed()).then(|| ms(self.queue_ms)),
            queue_full: !self.policed(),
            isolated: Some(false),
            samples: 84,
            grade: Grade::of(ms(rise)),
            rpm: rpm(ms(IDLE_RTT_MS + rise * 0.98)),
            still_rising: false,
        }
    }

    /// The best rung that there is room for; audio is refused where there is none.
    fn trial(&self, pdv_ms: f64) -> VerifiedDirection {
        let kbps = self.server_kbps.map_or(self.kbps, |s| s.min(self.kbps));
        let kbps = if self.varies() { kbps / 2 } else { kbps };
        let carried = Rung::carried_by(Bitrate::from_kbps(kbps));
        let rung = carried.unwrap_or(Rung::Audio);
        let video = match rung {
            Rung::Audio => Bitrate::default(),
            _ => rung.rate(),
        };
        let lost = if carried.is_some() { 0 } else { 20 };
        VerifiedDirection {
            rung,
            video_bps: video,
            audio_bps: Bitrate::from_kbps(32),
            rate_bps: rung.rate(),
            packets_sent: 200,
            packets_received: 200 - lost,
            loss_ratio: Ratio::of(lost, 200),
            loss_ratio_interval: wilson_interval(lost, 200),
            pdv_p95_ms: Some(ms(pdv_ms)),
            trend_ms_per_s: Some(0.2),
            accepted: carried.is_some(),
            refused_for: carried.is_none().then_some(RefusedFor::Loss),
        }
    }
}

fn phases() -> Vec<PhaseCost> {
    let cost = |phase, duration, sent, received| PhaseCost {
        phase,
        duration_ms: ms(duration),
        bytes_sent: ByteCount::new(sent),
        bytes_received: ByteCount::new(received),
    };
    vec![
        cost(ThroughputPhase::Connect, 41.0, 240, 240),
        cost(ThroughputPhase::Uplink, 980.0, 1_200_000, 21_000),
        cost(ThroughputPhase::Downlink, 940.0, 19_000, 2_600_000),
        cost(ThroughputPhase::Verification, 1_020.0, 390_000, 400_000),
    ]
}

fn part(rate: Bitrate, low_per_mille: u64, high_per_mille: u64) -> BitrateInterval {
    let bps = rate.as_bps() / 1000;
    BitrateInterval {
        low: Bitrate::from_bps(bps * low_per_mille),
        high: Bitrate::from_bps(bps * high_per_mille),
    }
}

fn around(value: f64) -> Option<MillisInterval> {
    Some(MillisInterval {
        low: Millis::new(value * 0.97)?,
        high: Millis::new(value * 1.04)?,
    })
}

fn ms(value: f64) -> Millis {
    Millis::new(value).unwrap_or_default()
}
