//! Name and web: what each outcome of the probes `resolve` and `web` is called, and how it reads.

use greenroom_reports::model::finding::{Evidence, EvidenceValue, Severity};
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::path::Family;
use greenroom_reports::model::report::Report;
use greenroom_reports::model::resolve::{
    LookupResult, NameAnswer, NameServer, ResolveSection, SystemLookup,
};
use greenroom_reports::model::sensitive::Sensitive;
use greenroom_reports::model::system::{Proxy, ProxyProblem};
use greenroom_reports::model::turn::ShownCertificate;
use greenroom_reports::model::web::{
    ConnectAttempt, ConnectResult, PortalSign, TlsVerdict, WebAnswer, WebProxy, WebSection, WebTls,
};
use greenroom_reports::render::{Style, text};
use greenroom_reports::samples::{self, PathModel};
use greenroom_reports::units::Millis;
use greenroom_reports::verdict::assemble::Run;
use greenroom_reports::verdict::profile::Profile;

fn report(run: Run) -> Report {
    Report::assemble(run, Profile::default_profile())
}

fn ids(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|f| f.id.as_str()).collect()
}

fn rendered(report: &Report) -> String {
    let style = Style {
        width: 400,
        ..Style::default()
    };
    text(report, style)
}

fn ms(value: f64) -> Millis {
    Millis::new(value).unwrap()
}

fn healthy() -> Run {
    samples::run_over(&PathModel::default(), 1)
}

fn blocked(code: ReasonCode) -> Run {
    let mut run = samples::unreachable();
    run.discovery = Outcome::Blocked {
        reason: Reason::new(code, "because"),
    };
    run
}

/// The finding and those that follow from it, and no other.
fn assert_first(report: &Report, id: &str, consequences: &[&str]) {
    let expected: Vec<&str> = [id]
        .into_iter()
        .chain(consequences.iter().copied())
        .collect();
    assert_eq!(ids(report), expected);
    let (first, others) = report.findings.split_first().unwrap();
    assert_eq!(first.consequence_of, None);
    for other in others {
        assert_eq!(other.consequence_of.as_deref(), Some(id), "{}", other.id);
    }
}

fn words<'a>(evidence: &'a [Evidence], metric: &str) -> &'a str {
    let found = evidence.iter().find_map(|e| match &e.value {
        EvidenceValue::Text(text) if e.metric == metric => Some(text),
        _ => None,
    });
    found.unwrap()
}

// --- names

fn attempt(family: Family, result: ConnectResult) -> ConnectAttempt {
    ConnectAttempt {
        family,
        address: Sensitive::new("203.0.113.9"),
        result,
        elapsed_ms: Some(ms(20.0)),
    }
}

fn server(address: &str, result: LookupResult) -> NameServer {
    let answer = NameAnswer {
        result,
        ..NameAnswer::default()
    };
    NameServer {
        address: Sensitive::new(address),
        ipv4: answer.clone(),
        ipv6: answer,
    }
}

fn resolve(system: LookupResult, servers: Vec<NameServer>) -> ResolveSection {
    ResolveSection {
        name: Sensitive::new("call.example.org"),
        system: SystemLookup {
            result: system,
            cold_ms: (system == LookupResult::Found).then(|| ms(30.0)),
            warm_ms: None,
            addresses: Vec::new(),
        },
        servers,
        connects: vec![attempt(Family::Ipv4, ConnectResult::Connected)],
        has_ipv6_route: true,
    }
}

fn with_names(mut run: Run, data: ResolveSection) -> Report {
    run.resolve = Outcome::Measured { data };
    report(run)
}

const SOLE: [(LookupResult, &str); 5] = [
    (LookupResult::NoAnswer, "network.dns.server_silent"),
    (LookupResult::NotListening, "network.dns.not_listening"),
    (LookupResult::Refused, "network.dns.refused"),
    (LookupResult::Malformed, "network.dns.malformed"),
    (LookupResult::ServerFailure, "network.dns.servfail"),
];

#[test]
fn a_sole_name_server_that_helps_nobody_is_told_by_how() {
    for (result, id) in SOLE {
        let section = resolve(LookupResult::Failed, vec![server("192.0.2.1", result)]);
        let report = with_names(blocked(ReasonCode::ResolverFailed), section);
        assert_first(&report, id, &["network.discovery.resolver_failed"]);
        assert_eq!(report.findings[0].severity, Severity::Critical);
        let evidence = &report.findings[0].evidence;
        assert_eq!(words(evidence, "name_servers"), "192.0.2.1");
    }
}

#[test]
fn one_of_two_name_servers_is_told_by_its_address() {
    for (result, id) in SOLE {
        let servers = vec![
            server("192.0.2.1", LookupResult::Found),
            server("192.0.2.2", result),
        ];
        let report = with_names(healthy(), resolve(LookupResult::Found, servers));
        assert_first(&report, id, &[]);
        assert_eq!(report.findings[0].severity, Severity::Warning);
        let evidence = &report.findings[0].evidence;
        assert_eq!(words(evidence, "name_servers"), "192.0.2.2");
    }
}

#[test]
fn name_servers_that_nobody_misses_are_no_finding() {
    for result in [
        LookupResult::NoAnswer,
        LookupResult::NotListening,
        LookupResult::Refused,
        LookupResult::Malformed,
    ] {
        let section = resolve(LookupResult::Found, vec![server("192.0.2.1", result)]);
        assert!(with_names(healthy(), section).findings.is_empty());
    }
}

#[test]
fn what_was_not_finished_is_no_finding() {
    let servers = vec![
        server("192.0.2.1", LookupResult::Found),
        server("192.0.2.2", LookupResult::Unfinished),
    ];
    let report = with_names(healthy(), resolve(LookupResult::Unfinished, servers));
    assert!(report.findings.is_empty(), "{:?}", ids(&report));
    assert!(rendered(&report).contains("not finished"));
}

#[test]
fn a_server_that_answers_for_one_family_is_not_silent() {
    let mut half = server("192.0.2.1", LookupResult::Found);
    half.ipv6.result = LookupResult::NoAnswer;
    let report = with_names(healthy(), resolve(LookupResult::Found, vec![half]));
    assert!(report.findings.is_empty(), "{:?}", ids(&report));
}

#[test]
fn a_name_that_nobody_knows_is_the_servers_name_alone() {
    let servers = vec![server("192.0.2.1", LookupResult::UnknownName)];
    let section = resolve(LookupResult::UnknownName, servers);
    let report = with_names(blocked(ReasonCode::UnknownHost), section);
    assert_eq!(ids(&report), ["network.discovery.unknown_host"]);
}

#[test]
fn a_lookup_is_slow_from_half_a_second_on() {
    for (cold, is_slow) in [(499.0, false), (500.0, true)] {
        let mut section = resolve(LookupResult::Found, Vec::new());
        section.system.cold_ms = Some(ms(cold));
        section.system.warm_ms = Some(ms(1.0));
        let report = with_names(healthy(), section);
        assert_eq!(ids(&report) == ["network.dns.slow"], is_slow, "{cold}");
        assert_eq!(report.findings.is_empty(), !is_slow, "{cold}");
    }
}

#[test]
fn ipv6_is_broken_only_where_it_should_work() {
    for (result, has_route, is_broken) in [
        (ConnectResult::NoAnswer, true, true),
        (ConnectResult::Refused, true, true),
        (ConnectResult::Unreachable, true, true),
        (ConnectResult::Connected, true, false),
        (ConnectResult::Unreachable, false, false),
    ] {
        let mut section = resolve(LookupResult::Found, Vec::new());
        section.connects.push(attempt(Family::Ipv6, result));
        section.has_ipv6_route = has_route;
        let report = with_names(healthy(), section);
        let expected: &[&str] = if is_broken {
            &["network.ipv6.broken"]
        } else {
            &[]
        };
        assert_eq!(ids(&report), expected, "{result:?} {has_route}");
    }
}

#[test]
fn the_rows_of_names_tell_each_server_and_its_times() {
    let mut told = server("192.0.2.1", LookupResult::NoAddresses);
    told.ipv4 = NameAnswer {
        result: LookupResult::Found,
        addresses: vec![Sensitive::new("203.0.113.9")],
        ttl_s: Some(60),
        elapsed_ms: Some(ms(21.0)),
        warm_ms: Some(ms(2.0)),
        over_tcp: true,
    };
    let servers = vec![told, server("192.0.2.2", LookupResult::NotListening)];
    let mut section = resolve(LookupResult::Found, servers);
    section.system.addresses = vec![Sensitive::new("203.0.113.9")];
    section.system.warm_ms = Some(ms(1.0));
    let text = rendered(&with_names(healthy(), section));
    for row in [
        "203.0.113.9, after 21.0 ms, again after 2.00 ms, over TCP, to be kept for 60 s; IPv6: none",
        "IPv4: nobody listens there",
        "203.0.113.9, after 30.0 ms, again after 1.00 ms",
        "route over IPv6",
    ] {
        let tidy = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(tidy.contains(row), "{row}: {text}");
    }
}

// --- web

fn answer(status: u16, is_expected: bool) -> WebAnswer {
    WebAnswer {
        status: Some(status),
        elapsed_ms: Some(ms(20.0)),
        is_expected,
        message: None,
    }
}

fn web() -> WebSection {
    WebSection {
        host: Sensitive::new("call.example.org"),
        port: 8443,
        proxy: None,
        connects: vec![attempt(Family::Ipv4, ConnectResult::Connected)],
        tunnel: None,
        tls: None,
        http: Some(answer(200, true)),
        websocket: Some(answer(101, true)),
        portal: None,
    }
}

fn tls(verdict: TlsVerdict, subject: &str) -> WebTls {
    WebTls {
        verdict,
        elapsed_ms: Some(ms(40.0)),
        version: Some("TLSv1_3".to_owned()),
        cipher_suite: None,
        certificate: Some(ShownCertificate {
            issuer: "CN=Inspection, O=Example Corp".to_owned(),
            subject: Sensitive::new(subject),
            not_after: "2031-01-01T00:00:00Z".to_owned(),
        }),
        days_left: Some(90),
        message: None,
    }
}

fn through_proxy() -> WebSection {
    WebSection {
        proxy: Some(WebProxy {
            host: Sensitive::new("proxy.example.org"),
            port: 3128,
        }),
        ..web()
    }
}

fn with_web(mut run: Run, data: WebSection) -> Report {
    run.web = Outcome::Measured { data };
    report(run)
}

fn with_proxy_set(mut run: Run) -> Run {
    run.system.data_mut().unwrap().proxy = Some(Proxy {
        host: Sensitive::new("proxy.example.org"),
        port: Some(3128),
        source: "https_proxy".to_owned(),
    });
    run
}

#[test]
fn a_good_way_raises_no_finding() {
    let mut section = web();
    section.tls = Some(tls(TlsVerdict::Trusted, "CN=call.example.org"));
    assert!(with_web(healthy(), section).findings.is_empty());
}

fn redirect(host: &str) -> PortalSign {
    PortalSign::Redirect {
        host: Sensitive::new(host),
    }
}

#[test]
fn a_portal_is_named_where_nobody_shows_a_certificate() {
    for (code, verdict) in [
        (ReasonCode::NotGreenroom, None),
        (ReasonCode::NoAnswer, None),
        (ReasonCode::NoAnswer, Some(TlsVerdict::NoAnswer)),
        (ReasonCode::TlsFailed, Some(TlsVerdict::Failed)),
    ] {
        let mut section = web();
        section.tls = verdict.map(|verdict| WebTls {
            certificate: None,
            ..tls(verdict, "")
        });
        section.portal = Some(redirect("login.hotel.example"));
        let report = with_web(blocked(code), section);
        let [first, other] = &report.findings[..] else {
            panic!("{:?}", ids(&report));
        };
        assert_eq!(first.id, "network.web.captive_portal");
        assert_eq!(other.consequence_of.as_ref(), Some(&first.id));
    }
}

#[test]
fn a_certificate_at_fault_is_no_portal_though_plain_http_leads_elsewhere() {
    for (code, verdict, id) in [
        (ReasonCode::TlsExpired, TlsVerdict::Expired, "tls_expired"),
        (
            ReasonCode::TlsWrongName,
            TlsVerdict::WrongName,
            "tls_wrong_name",
        ),
        (
            ReasonCode::TlsUnknownIssuer,
            TlsVerdict::UnknownIssuer,
            "tls_unknown_issuer",
        ),
    ] {
        for sign in [redirect("www.brand.example"), PortalSign::LoginPage] {
            let mut section = web();
            section.tls = Some(tls(verdict, "CN=call.example.org"));
            section.portal = Some(sign);
            let report = with_web(blocked(code), section);
            assert_eq!(ids(&report), [format!("network.discovery.{id}")]);
        }
    }
}

#[test]
fn a_portal_that_shows_its_own_certificate_is_named() {
    for subject in ["CN=login.hotel.example", "C=XX, CN=*.hotel.example"] {
        let mut section = web();
        section.tls = Some(tls(TlsVerdict::WrongName, subject));
        section.portal = Some(redirect("Login.hotel.example"));
        let report = with_web(blocked(ReasonCode::TlsWrongName), section);
        assert_first(
            &report,
            "network.web.captive_portal",
            &["network.discovery.tls_wrong_name"],
        );
    }
    let mut section = web();
    section.tls = Some(tls(TlsVerdict::Expired, "CN=call.example.org"));
    section.portal = Some(PortalSign::LoginRequired);
    let report = with_web(blocked(ReasonCode::TlsExpired), section);
    assert_eq!(ids(&report)[0], "network.web.captive_portal");
}

#[test]
fn who_got_through_has_no_portal() {
    let mut section = web();
    section.portal = Some(redirect("login.hotel.example"));
    assert!(with_web(healthy(), section).findings.is_empty());
}

#[test]
fn an_intercepted_certificate_is_told_by_its_issuer() {
    let mut section = web();
    section.tls = Some(tls(TlsVerdict::UnknownIssuer, "CN=call.example.org"));
    section.http = None;
    section.websocket = None;
    let report = with_web(blocked(ReasonCode::TlsUnknownIssuer), section);
    assert_first(&report, "network.discovery.tls_unknown_issuer", &[]);
    let evidence = &report.findings[0].evidence;
    assert_eq!(words(evidence, "issuer"), "CN=Inspection, O=Example Corp");
    assert!(rendered(&report).contains("CN=Inspection, O=Example Corp"));
}

#[test]
fn a_proxy_without_a_tunnel_is_named_and_explains_that_there_is_one() {
    let mut section = through_proxy();
    section.tunnel = Some(answer(403, false));
    section.websocket = None;
    let report = with_web(with_proxy_set(healthy()), section.clone());
    let id = "network.proxy.tunnel_refused";
    assert_first(&report, id, &["system.network.proxy"]);
    assert_eq!(report.findings[0].severity, Severity::Info);
    // Over WebSocket, or not at all, it matters.
    let report = with_web(with_proxy_set(samples::websocket()), section.clone());
    let refused = report.findings.iter().find(|f| f.id == id).unwrap();
    assert_eq!(refused.severity, Severity::Warning);
    section.http = None;
    let run = with_proxy_set(blocked(ReasonCode::ProxyFailed));
    let report = with_web(run, section);
    let consequences = ["network.discovery.proxy_failed", "system.network.proxy"];
    assert_first(&report, id, &consequences);
    assert_eq!(report.findings[0].severity, Severity::Critical);
}

#[test]
fn a_proxy_that_wants_credentials_for_the_tunnel_is_named() {
    let mut section = through_proxy();
    section.tunnel = Some(answer(407, false));
    section.http = None;
    section.websocket = None;
    let run = with_proxy_set(blocked(ReasonCode::ProxyFailed));
    let consequences = ["network.discovery.proxy_failed", "system.network.proxy"];
    assert_first(
        &with_web(run, section),
        "network.proxy.credentials_needed",
        &consequences,
    );
}

#[test]
fn a_blocked_websocket_is_not_put_on_the_proxy_unasked() {
    let mut section = through_proxy();
    section.tunnel = Some(answer(200, true));
    section.websocket = Some(answer(400, false));
    let report = with_web(with_proxy_set(healthy()), section);
    let all = ids(&report);
    assert!(all.contains(&"network.web.websocket_blocked"), "{all:?}");
    assert!(report.findings.iter().all(|f| f.consequence_of.is_none()));
}

#[test]
fn a_tunnel_that_does_not_come_about_blocks_the_websocket() {
    let mut section = through_proxy();
    section.tunnel = Some(answer(502, false));
    section.websocket = None;
    let report = with_web(healthy(), section);
    assert_eq!(ids(&report), ["network.web.websocket_blocked"]);
}

#[test]
fn a_busy_server_blocks_no_websocket() {
    for status in [429, 503] {
        let mut section = web();
        section.websocket = Some(answer(status, false));
        assert!(with_web(healthy(), section).findings.is_empty());
    }
}

#[test]
fn a_certificate_ends_soon_below_fourteen_days() {
    for (days, is_soon) in [(14, false), (13, true), (0, true)] {
        let mut section = web();
        let mut shown = tls(TlsVerdict::Trusted, "CN=call.example.org");
        shown.days_left = Some(days);
        section.tls = Some(shown);
        let report = with_web(healthy(), section);
        let id = "network.web.certificate_expires_soon";
        assert_eq!(ids(&report) == [id], is_soon, "{days}");
    }
}

#[test]
fn an_old_version_of_tls_is_named() {
    let mut section = web();
    section.tls = Some(tls(TlsVerdict::TooOld, "CN=call.example.org"));
    let report = with_web(blocked(ReasonCode::TlsFailed), section);
    assert_first(
        &report,
        "network.web.tls_too_old",
        &["network.discovery.tls_failed"],
    );
}

#[test]
fn a_proxy_setting_with_a_typing_error_is_told_by_its_variable() {
    let mut run = blocked(ReasonCode::NoAnswer);
    run.system.data_mut().unwrap().proxy_problems = vec![ProxyProblem {
        variable: "HTTPS_PROXY".to_owned(),
        problem: "it names no host".to_owned(),
    }];
    let report = report(run);
    assert_first(
        &report,
        "system.network.proxy_setting_invalid",
        &["network.discovery.no_answer"],
    );
    let evidence = &report.findings[0].evidence;
    assert_eq!(words(evidence, "HTTPS_PROXY"), "it names no host");
    assert!(rendered(&report).contains("not usable: it names no host"));
}

#[test]
fn the_rows_of_the_web_go_stage_by_stage() {
    let mut section = through_proxy();
    section.tunnel = Some(answer(200, true));
    section.tls = Some(tls(TlsVerdict::Trusted, "CN=call.example.org"));
    section.websocket = Some(answer(400, false));
    let text = rendered(&with_web(healthy(), section));
    let tidy = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for row in [
        "through proxy proxy.example.org port 3128",
        "TCP over IPv4 connected after 20.0 ms, 203.0.113.9",
        "tunnel of the proxy status 200, after 20.0 ms",
        "trusted, after 40.0 ms, TLSv1_3",
        "CN=call.example.org, signed by CN=Inspection, O=Example Corp, until 2031-01-01T00:00:00Z",
        "WebSocket status 400, after 20.0 ms, not what was asked for",
    ] {
        assert!(tidy.contains(row), "{row}: {text}");
    }
}
