//! From hits to findings: which explains which, and what comes first.

use std::cmp::Reverse;

use super::catalog::{Entry, catalog, entry};
use super::facts::{Facts, Hit};
use super::rules;
use crate::model::finding::{Finding, Severity};
use crate::verdict::parts::{Direction, Parts};
use crate::verdict::profile::{Figure, Profile};

/// Names the causes of what was found, the one that matters most first.
///
/// A finding needs its figure's 95 % bound beyond the good edge of the profile, not only the point
/// estimate. A root cause stands before its consequences and is at least as severe as they are;
/// otherwise the more severe comes first.
pub fn derive(parts: &Parts<'_>, profile: &Profile) -> Vec<Finding> {
    let facts = Facts { parts, profile };
    let mut ranked: Vec<Ranked> = Vec::new();
    for hit in rules::hits(&facts) {
        if let (Some(entry), false) = (entry(hit.id), ranked.iter().any(|r| r.hit.id == hit.id)) {
            ranked.push(Ranked::new(hit, entry));
        }
    }
    link(&mut ranked, &facts);
    ranked.sort_by_key(|r| (Reverse(r.severity), r.depth, r.position));
    ranked.into_iter().map(Ranked::into_finding).collect()
}

struct Ranked {
    hit: Hit,
    entry: &'static Entry,
    /// Place in the catalog.
    position: usize,
    /// The worst of its own and its consequences.
    severity: Severity,
    /// 0 for a root cause, 1 for a consequence.
    depth: u8,
    consequence_of: Option<&'static str>,
}

impl Ranked {
    fn new(hit: Hit, entry: &'static Entry) -> Self {
        let position = catalog().position(|e| e.id == entry.id);
        Self {
            severity: hit.severity,
            hit,
            entry,
            position: position.unwrap_or(usize::MAX),
            depth: 0,
            consequence_of: None,
        }
    }

    fn into_finding(self) -> Finding {
        Finding {
            id: self.hit.id.to_owned(),
            severity: self.severity,
            title: self.entry.title.to_owned(),
            evidence: self.hit.evidence,
            cause: self.entry.cause.to_owned(),
            remedy: self.entry.remedy.to_owned(),
            complaints: self.entry.complaints.to_vec(),
            capabilities: self.entry.capabilities.to_vec(),
            consequence_of: self.consequence_of.map(str::to_owned),
        }
    }
}

/// Ties each consequence to its first cause that is no consequence itself.
fn link(ranked: &mut [Ranked], facts: &Facts<'_>) {
    let mut causes: Vec<usize> = (0..ranked.len()).collect();
    causes.sort_by_key(|&i| ranked[i].position);
    for cause in causes {
        if ranked[cause].consequence_of.is_some() {
            continue;
        }
        for effect in 0..ranked.len() {
            let free = effect != cause && ranked[effect].consequence_of.is_none();
            // What already explains others stays a cause.
            let explained = free && explains(ranked[cause].entry, ranked[effect].hit.id, facts);
            if explained {
                ranked[effect].consequence_of = Some(ranked[cause].hit.id);
                ranked[effect].depth = 1;
                ranked[cause].severity = ranked[cause].severity.max(ranked[effect].severity);
            }
        }
    }
}

/// The catalog says what may explain what; some pairs depend on the figures.
fn explains(cause: &Entry, effect: &str, facts: &Facts<'_>) -> bool {
    if !cause.explains(effect) {
        return false;
    }
    if let Some(holds) = explains_bandwidth(cause.id, effect, facts) {
        return holds;
    }
    match (cause.id, effect) {
        ("network.path.outage", effect) => outage_explains(effect, facts),
        (id, "network.path.high_rtt") if id.starts_with("network.path.") => {
            !median_rtt_is_high(facts)
        }
        ("network.path.high_jitter_up", _) => !by_reordering(facts, Direction::Up),
        ("network.path.high_jitter_down", _) => !by_reordering(facts, Direction::Down),
        ("network.path.reordering_up", _) => by_reordering(facts, Direction::Up),
        ("network.path.reordering_down", _) => by_reordering(facts, Direction::Down),
        // A round trip that is long in the median is long on TCP's account only if it waits.
        ("network.udp.blocked", _) => facts.path().is_some_and(|path| path.transport.is_stream()),
        _ => true,
    }
}

/// Pairs with a finding on rates that depend on the figures; `None` for all others.
fn explains_bandwidth(cause: &str, effect: &str, facts: &Facts<'_>) -> Option<bool> {
    let direction = match effect.rsplit('.').next()? {
        "uplink_too_small" => Direction::Up,
        name if name.ends_with("_up") => Direction::Up,
        _ => Direction::Down,
    };
    let of_rates = |id: &str| id.starts_with("network.bandwidth.");
    if cause.starts_with("network.bandwidth.policed") && !of_rates(effect) {
        // The idle stream itself exceeds the rate.
        return Some(rules::idle_stream_exceeds(facts, direction));
    }
    if cause.starts_with("network.bandwidth.varying") && effect.ends_with("_too_small") {
        return Some(rules::suffices_at_times(facts, direction));
    }
    let by_the_path = ["loss_", "jitter_", "reordering_"]
        .iter()
        .any(|fault| cause.contains(fault));
    (by_the_path && of_rates(effect)).then(|| rules::capacity_suffices(facts, direction))
}

/// Losses at the edges of outages, and the waiting that a broken link leaves behind; not what goes
/// on between outages.
fn outage_explains(effect: &str, facts: &Facts<'_>) -> bool {
    let Some(path) = facts.path() else {
        return false;
    };
    let direction = if effect.ends_with("_up") {
        &path.up
    } else {
        &path.down
    };
    match effect {
        "network.path.high_rtt" => !median_rtt_is_high(facts),
        effect if effect.starts_with("network.path.high_jitter") => {
            rules::comes_in_spikes(direction)
        }
        _ => {
            let edges = 2 * path.outages.len() as u64;
            direction
                .loss
                .as_ref()
                .is_some_and(|loss| loss.bursts <= edges)
        }
    }
}

/// Half of the round trips are beyond the good edge: that is distance, not variation.
fn median_rtt_is_high(facts: &Facts<'_>) -> bool {
    let edge = facts.profile.good_edge(Figure::RttP95Ms);
    let median = facts.path().and_then(|path| path.rtt.as_ref());
    edge.zip(median)
        .is_some_and(|(edge, rtt)| rtt.p50_ms.as_f64() >= edge)
}

fn by_reordering(facts: &Facts<'_>, direction: Direction) -> bool {
    facts
        .path()
        .is_some_and(|path| rules::comes_in_spikes(direction.of(path)))
}
