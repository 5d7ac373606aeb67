//! Findings about looking names up, and about the families of the addresses that come of it.

use crate::finding::facts::{Facts, Hit, number, word};
use crate::model::finding::{Evidence, Severity};
use crate::model::path::Family;
use crate::model::resolve::{LookupResult, NameServer, ResolveSection};
use crate::model::web::{ConnectAttempt, ConnectResult};

/// Shortest time of a first lookup that is slow.
///
/// Engineering choice: a resolver that has to ask around takes 20 to 200 ms; half a second is felt
/// at each new name, of which joining a call takes several.
const SLOW_LOOKUP_MS: f64 = 500.0;

pub(super) fn hits(facts: &Facts<'_>) -> Vec<Hit> {
    let Some(resolve) = facts.parts.resolve.data() else {
        return Vec::new();
    };
    let hits = [
        unhelpful(resolve, "network.dns.server_silent", LookupResult::NoAnswer),
        unhelpful(
            resolve,
            "network.dns.not_listening",
            LookupResult::NotListening,
        ),
        unhelpful(resolve, "network.dns.refused", LookupResult::Refused),
        unhelpful(resolve, "network.dns.malformed", LookupResult::Malformed),
        servfail(resolve),
        slow(resolve),
        ipv6_broken(resolve),
    ];
    hits.into_iter().flatten().collect()
}

/// Servers that say this of both families. Where the name was found although no server answers, it
/// came from a file or a service of this machine's own, and nobody misses the servers.
fn unhelpful(resolve: &ResolveSection, id: &'static str, result: LookupResult) -> Option<Hit> {
    let (such, others): (Vec<&NameServer>, Vec<&NameServer>) = resolve
        .servers
        .iter()
        .partition(|server| server.ipv4.result == result && server.ipv6.result == result);
    let is_missed = resolve.system.result != LookupResult::Found
        || others.iter().any(|server| answered(server.ipv4.result));
    let evidence = vec![names(&such)];
    (!such.is_empty() && is_missed).then(|| Hit::new(id, Severity::Warning, evidence))
}

const fn answered(result: LookupResult) -> bool {
    matches!(
        result,
        LookupResult::Found | LookupResult::NoAddresses | LookupResult::UnknownName
    )
}

fn servfail(resolve: &ResolveSection) -> Option<Hit> {
    let failing = |server: &&NameServer| {
        let both = [server.ipv4.result, server.ipv6.result];
        both.contains(&LookupResult::ServerFailure)
    };
    let failing: Vec<&NameServer> = resolve.servers.iter().filter(failing).collect();
    let evidence = vec![names(&failing)];
    (!failing.is_empty()).then(|| Hit::new("network.dns.servfail", Severity::Warning, evidence))
}

/// The servers that were asked, for who could look nothing up; none where that is unknown.
pub(super) fn name_servers(facts: &Facts<'_>) -> Option<Evidence> {
    let servers = &facts.parts.resolve.data()?.servers;
    let servers: Vec<&NameServer> = servers.iter().collect();
    (!servers.is_empty()).then(|| names(&servers))
}

fn names(servers: &[&NameServer]) -> Evidence {
    let names: Vec<String> = servers.iter().map(|s| s.address.to_string()).collect();
    word("name_servers", names.join(", "))
}

fn slow(resolve: &ResolveSection) -> Option<Hit> {
    let cold = resolve.system.cold_ms?.as_f64();
    let warm = resolve.system.warm_ms;
    let took = Evidence {
        threshold: Some(SLOW_LOOKUP_MS),
        ..number("lookup", cold, "ms")
    };
    let warm = warm.map(|warm| number("lookup_again", warm.as_f64(), "ms"));
    let evidence = [took].into_iter().chain(warm).collect();
    (cold >= SLOW_LOOKUP_MS).then(|| Hit::new("network.dns.slow", Severity::Warning, evidence))
}

/// The name has IPv6 addresses and this machine a route, but only IPv4 gets there.
fn ipv6_broken(resolve: &ResolveSection) -> Option<Hit> {
    let of = |family| resolve.connects.iter().find(|c| c.family == family);
    let (ipv4, ipv6) = (of(Family::Ipv4)?, of(Family::Ipv6)?);
    let is_broken = resolve.has_ipv6_route
        && ipv4.result == ConnectResult::Connected
        && ipv6.result != ConnectResult::Connected;
    let ms = ipv4.elapsed_ms;
    let over_ipv4 = ms.map(|ms| number("ipv4_connect", ms.as_f64(), "ms"));
    let evidence = [word("ipv6", result_word(ipv6))]
        .into_iter()
        .chain(over_ipv4);
    is_broken.then(|| Hit::new("network.ipv6.broken", Severity::Warning, evidence.collect()))
}

const fn result_word(attempt: &ConnectAttempt) -> &'static str {
    match attempt.result {
        ConnectResult::Connected => "connected",
        ConnectResult::Refused => "refused",
        ConnectResult::NoAnswer => "no answer",
        ConnectResult::Unreachable => "no route",
        ConnectResult::Failed | ConnectResult::Other => "failed",
    }
}
