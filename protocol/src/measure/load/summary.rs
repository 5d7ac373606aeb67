//! From a load measurement to the throughput section of the report.

use greenroom_reports::derive::ladder::Rung;
use greenroom_reports::model::path::{MillisInterval, Transport, UdpBlocked};
use greenroom_reports::model::sensitive::Sensitive;
use greenroom_reports::model::throughput::{
    BitrateInterval, CallLoad, FullLoad, Grade, PhaseCost, RateLimit, RateSection, RateVariation,
    RefusedFor, StopReason, ThroughputSection, Verification, VerifiedDirection, rpm,
};
use greenroom_reports::stats::proportion::wilson_interval;
use greenroom_reports::stats::quantile::{interval, nearest_rank};
use greenroom_reports::units::{Bitrate, Millis, Ratio};

use super::super::record::EchoRecord;
use super::super::time::MonotonicTime;
use super::capacity::rate::whole;
use super::capacity::{Capacity, Saturation, Stop};
use super::client::{LoadClient, Measured, TrialResult};
use super::schedule::{CALL_AUDIO_BYTES, CALL_AUDIO_INTERVAL};
use super::verify::{Misfit, Trial};
use super::wire::LoadDirection;

/// Fewer round trips of the other flow say nothing of its own delay.
const FEWEST_ROUND_TRIPS: usize = 8;
/// The other flow is apart when it sees less than this share of the delay that the load sees.
const APART: f64 = 0.3;
/// And that delay is worth telling.
const WORTH_TELLING_MS: f64 = 20.0;
/// Spread of what is free when others share the link; measured on links with random traffic of
/// 30 to 50 % (`docs/accuracy.md`).
const SHARED_SPREAD: f64 = 0.25;

/// What the machine cannot know.
#[derive(Clone, Debug)]
pub struct LoadContext {
    /// How the packets traveled.
    pub transport: Transport,
    /// Why not over UDP.
    pub udp_blocked: Option<UdpBlocked>,
    /// The server's address.
    pub remote: std::net::SocketAddr,
    /// 95th percentile of the idle round trip, from the path probe.
    pub idle_rtt_p95: Option<Millis>,
    /// The cap up and down is the server's limit, not ours.
    pub capped_by_server: [bool; 2],
    /// What each phase cost.
    pub phases: Vec<PhaseCost>,
}

/// Summarizes what a client measured so far; `None` when that is nothing.
pub fn summarize(client: &LoadClient, context: LoadContext) -> Option<ThroughputSection> {
    let (up, down) = (client.uplink(), client.downlink());
    if up.packets_sent + down.packets_sent == 0 {
        return None;
    }
    let idle = idle_rtts(client);
    let over_udp = !context.transport.is_stream();
    let direction = |measured: Measured<'_>, index: usize| {
        (measured.packets_sent > 0).then(|| {
            let trials = client.trials().iter();
            let trials: Vec<&Trial> = trials.map(|t| [&t.up, &t.down][index]).collect();
            Direction {
                way: [LoadDirection::Up, LoadDirection::Down][index],
                measured,
                trials,
                idle: &idle,
                client,
                over_udp,
                capped_by_server: context.capped_by_server[index],
            }
            .section()
        })
    };
    Some(ThroughputSection {
        transport: context.transport,
        udp_blocked: context.udp_blocked.clone(),
        remote: Sensitive::from(context.remote.ip()),
        uplink: direction(up, 0),
        downlink: direction(down, 1),
        tcp: None,
        verifications: client
            .trials()
            .iter()
            .map(|trial| verification(trial, over_udp))
            .collect(),
        call_load: call_load(client, &idle, context.idle_rtt_p95),
        phases: context.phases,
    })
}

/// Round trips before the first load, in milliseconds, sorted.
fn idle_rtts(client: &LoadClient) -> Vec<f64> {
    let until = client.idle_until();
    let records = client.other_echoes().iter();
    let idle = records.filter(|record| until.is_none_or(|until| record.sent < until));
    sorted(idle.filter_map(rtt_ms).collect())
}

fn rtt_ms(record: &EchoRecord) -> Option<f64> {
    record.rtt_ns().map(|ns| ns as f64 / 1e6)
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// Round trips of echoes that left within a time of the client's clock, sorted.
fn rtts_within(records: &[EchoRecord], from_ns: u64, until_ns: u64) -> Vec<f64> {
    let within = |record: &&EchoRecord| (from_ns..=until_ns).contains(&record.sent.as_nanos());
    sorted(records.iter().filter(within).filter_map(rtt_ms).collect())
}

struct Direction<'a> {
    way: LoadDirection,
    measured: Measured<'a>,
    trials: Vec<&'a Trial>,
    idle: &'a [f64],
    client: &'a LoadClient,
    over_udp: bool,
    capped_by_server: bool,
}

impl Direction<'_> {
    fn section(&self) -> RateSection {
        let found = self.measured.capacity;
        let (sent, received) = (
            self.measured.packets_sent,
            self.measured
                .packets_received
                .min(self.measured.packets_sent),
        );
        let never_settled = |c: &&Capacity| c.variation_bps.is_some() && c.bps <= c.free_bps;
        let settled = found.filter(|c| !never_settled(c));
        let usable = found.map(|c| self.usable(c));
        RateSection {
            capacity_bps: settled.map(|c| bitrate(c.bps)),
            capacity_interval_bps: settled.map(|c| bitrates(c.interval_bps)),
            at_least: found.is_some_and(|c| c.at_least),
            usable_bps: usable.map(|(bps, _)| bitrate(bps)),
            usable_interval_bps: usable.map(|(_, interval)| bitrates(interval)),
            samples: found.map_or(0, |c| c.samples),
            stop: stop_reason(self.measured.stop, found),
            variation: found.and_then(|c| c.variation_bps).map(variation),
            limit: found.and_then(|c| self.limit(c)),
            packets_sent: sent,
            packets_received: received,
            loss_ratio: self
                .over_udp
                .then(|| Ratio::of(sent - received, sent))
                .flatten(),
            loss_ratio_interval: self
                .over_udp
                .then(|| wilson_interval(sent - received, sent))
                .flatten(),
            full_load: self.measured.saturation.and_then(|s| self.full_load(s)),
        }
    }

    /// What is free: the hint, not below what a trial accepted and not above what one refused.
    fn usable(&self, found: &Capacity) -> (f64, (f64, f64)) {
        let is_shared = found.bps > found.free_bps;
        let half = if is_shared {
            found.free_bps * SHARED_SPREAD
        } else {
            (found.interval_bps.1 - found.interval_bps.0) / 2.0
        };
        let accepted = self.trials.iter().filter(|t| t.misfit.is_none());
        let floor = accepted.map(|t| t.rate_bps).fold(0.0, f64::max);
        let refused = self.trials.iter().filter(|t| t.misfit.is_some());
        let refused = refused.map(|t| t.rate_bps).fold(f64::INFINITY, f64::min);
        let ceiling = refused.max(floor);
        let within = |rate: f64| rate.min(ceiling).max(floor);
        let free = within(found.free_bps);
        let low = within(found.free_bps - half);
        let high = if found.at_least {
            free
        } else {
            within(found.free_bps + half)
        };
        (free, (low.min(free), high.max(free)))
    }

    fn limit(&self, found: &Capacity) -> Option<RateLimit> {
        match self.measured.stop {
            _ if found.is_policed => Some(RateLimit::Policer),
            Some(Stop::Cap) if self.capped_by_server => Some(RateLimit::Server),
            Some(Stop::Cap) => Some(RateLimit::Cap),
            Some(Stop::Sender) => Some(RateLimit::Machine),
            Some(Stop::Settled | Stop::Delay | Stop::Time) if self.over_udp => {
                Some(RateLimit::Access)
            }
            _ => None,
        }
    }

    /// When an echo or its answer entered this direction, on the clock of who sent it.
    fn entered(&self, record: &EchoRecord) -> Option<MonotonicTime> {
        match self.way {
            LoadDirection::Up => Some(record.sent),
            LoadDirection::Down => record.reply.map(|reply| reply.server_departure),
        }
    }

    fn full_load(&self, full: &Saturation) -> Option<FullLoad> {
        let idle = nearest_rank(self.idle, 0.5)?;
        let echoes = self.client.other_echoes();
        let during = |record: &&EchoRecord| {
            let entered = self.entered(record);
            entered.is_some_and(|at| (full.from_ns..=full.until_ns).contains(&at.as_nanos()))
        };
        let rtts = sorted(echoes.iter().filter(during).filter_map(rtt_ms).collect());
        let others: Vec<f64> = rtts.iter().map(|rtt| (rtt - idle).max(0.0)).collect();
        let own: Vec<f64> = full.rises_ns.iter().map(|ns| *ns as f64 / 1e6).collect();
        let own_p95 = nearest_rank(&own, 0.95)?;
        let tells = others.len() >= FEWEST_ROUND_TRIPS;
        let rises = if tells { &others } else { &own };
        let p95 = nearest_rank(rises, 0.95)?;
        let isolated = tells && own_p95 >= WORTH_TELLING_MS && p95 < APART * own_p95;
        let (is_full, rise_p95) = (full.is_full, Millis::new(p95)?);
        Some(FullLoad {
            idle_rtt_ms: Millis::new(idle)?,
            rise_p50_ms: Millis::new(nearest_rank(rises, 0.5)?)?,
            rise_p95_ms: rise_p95,
            rise_p95_interval_ms: interval(rises, 0.95).and_then(millis_interval),
            same_flow_rise_p95_ms: Millis::new(own_p95),
            queue_ms: is_full.then(|| Millis::from_nanos(full.deepest_ns)),
            queue_full: is_full,
            isolated: tells.then_some(isolated),
            samples: rises.len() as u64,
            grade: Grade::of(rise_p95),
            rpm: Millis::new(idle + p95).and_then(rpm),
            still_rising: !is_full && self.measured.stop != Some(Stop::Settled),
        })
    }
}

fn stop_reason(stop: Option<Stop>, found: Option<&Capacity>) -> StopReason {
    match stop {
        Some(Stop::Settled | Stop::Time) if found.is_some_and(|c| c.variation_bps.is_some()) => {
            StopReason::Variable
        }
        Some(Stop::Settled | Stop::TrainsOnly) => StopReason::Stable,
        Some(Stop::Cap) => StopReason::CapReached,
        Some(Stop::Delay) => StopReason::Delay,
        Some(Stop::Time) => StopReason::Time,
        Some(Stop::Data) => StopReason::Data,
        Some(Stop::Starved) => StopReason::NoTraffic,
        Some(Stop::NoAnswer | Stop::Refused(_) | Stop::Impossible) => StopReason::ServerStopped,
        Some(Stop::Sender) => StopReason::MachineLimit,
        None => StopReason::Cancelled,
    }
}

fn variation([p10, p50, p90]: [f64; 3]) -> RateVariation {
    RateVariation {
        p10_bps: bitrate(p10),
        p50_bps: bitrate(p50),
        p90_bps: bitrate(p90),
    }
}

fn verification(trial: &TrialResult, over_udp: bool) -> Verification {
    let (from, until) = trial.window_ns;
    Verification {
        up: Some(verified(&trial.up, over_udp)),
        down: Some(verified(&trial.down, over_udp)),
        duration_ms: std::time::Duration::from_nanos(until.saturating_sub(from)).into(),
    }
}

fn verified(trial: &Trial, over_udp: bool) -> VerifiedDirection {
    let (sent, received) = (u64::from(trial.sent), trial.received.min(trial.sent.into()));
    let lost = sent - received;
    let audio_bits = u64::from(CALL_AUDIO_BYTES) * 8;
    let audio = audio_bits as f64 / CALL_AUDIO_INTERVAL.as_secs_f64();
    VerifiedDirection {
        rung: rung_of(trial.video_bps),
        video_bps: Bitrate::from_bps(trial.video_bps),
        audio_bps: bitrate(audio),
        rate_bps: bitrate(trial.rate_bps),
        packets_sent: sent,
        packets_received: received,
        loss_ratio: over_udp.then(|| Ratio::of(lost, sent)).flatten(),
        loss_ratio_interval: over_udp.then(|| wilson_interval(lost, sent)).flatten(),
        pdv_p95_ms: trial.pdv_p95_ns.map(Millis::from_nanos),
        trend_ms_per_s: trial
            .trend_ns_per_s
            .map(|trend| (trend / 1e3).round() / 1e3),
        accepted: trial.misfit.is_none(),
        refused_for: trial.misfit.map(|misfit| match misfit {
            Misfit::Loss | Misfit::Starved => RefusedFor::Loss,
            Misfit::Variation => RefusedFor::DelayVariation,
            Misfit::Trend => RefusedFor::DelayTrend,
        }),
    }
}

fn rung_of(video_bps: u64) -> Rung {
    let rungs = Rung::ALL.into_iter().filter(|rung| *rung != Rung::Audio);
    let mut of_this_rate = rungs.filter(|rung| rung.rate().as_bps() == video_bps);
    of_this_rate.next().unwrap_or(Rung::Audio)
}

/// Of the last trial that fitted both ways, or of the last one.
fn call_load(client: &LoadClient, idle: &[f64], idle_p95: Option<Millis>) -> Option<CallLoad> {
    let fits = |trial: &&TrialResult| trial.up.misfit.is_none() && trial.down.misfit.is_none();
    let trials = client.trials();
    let trial = trials.iter().rev().find(fits).or(trials.last())?;
    let (from, until) = trial.window_ns;
    let rtts = rtts_within(client.other_echoes(), from, until);
    let before = idle_p95
        .map(Millis::as_f64)
        .or_else(|| nearest_rank(idle, 0.95))?;
    let rises: Vec<f64> = rtts.iter().map(|rtt| rtt - before).collect();
    let p95 = nearest_rank(&rises, 0.95)?.max(0.0);
    let above = |(low, high): (f64, f64)| (low.max(0.0), high.max(0.0));
    Some(CallLoad {
        rise_p95_ms: Millis::new(p95)?,
        rise_p95_interval_ms: interval(&rises, 0.95).map(above).and_then(millis_interval),
        samples: rises.len() as u64,
        uplink_bps: Some(bitrate(trial.up.rate_bps)),
        downlink_bps: Some(bitrate(trial.down.rate_bps)),
    })
}

fn millis_interval((low, high): (f64, f64)) -> Option<MillisInterval> {
    Some(MillisInterval {
        low: Millis::new(low)?,
        high: Millis::new(high)?,
    })
}

fn bitrate(bps: f64) -> Bitrate {
    Bitrate::from_bps(whole(bps.round()))
}

fn bitrates((low, high): (f64, f64)) -> BitrateInterval {
    BitrateInterval {
        low: bitrate(low),
        high: bitrate(high),
    }
}
