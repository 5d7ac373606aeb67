//! Findings about reaching the server, and about the path as a whole.

use crate::finding::facts::{Facts, Hit, number, word};
use crate::model::finding::{Evidence, EvidenceValue, Severity};
use crate::model::outcome::{Outcome, Reason, ReasonCode};
use crate::model::path::{Outage, Transport};

/// Shortest time with nothing in either direction that is an outage.
///
/// Engineering choice: beyond it a person asks "are you still there?".
const MIN_OUTAGE_MS: f64 = 500.0;

pub(super) fn hits(facts: &Facts<'_>) -> Vec<Hit> {
    [
        builtin(facts),
        discovery(facts),
        vanished(facts),
        no_media(facts),
        udp_blocked(facts),
        relay_only(facts),
        outage(facts).or_else(|| died_under_load(facts)),
        high_rtt(facts),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn critical(id: &'static str, evidence: Vec<Evidence>) -> Hit {
    Hit::new(id, Severity::Critical, evidence)
}

fn builtin(facts: &Facts<'_>) -> Option<Hit> {
    facts.parts.is_builtin().then(|| Hit {
        id: "network.target.builtin",
        severity: Severity::Info,
        evidence: vec![word("target", "built-in responder")],
    })
}

fn discovery(facts: &Facts<'_>) -> Option<Hit> {
    let reason = facts.discovery_blocked()?;
    let id = discovery_id(reason.code)?;
    let mut evidence = vec![word("reason", &reason.message)];
    if id.starts_with("network.discovery.tls_") {
        evidence.extend(shown_certificate(facts));
    } else if id == "network.discovery.resolver_failed" {
        evidence.extend(super::resolve::name_servers(facts));
    }
    Some(critical(id, evidence))
}

/// Who signed what was shown: a product that intercepts TLS names itself there.
fn shown_certificate(facts: &Facts<'_>) -> Vec<Evidence> {
    let tls = facts.parts.web.data().and_then(|web| web.tls.as_ref());
    let Some(shown) = tls.and_then(|tls| tls.certificate.as_ref()) else {
        return Vec::new();
    };
    vec![
        word("issuer", &shown.issuer),
        word("valid_until", &shown.not_after),
    ]
}

/// `None` where the reason says nothing about the network.
fn discovery_id(code: ReasonCode) -> Option<&'static str> {
    Some(match code {
        ReasonCode::UnknownHost => "network.discovery.unknown_host",
        ReasonCode::ResolverFailed => "network.discovery.resolver_failed",
        ReasonCode::Refused => "network.discovery.refused",
        ReasonCode::NoAnswer | ReasonCode::OutOfTime => "network.discovery.no_answer",
        ReasonCode::Unreachable => "network.discovery.unreachable",
        ReasonCode::TlsExpired => "network.discovery.tls_expired",
        ReasonCode::TlsWrongName => "network.discovery.tls_wrong_name",
        ReasonCode::TlsUnknownIssuer => "network.discovery.tls_unknown_issuer",
        ReasonCode::TlsFailed => "network.discovery.tls_failed",
        ReasonCode::NotGreenroom => "network.discovery.not_greenroom",
        ReasonCode::VersionMismatch => "network.discovery.version_mismatch",
        ReasonCode::Limited => "network.discovery.limited",
        ReasonCode::ProxyFailed => "network.discovery.proxy_failed",
        ReasonCode::InternalError
        | ReasonCode::NotSelected
        | ReasonCode::Cancelled
        | ReasonCode::OutOfData
        | ReasonCode::DependencyFailed => return None,
        _ => "network.discovery.failed",
    })
}

fn vanished(facts: &Facts<'_>) -> Option<Hit> {
    let reason = facts.parts.server_vanished()?;
    let evidence = vec![word("reason", &reason.message)];
    Some(critical("network.server.vanished", evidence))
}

fn no_media(facts: &Facts<'_>) -> Option<Hit> {
    let says_nothing = |reason: &&Reason| {
        matches!(
            reason.code,
            ReasonCode::InternalError | ReasonCode::Cancelled | ReasonCode::NotSelected
        )
    };
    let reason = facts
        .parts
        .nothing_came_through()
        .filter(|reason| !says_nothing(reason))?;
    // A server that turns tests away says so; it is no firewall.
    let id = if reason.code == ReasonCode::Limited {
        "network.discovery.limited"
    } else {
        "network.path.no_media"
    };
    Some(critical(id, vec![word("reason", &reason.message)]))
}

fn udp_blocked(facts: &Facts<'_>) -> Option<Hit> {
    let path = facts.path()?;
    let blocked = path.udp_blocked.as_ref()?;
    let answer = if blocked.rejected {
        "rejected on the way"
    } else {
        "no answer"
    };
    let evidence = vec![
        word("udp", answer),
        number("udp_port", f64::from(blocked.port), "count"),
        number("udp_packets_sent", f64::from(blocked.attempts), "packets"),
        number("udp_waited", blocked.waited_ms.as_f64(), "ms"),
    ];
    let hit = Hit::new("network.udp.blocked", Severity::Warning, evidence);
    path.transport.is_stream().then_some(hit)
}

/// Packets come through, but neither on the direct way nor over WebSocket.
fn relay_only(facts: &Facts<'_>) -> Option<Hit> {
    let path = facts.path()?;
    let (severity, way) = match path.transport {
        Transport::Udp | Transport::WebSocket => return None,
        Transport::TurnUdp => (Severity::Info, "UDP"),
        Transport::TurnTcp => (Severity::Warning, "TCP"),
        Transport::TurnTls => (Severity::Warning, "TLS"),
    };
    let port = path.udp_blocked.as_ref();
    let port = port.map(|blocked| number("udp_port", f64::from(blocked.port), "count"));
    let evidence = [word("relayed_over", way)].into_iter().chain(port);
    Some(Hit::new(
        "network.path.relay_only",
        severity,
        evidence.collect(),
    ))
}

fn outage(facts: &Facts<'_>) -> Option<Hit> {
    let path = facts.path()?;
    let counts = |outage: &&Outage| outage.duration_ms.as_f64() >= MIN_OUTAGE_MS;
    let outages: Vec<&Outage> = path.outages.iter().filter(counts).collect();
    let longest = outages
        .iter()
        .max_by(|a, b| a.duration_ms.as_f64().total_cmp(&b.duration_ms.as_f64()))?;
    let lost: u64 = outages.iter().map(|outage| outage.packets_lost).sum();
    let ended = if longest.recovered {
        "came back"
    } else {
        "did not come back"
    };
    let evidence = vec![
        Evidence {
            threshold: Some(MIN_OUTAGE_MS),
            ..number("longest_outage", longest.duration_ms.as_f64(), "ms")
        },
        number("outage_start", longest.start_ms.as_f64(), "ms"),
        number("outages", outages.len() as f64, "count"),
        number("packets_lost_in_outages", lost as f64, "packets"),
        word("connection", ended),
    ];
    Some(critical("network.path.outage", evidence))
}

/// The path was measured and sound, and then nothing came through any more while it was loaded.
fn died_under_load(facts: &Facts<'_>) -> Option<Hit> {
    let (Outcome::Measured { .. }, Outcome::Partial { reason, .. } | Outcome::Blocked { reason }) =
        (facts.parts.path, facts.parts.throughput)
    else {
        return None;
    };
    let evidence = vec![
        word("reason", &reason.message),
        word("connection", "did not come back"),
    ];
    let is_silent = reason.code == ReasonCode::NoAnswer;
    is_silent.then(|| critical("network.path.outage", evidence))
}

/// By the lower end of the 95th percentile's interval; with too few samples for one, by that of
/// the median, which is a bound of the percentile too.
fn high_rtt(facts: &Facts<'_>) -> Option<Hit> {
    let (metric, measured) = facts.measured("rtt_p95")?;
    let rtt = facts.path()?.rtt.as_ref()?;
    let median_low = rtt.p50_interval_ms.map(|interval| interval.low.as_f64());
    let at_least = measured.interval.map(|[low, _]| low).or(median_low)?;
    if at_least < facts.edge(metric)? {
        return None;
    }
    let median = Evidence {
        value: EvidenceValue::Number(rtt.p50_ms.as_f64()),
        samples: Some(rtt.samples),
        interval: rtt
            .p50_interval_ms
            .map(|i| [i.low.as_f64(), i.high.as_f64()]),
        ..number("rtt_p50", 0.0, "ms")
    };
    Some(Hit {
        id: "network.path.high_rtt",
        severity: facts.severity(metric, measured.value),
        evidence: vec![facts.evidence(metric, &measured), median],
    })
}
