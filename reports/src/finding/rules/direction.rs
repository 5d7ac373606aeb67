//! Findings about one direction of the path.

use crate::finding::facts::{Facts, Hit, number};
use crate::model::finding::{Evidence, Severity};
use crate::model::path::{DirectionSection, Loss};
use crate::stats::loss::{MAX_INDEPENDENCE_P_VALUE, MIN_BURST_RATIO, is_bursty};
use crate::verdict::metric::MIN_PACKETS;
use crate::verdict::parts::Direction;
use crate::verdict::profile::Figure;

/// Share of duplicates from which they are worth a word.
///
/// Engineering choice: far above what a healthy network shows, which is none.
const DUPLICATE_RATIO: f64 = 0.01;
/// A path that silently swallows packets from this size on is worth a word.
///
/// Engineering choice: 1400 leaves room for the headers of common tunnels in 1500.
const BLACK_HOLE_BYTES: u64 = 1400;
/// Below this, full-size video packets (1200 bytes and headers) vanish.
///
/// Source: RFC 8200 §5, smallest MTU of IPv6.
const VIDEO_PACKET_BYTES: u64 = 1280;

/// The names of one direction's metrics and findings.
struct Names {
    direction: Direction,
    jitter: [&'static str; 2],
    /// The metric beside jitter that has the same cause.
    variation: &'static str,
    loss: [&'static str; 2],
    burst: [&'static str; 2],
    reordering: [&'static str; 2],
    duplicates: &'static str,
    black_hole: &'static str,
}

const NAMES: [Names; 2] = [
    Names {
        direction: Direction::Up,
        jitter: ["interarrival_jitter_up", "network.path.high_jitter_up"],
        variation: "pdv_p95_up",
        loss: ["loss_up", "network.path.loss_up"],
        burst: ["longest_burst_up", "network.path.bursty_loss_up"],
        reordering: ["reordering_up", "network.path.reordering_up"],
        duplicates: "network.path.duplicates_up",
        black_hole: "network.path.mtu_black_hole_up",
    },
    Names {
        direction: Direction::Down,
        jitter: ["interarrival_jitter_down", "network.path.high_jitter_down"],
        variation: "pdv_p95_down",
        loss: ["loss_down", "network.path.loss_down"],
        burst: ["longest_burst_down", "network.path.bursty_loss_down"],
        reordering: ["reordering_down", "network.path.reordering_down"],
        duplicates: "network.path.duplicates_down",
        black_hole: "network.path.mtu_black_hole_down",
    },
];

pub(super) fn hits(facts: &Facts<'_>) -> Vec<Hit> {
    let Some(path) = facts.path() else {
        return Vec::new();
    };
    NAMES
        .iter()
        .flat_map(|names| {
            let section = names.direction.of(path);
            [
                bursty_loss(facts, names, section).or_else(|| loss(facts, names, section)),
                jitter(facts, names),
                reordering(facts, names, section),
                duplicates(names, section),
                black_hole(names, section),
            ]
        })
        .flatten()
        .collect()
}

/// The share lost is beyond the good edge, by the lower end of its 95 % interval.
fn loses_too_much(facts: &Facts<'_>, loss: &Loss) -> bool {
    let edge = facts.profile.good_edge(Figure::LossRatio);
    let at_least = loss.loss_ratio_interval.low.as_f64();
    loss.packets_sent >= MIN_PACKETS && edge.is_some_and(|edge| at_least >= edge)
}

fn loss(facts: &Facts<'_>, names: &Names, section: &DirectionSection) -> Option<Hit> {
    let [metric, id] = names.loss;
    let (metric, measured) = facts.measured(metric)?;
    loses_too_much(facts, section.loss.as_ref()?).then(|| Hit {
        id,
        severity: facts.severity(metric, measured.value),
        evidence: vec![facts.evidence(metric, &measured)],
    })
}

/// Takes the place of plain loss. A run of losses was observed, so its length has no bound to
/// wait for; that it is no accident is what the test of independence says.
fn bursty_loss(facts: &Facts<'_>, names: &Names, section: &DirectionSection) -> Option<Hit> {
    let loss = section.loss.as_ref()?;
    let [burst, id] = names.burst;
    let (ratio, ratio_measured) = facts.measured(names.loss[0])?;
    let (burst, mut burst_measured) = facts.measured(burst)?;
    // The metric counts outages, which are findings of their own.
    burst_measured.value = loss.longest_burst_ms.as_f64();
    let long = burst_measured.value >= facts.edge(burst)?;
    if !is_bursty(loss) || !(long || loses_too_much(facts, loss)) {
        return None;
    }
    let severity = facts
        .severity(ratio, ratio_measured.value)
        .max(facts.severity(burst, burst_measured.value));
    let mut evidence = vec![
        facts.evidence(burst, &burst_measured),
        facts.evidence(ratio, &ratio_measured),
    ];
    if let Some(gilbert) = loss.gilbert {
        evidence.push(Evidence {
            threshold: Some(MIN_BURST_RATIO),
            ..number("burst_ratio", gilbert.burst_ratio, "")
        });
        evidence.push(Evidence {
            threshold: Some(MAX_INDEPENDENCE_P_VALUE),
            ..number(
                "independence_p_value",
                gilbert.independence_p_value.as_f64(),
                "ratio",
            )
        });
    }
    Some(Hit {
        id,
        severity,
        evidence,
    })
}

/// Delay that jumps from packet to packet, or that swings: one figure beyond its edge is enough,
/// since a jitter buffer suffers from both.
fn jitter(facts: &Facts<'_>, names: &Names) -> Option<Hit> {
    let [metric, id] = names.jitter;
    let beyond = [metric, names.variation].map(|name| {
        let (metric, measured) = facts.measured(name)?;
        let [at_least, _] = measured.interval?;
        (at_least >= facts.edge(metric)?).then_some((metric, measured))
    });
    let beyond: Vec<_> = beyond.into_iter().flatten().collect();
    let severity = beyond
        .iter()
        .map(|(m, value)| facts.severity(m, value.value));
    Some(Hit {
        id,
        severity: severity.max()?,
        evidence: beyond
            .iter()
            .map(|(m, value)| facts.evidence(m, value))
            .collect(),
    })
}

fn reordering(facts: &Facts<'_>, names: &Names, section: &DirectionSection) -> Option<Hit> {
    let [metric, id] = names.reordering;
    let (metric, measured) = facts.measured(metric)?;
    let order = section.order.as_ref()?;
    let at_least = order.reordered_ratio_interval.low.as_f64();
    (at_least >= facts.edge(metric)?).then(|| Hit {
        id,
        severity: facts.severity(metric, measured.value),
        evidence: vec![
            facts.evidence(metric, &measured),
            number("max_extent", order.max_extent_packets as f64, "packets"),
        ],
    })
}

fn duplicates(names: &Names, section: &DirectionSection) -> Option<Hit> {
    let order = section.order.as_ref()?;
    let interval = order.duplicate_ratio_interval;
    let evidence = Evidence {
        samples: Some(order.packets_received),
        interval: Some([interval.low.as_f64(), interval.high.as_f64()]),
        threshold: Some(DUPLICATE_RATIO),
        ..number("duplicate_ratio", order.duplicate_ratio.as_f64(), "ratio")
    };
    (order.packets_received >= MIN_PACKETS && interval.low.as_f64() > DUPLICATE_RATIO).then(|| {
        Hit {
            id: names.duplicates,
            severity: Severity::Warning,
            evidence: vec![evidence],
        }
    })
}

fn black_hole(names: &Names, section: &DirectionSection) -> Option<Hit> {
    let mtu = section.path_mtu.as_ref().filter(|mtu| mtu.black_hole)?;
    let bytes = mtu.bytes.get();
    let severity = if bytes < VIDEO_PACKET_BYTES {
        Severity::Critical
    } else {
        Severity::Warning
    };
    let largest = Evidence {
        threshold: Some(BLACK_HOLE_BYTES as f64),
        ..number("path_mtu", bytes as f64, "bytes")
    };
    let tried = number(
        "largest_tried",
        mtu.largest_tried_bytes.get() as f64,
        "bytes",
    );
    (bytes < BLACK_HOLE_BYTES).then(|| Hit {
        id: names.black_hole,
        severity,
        evidence: vec![largest, tried],
    })
}

/// Whether jitter of this direction is made by a few packets, while most come evenly: the shadow
/// of packets that overtook others, or of an outage.
pub(crate) fn comes_in_spikes(section: &DirectionSection) -> bool {
    section
        .ipdv
        .as_ref()
        .is_some_and(|ipdv| ipdv.p50_ms.as_f64() < 0.25 * ipdv.mean_ms.as_f64())
}
