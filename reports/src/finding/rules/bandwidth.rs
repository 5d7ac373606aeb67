//! Findings about rates, and about delay under load.

use crate::derive::ladder::Rung;
use crate::finding::facts::{Facts, Hit, number, word};
use crate::model::finding::{Evidence, Severity};
use crate::model::outcome::{Outcome, ReasonCode};
use crate::model::throughput::{
    BitrateInterval, FullLoad, Grade, RateLimit, RateSection, RateVariation, ThroughputSection,
};
use crate::units::Bitrate;
use crate::verdict::metric::{Measured, Metric};
use crate::verdict::parts::Direction;

/// A rate varies when its 90th percentile is this many times its 10th.
///
/// Engineering choice: more than the step between trials of a rate.
const MIN_SPREAD: f64 = 1.5;
/// Rise of delay under saturation from which it is worth a word: grade C.
const BLOAT_GRADE: Grade = Grade::B;
/// A direction shares the blame for delay in a call when it delays this part of what the other
/// does.
const BLAME_SHARE: f64 = 0.5;

/// Headers of IPv4 and UDP, which rates include.
const IP_UDP_HEADER_BYTES: u64 = 28;

/// The names of one direction's metric, findings and evidence.
struct Names {
    direction: Direction,
    rate: &'static str,
    too_small: &'static str,
    varying: &'static str,
    policed: &'static str,
    bloat: &'static str,
    capacity: &'static str,
    rise: &'static str,
    loss: &'static str,
}

const NAMES: [Names; 2] = [
    Names {
        direction: Direction::Up,
        rate: "uplink",
        too_small: "network.bandwidth.uplink_too_small",
        varying: "network.bandwidth.varying_rate_up",
        policed: "network.bandwidth.policed_up",
        bloat: "network.bandwidth.bufferbloat_up",
        capacity: "uplink_capacity",
        rise: "full_load_rise_up",
        loss: "full_load_loss_up",
    },
    Names {
        direction: Direction::Down,
        rate: "downlink",
        too_small: "network.bandwidth.downlink_too_small",
        varying: "network.bandwidth.varying_rate_down",
        policed: "network.bandwidth.policed_down",
        bloat: "network.bandwidth.bufferbloat_down",
        capacity: "downlink_capacity",
        rise: "full_load_rise_down",
        loss: "full_load_loss_down",
    },
];

/// The built-in responder says nothing of the way to a server.
pub(super) fn hits(facts: &Facts<'_>) -> Vec<Hit> {
    if facts.parts.is_builtin() {
        return Vec::new();
    }
    let Some(throughput) = facts.parts.throughput.data() else {
        return turned_away(facts).into_iter().collect();
    };
    let of_direction = NAMES.iter().flat_map(|names| {
        [
            policed(facts, names, throughput),
            varying(facts, names, throughput),
            too_small(facts, names, throughput),
            bufferbloat(facts, names, throughput),
        ]
    });
    let limited = [server_limited(facts, throughput)];
    of_direction.chain(limited).flatten().collect()
}

/// The server allows no test of rates at all.
fn turned_away(facts: &Facts<'_>) -> Option<Hit> {
    let Outcome::Blocked { reason } = facts.parts.throughput else {
        return None;
    };
    let evidence = vec![word("reason", &reason.message)];
    (reason.code == ReasonCode::Limited).then(|| {
        Hit::new(
            "network.bandwidth.server_limited",
            Severity::Warning,
            evidence,
        )
    })
}

/// The good edge of a rate; what audio needs in a profile that judges no video.
fn edge(facts: &Facts<'_>, metric: &Metric) -> f64 {
    let audio = Rung::Audio.rate().as_bps() as f64;
    facts.edge(metric).unwrap_or(audio)
}

/// Critical where not even audio fits.
fn severity(facts: &Facts<'_>, metric: &Metric, rate: f64) -> Severity {
    if rate < Rung::Audio.rate().as_bps() as f64 {
        Severity::Critical
    } else {
        facts.severity(metric, rate)
    }
}

fn rate_evidence(facts: &Facts<'_>, metric: &Metric, measured: &Measured) -> Evidence {
    metric.evidence(measured, edge(facts, metric), facts.profile)
}

fn capacity_evidence(names: &Names, section: &RateSection) -> Option<Evidence> {
    let capacity = bps(section.capacity_bps?);
    Some(Evidence {
        samples: Some(section.samples),
        interval: section.capacity_interval_bps.map(interval),
        ..number(names.capacity, capacity, "bps")
    })
}

/// The whole 95 % interval lies below what is needed. A lower bound says nothing of the kind: the
/// server or this machine may hold the rate there.
fn too_small(facts: &Facts<'_>, names: &Names, throughput: &ThroughputSection) -> Option<Hit> {
    let section = names.direction.rate(throughput);
    let (metric, measured) = facts.measured(names.rate)?;
    let [_, at_most] = measured.interval?;
    if measured.at_least || at_most >= edge(facts, metric) {
        return None;
    }
    let capacity = section.and_then(|section| capacity_evidence(names, section));
    let trials: Vec<_> = names.direction.trials(throughput).collect();
    let refused = trials.iter().rfind(|trial| !trial.accepted);
    let refused = refused.map(|trial| word("refused_rung", trial.rung.name()));
    let evidence = [rate_evidence(facts, metric, &measured)].into_iter();
    Some(Hit {
        id: names.too_small,
        severity: severity(facts, metric, measured.value),
        evidence: evidence.chain(capacity).chain(refused).collect(),
    })
}

/// Where even the low end leaves nothing to wish for, nobody has to know.
fn varying(facts: &Facts<'_>, names: &Names, throughput: &ThroughputSection) -> Option<Hit> {
    let section = names.direction.rate(throughput)?;
    let RateVariation {
        p10_bps,
        p50_bps,
        p90_bps,
    } = section.variation?;
    if bps(p90_bps) < MIN_SPREAD * bps(p10_bps) {
        return None;
    }
    let metric = Metric::named(names.rate)?;
    let threshold = facts.profile.threshold(metric.figure);
    let enough = threshold.map_or(Rung::Audio.rate().as_bps() as f64, |t| t.excellent);
    if bps(p10_bps) >= enough {
        return None;
    }
    let severity = severity(facts, metric, bps(p10_bps));
    let low = Evidence {
        samples: Some(section.samples),
        threshold: Some(enough),
        profile: threshold.map(|_| facts.profile.name.clone()),
        ..number("rate_p10", bps(p10_bps), "bps")
    };
    let evidence = vec![
        low,
        number("rate_p50", bps(p50_bps), "bps"),
        number("rate_p90", bps(p90_bps), "bps"),
    ];
    Some(Hit::new(names.varying, severity, evidence))
}

/// Only a note where what gets through is enough.
fn policed(facts: &Facts<'_>, names: &Names, throughput: &ThroughputSection) -> Option<Hit> {
    let section = names.direction.rate(throughput)?;
    if section.limit != Some(RateLimit::Policer) || loses_as_idle(facts, names, section) {
        return None;
    }
    let (metric, measured) = facts.measured(names.rate)?;
    let severity = if measured.value < edge(facts, metric) {
        severity(facts, metric, measured.value)
    } else {
        Severity::Info
    };
    let loss = section.loss_ratio.map(|loss| Evidence {
        samples: Some(section.packets_sent),
        interval: section
            .loss_ratio_interval
            .map(|i| [i.low.as_f64(), i.high.as_f64()]),
        ..number(names.loss, loss.as_f64(), "ratio")
    });
    let rise = section.full_load.as_ref().map(|load| rise(names, load));
    let rate = [rate_evidence(facts, metric, &measured)].into_iter();
    let capacity = capacity_evidence(names, section);
    let evidence = rate.chain(capacity).chain(loss).chain(rise).collect();
    Some(Hit::new(names.policed, severity, evidence))
}

/// What a flood lost, the idle path may lose as well, although its stream is small enough to pass:
/// losses that come in bursts look like a policer for a while.
fn loses_as_idle(facts: &Facts<'_>, names: &Names, section: &RateSection) -> bool {
    let path = facts.path();
    let idle = path.and_then(|path| match names.direction {
        Direction::Up => path.up.loss.as_ref(),
        Direction::Down => path.down.loss.as_ref(),
    });
    let passes = !idle_stream_exceeds(facts, names.direction);
    let idle = idle.filter(|loss| loss.packets_lost > 0 && passes);
    let flood = section.loss_ratio_interval;
    idle.zip(flood)
        .is_some_and(|(idle, flood)| flood.low.as_f64() <= idle.loss_ratio_interval.high.as_f64())
}

/// Deep queues: in a call's own traffic they are a problem, under saturation a warning.
fn bufferbloat(facts: &Facts<'_>, names: &Names, throughput: &ThroughputSection) -> Option<Hit> {
    let load = names.direction.rate(throughput);
    let load = load.and_then(|section| section.full_load.as_ref());
    let deep = load.filter(|load| Grade::of_at_least(load) > BLOAT_GRADE);
    let in_call = call_is_delayed(facts, names.direction, throughput);
    let severity = match (&in_call, deep) {
        (Some(_), _) => Severity::Critical,
        (None, Some(_)) => Severity::Warning,
        (None, None) => return None,
    };
    let mut evidence: Vec<Evidence> = in_call.into_iter().collect();
    if let Some(load) = load {
        evidence.push(rise(names, load));
        evidence.push(word("full_load_grade", load.grade.letter()));
        let queue = load.queue_ms;
        evidence.extend(queue.map(|queue| number("queue_depth", queue.as_f64(), "ms")));
    }
    Some(Hit::new(names.bloat, severity, evidence))
}

/// The call's own traffic delays it beyond the good edge, by way of this direction.
fn call_is_delayed(
    facts: &Facts<'_>,
    direction: Direction,
    throughput: &ThroughputSection,
) -> Option<Evidence> {
    let (metric, measured) = facts.measured("call_load")?;
    let [at_least, _] = measured.interval?;
    let own = delay_of(direction, throughput);
    let other = delay_of(direction.opposite(), throughput);
    let to_blame = match (own, other) {
        (Some(own), Some(other)) => own >= BLAME_SHARE * other,
        (None, Some(_)) => false,
        (_, None) => true,
    };
    (to_blame && at_least >= facts.edge(metric)?).then(|| facts.evidence(metric, &measured))
}

/// How much a direction delays: in the last trial, else under saturation.
fn delay_of(direction: Direction, throughput: &ThroughputSection) -> Option<f64> {
    let in_trial = direction.trials(throughput).last();
    let in_trial = in_trial.and_then(|trial| trial.pdv_p95_ms);
    let load = direction.rate(throughput)?.full_load.as_ref();
    let delay = in_trial.or(load.map(|load| load.rise_p95_ms))?;
    Some(delay.as_f64())
}

fn rise(names: &Names, load: &FullLoad) -> Evidence {
    let edge = Grade::EDGES_MS
        .into_iter()
        .find(|(grade, _)| *grade == BLOAT_GRADE)
        .map(|(_, edge)| edge);
    Evidence {
        samples: Some(load.samples),
        interval: load
            .rise_p95_interval_ms
            .map(|i| [i.low.as_f64(), i.high.as_f64()]),
        threshold: edge,
        ..number(names.rise, load.rise_p95_ms.as_f64(), "ms")
    }
}

/// Only a note where what the server allows is enough.
fn server_limited(facts: &Facts<'_>, throughput: &ThroughputSection) -> Option<Hit> {
    let by_server = |names: &&Names| {
        let section = names.direction.rate(throughput);
        section.is_some_and(|section| section.limit == Some(RateLimit::Server))
    };
    let limited: Vec<(&Metric, Measured)> = NAMES
        .iter()
        .filter(by_server)
        .filter_map(|names| facts.measured(names.rate))
        .collect();
    let short = |(metric, measured): &(&Metric, Measured)| measured.value < edge(facts, metric);
    let severity = if limited.iter().any(short) {
        Severity::Warning
    } else {
        Severity::Info
    };
    let evidence: Vec<Evidence> = limited
        .iter()
        .map(|(metric, measured)| rate_evidence(facts, metric, measured))
        .collect();
    (!limited.is_empty()).then(|| Hit::new("network.bandwidth.server_limited", severity, evidence))
}

fn bps(rate: Bitrate) -> f64 {
    rate.as_bps() as f64
}

fn interval(interval: BitrateInterval) -> [f64; 2] {
    [bps(interval.low), bps(interval.high)]
}

/// The capacity of a direction is enough, so that what is free is small for another reason.
pub(crate) fn capacity_suffices(facts: &Facts<'_>, direction: Direction) -> bool {
    reaches_edge(facts, direction, |section| section.capacity_bps)
}

/// At its better moments the rate is enough.
pub(crate) fn suffices_at_times(facts: &Facts<'_>, direction: Direction) -> bool {
    reaches_edge(facts, direction, |section| {
        section.variation.map(|variation| variation.p90_bps)
    })
}

fn reaches_edge(
    facts: &Facts<'_>,
    direction: Direction,
    rate: fn(&RateSection) -> Option<Bitrate>,
) -> bool {
    let names = NAMES.iter().find(|names| names.direction == direction);
    let metric = names.and_then(|names| Metric::named(names.rate));
    let section = facts.parts.throughput.data();
    let section = section.and_then(|throughput| direction.rate(throughput));
    metric
        .zip(section.and_then(rate))
        .is_some_and(|(metric, rate)| bps(rate) >= edge(facts, metric))
}

/// The stream that measures the idle path is itself faster than what gets through, so that its
/// losses follow from the limit.
pub(crate) fn idle_stream_exceeds(facts: &Facts<'_>, direction: Direction) -> bool {
    let section = facts.parts.throughput.data();
    let section = section.and_then(|throughput| direction.rate(throughput));
    let capacity = section.and_then(|section| section.capacity_bps);
    let stream = facts.path().map(|path| &path.stream);
    capacity.zip(stream).is_some_and(|(capacity, stream)| {
        let bits = 8.0 * (stream.payload_bytes.get() + IP_UDP_HEADER_BYTES) as f64;
        bits * 1000.0 >= bps(capacity) * stream.interval_ms.as_f64()
    })
}
