//! Rates, delay under load, and what follows for a call, as rows.

use super::details::Rows;
use super::words;
use crate::model::derived::{DerivedSection, MosEstimate};
use crate::model::path::MillisInterval;
use crate::model::throughput::{
    BitrateInterval, FullLoad, PhaseCost, RateLimit, RateSection, RefusedFor, StopReason,
    TcpComparison, ThroughputPhase, ThroughputSection, VerifiedDirection,
};

pub(super) fn bandwidth_rows(throughput: &ThroughputSection) -> Vec<(String, String)> {
    let mut rows = Rows::default();
    let transport = words::transport(throughput.transport);
    rows.add(
        "measured to",
        format!("{} over {transport}", throughput.remote),
    );
    rate_rows(&mut rows, "uplink", throughput.uplink.as_ref());
    rate_rows(&mut rows, "downlink", throughput.downlink.as_ref());
    for trial in &throughput.verifications {
        rows.some("call traffic to server", trial.up.as_ref().map(tried));
        rows.some("call traffic from server", trial.down.as_ref().map(tried));
    }
    let load = throughput.call_load.as_ref().map(|load| {
        let interval = millis(load.rise_p95_interval_ms);
        let samples = load.samples;
        format!("{} more{interval}, {samples} samples", load.rise_p95_ms)
    });
    rows.some("delay by call traffic", load);
    rows.some("over TCP", throughput.tcp.as_ref().and_then(tcp));
    for phase in &throughput.phases {
        rows.add(&format!("cost of {}", phase_name(phase)), cost(phase));
    }
    rows.0
}

fn rate_rows(rows: &mut Rows, name: &str, section: Option<&RateSection>) {
    let Some(section) = section else {
        return;
    };
    rows.add(name, rate(section));
    rows.some(&format!("{name} free for calls"), free(section));
    let variation = section.variation.map(|v| {
        format!(
            "{} to {} most of the time, median {}",
            v.p10_bps, v.p90_bps, v.p50_bps
        )
    });
    rows.some(&format!("{name} varies"), variation);
    rows.some(
        &format!("{name} held by"),
        section.limit.and_then(limit_name),
    );
    let load = section.full_load.as_ref().map(full_load);
    rows.some(&format!("delay with full {name}"), load);
}

fn rate(section: &RateSection) -> String {
    let stop = stop(section.stop);
    let Some(capacity) = section.capacity_bps else {
        return format!("not known{stop}");
    };
    let at_least = if section.at_least { "at least " } else { "" };
    let interval = bitrates(section.capacity_interval_bps.filter(|_| !section.at_least));
    let samples = section.samples;
    format!("{at_least}{capacity}{interval}, {samples} samples{stop}")
}

/// What is free, where it is not all there is.
fn free(section: &RateSection) -> Option<String> {
    let usable = section.usable_bps?;
    let all = section.usable_bps == section.capacity_bps;
    let interval = bitrates(section.usable_interval_bps);
    (!all).then(|| format!("{usable}{interval}"))
}

/// How it ended, where that is not how it should.
fn stop(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Stable | StopReason::CapReached | StopReason::Other => "",
        StopReason::Time => ", not settled in the time there was",
        StopReason::Data => ", stopped by the data limit",
        StopReason::Delay => ", stopped because the delay rose too far",
        StopReason::Variable => ", never settled",
        StopReason::Cancelled => ", stopped by the user",
        StopReason::ServerStopped => ", stopped by the server",
        StopReason::MachineLimit => ", as fast as this machine can",
        StopReason::NoTraffic => ", nothing came through",
    }
}

fn limit_name(limit: RateLimit) -> Option<&'static str> {
    match limit {
        RateLimit::Access => Some("the connection"),
        RateLimit::Server => Some("the test server"),
        RateLimit::Machine => Some("this machine"),
        RateLimit::Policer => Some("something that drops packets above this rate"),
        RateLimit::Cap | RateLimit::Other => None,
    }
}

fn full_load(load: &FullLoad) -> String {
    let letter = load.grade.letter();
    let interval = millis(load.rise_p95_interval_ms);
    let rising = if load.still_rising {
        ", still rising"
    } else {
        ""
    };
    let queue = load
        .queue_ms
        .map_or(String::new(), |queue| format!(", queue {queue}"));
    let rpm = load
        .rpm
        .map_or(String::new(), |rpm| format!(", {rpm} round trips a minute"));
    let apart = if load.isolated == Some(true) {
        ", other flows kept apart"
    } else {
        ""
    };
    format!(
        "grade {letter}: {} more{interval}{rising}{queue}{rpm}{apart}, {} samples",
        load.rise_p95_ms, load.samples
    )
}

fn tried(trial: &VerifiedDirection) -> String {
    let verdict = match (trial.accepted, trial.refused_for) {
        (true, _) => "accepted",
        (false, Some(RefusedFor::Loss)) => "refused for packet loss",
        (false, Some(RefusedFor::DelayVariation)) => "refused for delay variation",
        (false, Some(RefusedFor::DelayTrend)) => "refused for rising delay",
        (false, _) => "refused",
    };
    let loss = trial.loss_ratio.map_or(String::new(), |loss| {
        let interval = trial.loss_ratio_interval;
        let interval = interval.map(|i| format!(" ({} to {})", i.low, i.high));
        format!(", loss {loss}{}", interval.unwrap_or_default())
    });
    let variation = trial
        .pdv_p95_ms
        .map_or(String::new(), |pdv| format!(", delay variation {pdv}"));
    let trend = trial.trend_ms_per_s.filter(|_| !trial.accepted);
    let trend = trend.map_or(String::new(), |trend| {
        format!(", delay trend {trend:.0} ms a second")
    });
    format!(
        "{} at {} {verdict}{loss}{variation}{trend}",
        trial.rung.name(),
        trial.rate_bps
    )
}

fn tcp(tcp: &TcpComparison) -> Option<String> {
    let bound = |at_least| if at_least { "at least " } else { "" };
    let (least_up, least_down) = (bound(tcp.uplink_at_least), bound(tcp.downlink_at_least));
    let up = tcp
        .uplink_bps
        .map(|rate| format!("{least_up}{rate} to the server"));
    let down = tcp
        .downlink_bps
        .map(|rate| format!("{least_down}{rate} from the server"));
    let known: Vec<String> = up.into_iter().chain(down).collect();
    (!known.is_empty()).then(|| known.join(", "))
}

fn phase_name(cost: &PhaseCost) -> &'static str {
    match cost.phase {
        ThroughputPhase::Connect => "connecting",
        ThroughputPhase::Uplink => "uplink",
        ThroughputPhase::Downlink => "downlink",
        ThroughputPhase::Verification => "call traffic",
        ThroughputPhase::Tcp => "TCP",
        ThroughputPhase::Other => "the rest",
    }
}

fn cost(phase: &PhaseCost) -> String {
    format!(
        "{}, {} sent, {} received",
        phase.duration_ms, phase.bytes_sent, phase.bytes_received
    )
}

fn bitrates(interval: Option<BitrateInterval>) -> String {
    interval.map_or(String::new(), |i| format!(" ({} to {})", i.low, i.high))
}

fn millis(interval: Option<MillisInterval>) -> String {
    interval.map_or(String::new(), |i| format!(" ({} to {})", i.low, i.high))
}

/// What follows for a call, beside the sentence that stands at the top.
pub(super) fn estimate_rows(derived: &DerivedSection) -> Vec<(String, String)> {
    let mut rows = Rows::default();
    rows.some("hearing others", derived.mos_hear.as_ref().map(mos));
    rows.some("being heard", derived.mos_speak.as_ref().map(mos));
    let sessions = derived.call.iter().flat_map(|call| &call.sessions);
    let fitting = sessions.map(|fit| {
        let at_least = if fit.at_least { "at least " } else { "" };
        format!("{at_least}{} x {}", fit.sessions, fit.rung.name())
    });
    let fitting: Vec<String> = fitting.collect();
    let fitting = (!fitting.is_empty()).then(|| fitting.join(", "));
    rows.some("calls that fit", fitting);
    rows.0
}

fn mos(estimate: &MosEstimate) -> String {
    format!(
        "{:.2} of 4.5, {}; {}, {} from mouth to ear, loss {}",
        estimate.value, estimate.model, estimate.codec, estimate.delay_ms, estimate.loss_ratio
    )
}
