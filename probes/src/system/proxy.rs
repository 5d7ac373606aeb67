//! The proxy that the environment asks programs to use.

use greenroom_reports::model::sensitive::Sensitive;
use greenroom_reports::model::system::{Proxy, ProxyProblem};
use greenroom_session::dial::proxy_setting::{VARIABLES as READ_BY_CLIENT, problem_of};

use super::root::Environment;

/// The variables in the order of their weight for a call: it signals over TLS, so the proxy for
/// `https` counts before the one for everything. `HTTP_PROXY` in capitals is left out, since a web
/// server may set it from a request's `Proxy` header, and programs such as curl ignore it.
const VARIABLES: [&str; 5] = [
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "http_proxy",
];

/// The proxy in force, or `None` when none is set or `no_proxy` lifts it for every host.
///
/// A variable that names no host is passed over. User name and password are dropped.
pub(super) fn read_proxy(environment: &Environment) -> Option<Proxy> {
    if lifted_for_all(environment) {
        return None;
    }
    VARIABLES.iter().find_map(|name| {
        let value = environment.get(name)?;
        let (host, port) = parse_proxy(value).filter(|_| problem_of(value).is_none())?;
        Some(Proxy {
            host: Sensitive::new(host),
            port,
            source: (*name).to_owned(),
        })
    })
}

/// Variables that a client looks at and cannot use.
pub(super) fn proxy_problems(environment: &Environment) -> Vec<ProxyProblem> {
    let problems = READ_BY_CLIENT.iter().filter_map(|name| {
        let problem = problem_of(environment.get(name)?)?;
        Some(ProxyProblem {
            variable: (*name).to_owned(),
            problem: problem.to_owned(),
        })
    });
    problems.collect()
}

/// `no_proxy` is a lone star.
fn lifted_for_all(environment: &Environment) -> bool {
    ["no_proxy", "NO_PROXY"]
        .iter()
        .find_map(|name| environment.get(name))
        .is_some_and(|list| list.split(',').any(|entry| entry.trim() == "*"))
}

/// Host and port of `[scheme://][user[:password]@]host[:port][/path]`.
///
/// The credentials are cut off first, at the last `@` of the whole: a password may hold any sign
/// that was not escaped, and no part of it may pass for the host.
fn parse_proxy(value: &str) -> Option<(String, Option<u16>)> {
    let value = value.trim();
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let (host, port) = split_port(authority)?;
    let port = match port {
        None | Some("") => None,
        Some(port) => Some(port.parse().ok()?),
    };
    is_host(host).then(|| (host.to_owned(), port))
}

/// Splits `host:port` and `[v6]:port`.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest {
            "" => Some((host, None)),
            _ => Some((host, Some(rest.strip_prefix(':')?))),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((authority, None)),
    }
}

/// It consists of the signs that names and addresses consist of.
fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Option<(String, Option<u16>, String)> {
        let environment = variables.iter().copied().collect();
        read_proxy(&environment)
            .map(|proxy| (proxy.host.as_str().to_owned(), proxy.port, proxy.source))
    }

    fn parsed(value: &str) -> Option<(String, Option<u16>)> {
        parse_proxy(value)
    }

    #[test]
    fn credentials_are_dropped() {
        let expected = Some(("host".to_owned(), Some(8080)));
        assert_eq!(parsed("http://user:pw@host:8080"), expected);
        assert_eq!(parsed("user:p@ss/w#rd@host:8080/"), expected);
        assert_eq!(parsed("http://user:12/3@host:8080"), expected);
    }

    #[test]
    fn every_usual_form_is_read() {
        assert_eq!(
            parsed("proxy.example"),
            Some(("proxy.example".into(), None))
        );
        assert_eq!(
            parsed("socks5h://10.0.0.1:1080"),
            Some(("10.0.0.1".into(), Some(1080)))
        );
        assert_eq!(
            parsed("http://[2001:db8::1]:3128/"),
            Some(("2001:db8::1".into(), Some(3128)))
        );
        assert_eq!(
            parsed("http://[2001:db8::1]"),
            Some(("2001:db8::1".into(), None))
        );
        assert_eq!(parsed("host:"), Some(("host".into(), None)));
    }

    #[test]
    fn malformed_values_are_passed_over() {
        for value in [
            "http://",
            "host:port",
            "host:99999",
            "[::1",
            "a b:80",
            "://",
            "::::",
            "@",
        ] {
            assert_eq!(parsed(value), None, "{value}");
        }
        let found = read(&[("https_proxy", "host:port"), ("all_proxy", "other:1")]);
        assert_eq!(found, Some(("other".into(), Some(1), "all_proxy".into())));
    }

    #[test]
    fn what_cannot_be_used_is_told_by_its_variable() {
        let environment = [
            ("HTTPS_PROXY", "htp://ann:hunter2@proxy:3128"),
            ("http_proxy", "http://ann:hunter2@proxy:99999"),
            ("all_proxy", "proxy:3128"),
        ];
        let problems = proxy_problems(&environment.into_iter().collect());
        let told: Vec<&str> = problems.iter().map(|p| p.variable.as_str()).collect();
        assert_eq!(told, ["HTTPS_PROXY", "http_proxy"]);
        assert!(!format!("{problems:?}").contains("hunter2"));
        let found = read(&environment);
        assert_eq!(
            found,
            Some(("proxy".into(), Some(3128), "all_proxy".into()))
        );
    }

    #[test]
    fn the_proxy_for_https_counts_first_in_either_case() {
        let found = read(&[
            ("http_proxy", "a:1"),
            ("HTTPS_PROXY", "b:2"),
            ("ALL_PROXY", "c:3"),
        ]);
        assert_eq!(found, Some(("b".into(), Some(2), "HTTPS_PROXY".into())));
        assert_eq!(read(&[("HTTP_PROXY", "a:1")]), None);
        assert_eq!(read(&[("https_proxy", "")]), None);
    }

    #[test]
    fn a_star_in_no_proxy_lifts_it() {
        assert_eq!(read(&[("https_proxy", "a:1"), ("NO_PROXY", "*")]), None);
        assert!(read(&[("https_proxy", "a:1"), ("no_proxy", "localhost,*.example")]).is_some());
    }
}
