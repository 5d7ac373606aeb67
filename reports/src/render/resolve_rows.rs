//! How names are looked up, as rows.

use super::details::Rows;
use super::web_rows::{connect_title, connect_words};
use crate::model::resolve::{LookupResult, NameAnswer, ResolveSection, SystemLookup};
use crate::model::sensitive::Sensitive;

pub(super) fn resolve_rows(resolve: &ResolveSection) -> Vec<(String, String)> {
    let mut rows = Rows::default();
    rows.add("name", resolve.name.to_string());
    rows.add("by the system", system_words(&resolve.system));
    for server in &resolve.servers {
        let title = format!("name server {}", server.address);
        let (ipv4, ipv6) = (answer_words(&server.ipv4), answer_words(&server.ipv6));
        rows.add(&title, format!("IPv4: {ipv4}; IPv6: {ipv6}"));
    }
    for attempt in &resolve.connects {
        rows.add(&connect_title(attempt), connect_words(attempt));
    }
    let route = if resolve.has_ipv6_route { "yes" } else { "no" };
    rows.add("route over IPv6", route);
    rows.0
}

fn system_words(system: &SystemLookup) -> String {
    let again = system.warm_ms.map(|ms| format!("again after {ms}"));
    let found = found_words(system.result, &system.addresses);
    let parts = [
        Some(found),
        system.cold_ms.map(|ms| format!("after {ms}")),
        again,
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn answer_words(answer: &NameAnswer) -> String {
    let parts = [
        Some(found_words(answer.result, &answer.addresses)),
        answer.elapsed_ms.map(|ms| format!("after {ms}")),
        answer.warm_ms.map(|ms| format!("again after {ms}")),
        answer.over_tcp.then(|| "over TCP".to_owned()),
        answer
            .ttl_s
            .map(|seconds| format!("to be kept for {seconds} s")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn found_words(result: LookupResult, addresses: &[Sensitive]) -> String {
    let word = match result {
        LookupResult::Found => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            return addresses.join(" ");
        }
        LookupResult::NoAddresses => "none",
        LookupResult::UnknownName => "no such name",
        LookupResult::ServerFailure => "the server failed",
        LookupResult::Refused => "refused",
        LookupResult::NotListening => "nobody listens there",
        LookupResult::Malformed => "an answer that cannot be read",
        LookupResult::NoAnswer => "no answer",
        LookupResult::Unfinished => "not finished",
        LookupResult::Unreachable => "no route",
        LookupResult::Failed => "failed",
        LookupResult::Other => "unknown",
    };
    word.to_owned()
}
