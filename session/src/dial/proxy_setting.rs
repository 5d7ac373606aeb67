//! What is wrong with a proxy's setting. Programs pass over one that they cannot read in silence; here it
//! is told.

use hyper_util::client::proxy::matcher::Matcher;

/// The variables of the environment that the HTTP client reads.
pub const VARIABLES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// What is wrong with which part of such a variable's value; `None` where it is empty or can be used.
///
/// The text says nothing of the value: a password may stand anywhere in what cannot be read.
pub fn problem_of(value: &str) -> Option<&'static str> {
    let value = value.trim();
    if value.is_empty() {
        return None;
    }
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
    if !SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) {
        return Some("the part before :// is no scheme of a proxy; write http:// or https://");
    }
    // A password may hold signs that were not escaped.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = split_port(authority);
    if host.is_empty() {
        return Some("it names no host");
    }
    if port.is_some_and(|port| !port.is_empty() && !port.parse().is_ok_and(|port: u16| port > 0)) {
        return Some("its port is no number from 1 to 65535");
    }
    (!is_read(value)).then_some("it is no URL; write it as http://host:port")
}

/// Splits `host:port` and `[v6]:port`.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        return (host, rest.strip_prefix(':'));
    }
    match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    }
}

/// The HTTP client takes it for a proxy.
fn is_read(value: &str) -> bool {
    let matcher = Matcher::builder().all(value).build();
    let anywhere = hyper::Uri::from_static("https://probe.example/");
    matcher.intercept(&anywhere).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_used_has_no_problem() {
        for value in [
            "",
            "proxy.example",
            "proxy.example:3128",
            "http://ann:hunter2@proxy.example:3128/",
            "HTTP://proxy.example",
            "https://[2001:db8::1]:8443",
            "socks5h://10.0.0.1:1080",
        ] {
            assert_eq!(problem_of(value), None, "{value}");
        }
    }

    #[test]
    fn each_part_is_named() {
        for (value, part) in [
            ("htp://proxy:3128", "scheme"),
            ("ann:hunter2://proxy:3128", "scheme"),
            ("http://", "host"),
            ("http://:3128", "host"),
            ("http://ann:hunter2@", "host"),
            ("http://ann:hunter2@:3128", "host"),
            ("http://proxy:99999", "port"),
            ("http://proxy:0", "port"),
            ("proxy:hunter2", "port"),
            ("http://[2001:db8::1]:x", "port"),
            ("http://a b:80", "URL"),
            ("http://[2001:db8::1", "port"),
            ("htp:/proxy", "port"),
        ] {
            let problem = problem_of(value).unwrap_or_default();
            assert!(problem.contains(part), "{value}: {problem:?}");
            assert!(!problem.contains("hunter2"), "{value}");
        }
    }
}
