//! NATs of every kind, before the client and before that.

use std::net::Ipv4Addr;

use greenroom::Report;
use greenroom::model::stun::{Filtering, Mapping, NatSection, StunServer, StunTransport};
use greenroom_lab::{Process, addresses};
use libtest_mimic::Trial;

use crate::scene::{GREENROOM, Scene, good_link, wait_for_port};
use crate::tls::certificates;
use crate::trial;
use crate::turn::{coturn, with_certificate};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("nat_none_is_told", none),
        trial("nat_that_keeps_mappings_is_healthy", independent),
        trial("nat_that_maps_by_endpoint_is_named", dependent),
        trial("nat_of_the_provider_is_named", carrier_grade),
        trial("nat_none_is_told_by_one_server", none_by_one),
        trial(
            "nat_filtering_of_each_kind_is_told_by_one_server",
            filtering,
        ),
        trial(
            "nat_mapping_by_endpoint_is_told_by_one_server",
            mapping_by_one,
        ),
        trial(
            "stun_over_tcp_and_tls_is_told_where_udp_is_dropped",
            over_streams,
        ),
    ]
}

/// STUN servers at two addresses.
fn servers(scene: &Scene) -> [Process; 2] {
    let other = format!("-L{}", addresses::SERVER_ALTERNATE_V4);
    [
        coturn(scene, 3478, &["--no-tls"]),
        coturn(scene, 3479, &["--no-tls", &other]),
    ]
}

fn check(scene: &Scene) -> Report {
    let urls = [
        format!("stun:{}", scene.lab.server().ipv4()),
        format!("stun:{}:3479", addresses::SERVER_ALTERNATE_V4),
    ];
    ask(scene, &[&urls[0], &urls[1]], &[])
}

fn nat(report: &Report) -> NatSection {
    let stun = report.stun.data().expect("what STUN told");
    assert!(
        stun.servers.iter().all(|server| server.answered),
        "{stun:?}"
    );
    stun.nat.clone().expect("a NAT or none")
}

/// One server with two addresses and two ports (RFC 5780).
fn behavior_server(scene: &Scene) -> Process {
    let other = format!("-L{}", addresses::SERVER_ALTERNATE_V4);
    coturn(
        scene,
        3478,
        &["--no-tls", &other, "--alt-listening-port=3479"],
    )
}

fn ask(scene: &Scene, urls: &[&str], arguments: &[&str]) -> Report {
    let mut command = scene.lab.client().command(GREENROOM);
    command
        .args(["check", "--only", "stun", "--skip", "discovery"])
        .args(["--json", "-", "--no-redact"])
        .args(arguments);
    for url in urls {
        command.args(["--stun", url]);
    }
    let output = command.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    })
}

/// What one server shows.
fn shown(scene: &Scene) -> NatSection {
    let report = ask(
        scene,
        &[&format!("stun:{}", scene.lab.server().ipv4())],
        &[],
    );
    let stun = report.stun.data().expect("what STUN told");
    let over_udp = &stun.servers[0];
    let other = over_udp.other_address.as_ref().expect("another address");
    assert_eq!(
        other.to_string(),
        addresses::SERVER_ALTERNATE_V4.to_string()
    );
    nat(&report)
}

fn none_by_one() {
    let scene = scene();
    let _server = behavior_server(&scene);
    let shown = shown(&scene);
    assert!(!shown.translated);
    assert_eq!(shown.filtering, Some(Filtering::EndpointIndependent));
}

/// What a home router does with packets that nobody asked for: it throws them away, or passes them on
/// to where others went out, those of everybody or of addresses that were sent to.
fn filtering() {
    let client = addresses::CLIENT_V4;
    let everybody = format!("iifname wan0 meta l4proto udp dnat ip to {client}");
    let addressed = format!("iifname wan0 udp dport . ip saddr @peers dnat ip to {client}");
    for (rule, filtering) in [
        (None, Filtering::AddressAndPortDependent),
        (Some(addressed), Filtering::AddressDependent),
        (Some(everybody), Filtering::EndpointIndependent),
    ] {
        let scene = scene();
        let _server = behavior_server(&scene);
        let router = scene.lab.access_router();
        router.masquerade().unwrap();
        if let Some(rule) = rule {
            router
                .nft(&format!(
                    "add set inet lab peers {{ type inet_service . ipv4_addr; flags dynamic,timeout; timeout 60s; }}
                     add rule inet lab forward oifname wan0 add @peers {{ udp sport . ip daddr }}
                     add chain inet lab in {{ type nat hook prerouting priority -100; policy accept; }}
                     add rule inet lab in {rule}"
                ))
                .unwrap();
        }
        let shown = shown(&scene);
        assert!(shown.translated);
        assert_eq!(shown.filtering, Some(filtering), "{shown:?}");
        assert_eq!(
            shown.mapping,
            Some(Mapping::EndpointIndependent),
            "{shown:?}"
        );
    }
}

fn mapping_by_one() {
    let scene = scene();
    let _server = behavior_server(&scene);
    scene.lab.access_router().masquerade_by_endpoint().unwrap();
    let shown = shown(&scene);
    assert_eq!(shown.mapping, Some(Mapping::AddressAndPortDependent));
    assert_eq!(shown.filtering, Some(Filtering::AddressAndPortDependent));
}

/// Each way that a server is asked in, and whether it answered.
fn over_streams() {
    let scene = scene();
    let certificate = with_certificate("good");
    let certificate: Vec<&str> = certificate.iter().map(String::as_str).collect();
    let _server = coturn(&scene, 3478, &certificate);
    wait_for_port(&scene.lab, 5349);
    let host = scene.lab.server().ipv4();
    let urls = [format!("stun:{host}"), format!("stuns:{host}")];
    let urls = [urls[0].as_str(), urls[1].as_str()];
    let authority = certificates().path("ca.pem");
    let answers = |report: &Report| {
        let stun = report.stun.data().expect("what STUN told");
        let answer = |server: &StunServer| (server.transport, server.answered);
        let answers: Vec<(StunTransport, bool)> = stun.servers.iter().map(answer).collect();
        for server in stun.servers.iter().filter(|server| server.answered) {
            let mapped = server.mapped_address.as_ref().unwrap().to_string();
            assert_eq!(mapped, scene.lab.client().ipv4().to_string());
            let rtt = server.rtt_ms.unwrap().as_f64();
            assert!(rtt >= 20.0, "{server:?}");
        }
        answers
    };
    let all = [StunTransport::Udp, StunTransport::Tcp, StunTransport::Tls];
    let open = ask(&scene, &urls, &["--ca", &authority]);
    assert_eq!(answers(&open), all.map(|transport| (transport, true)));
    assert_eq!(findings(&open), [""; 0]);
    scene.lab.access_router().block_udp().unwrap();
    let dropped = ask(&scene, &urls, &["--ca", &authority]);
    let but_udp = all.map(|transport| (transport, transport != StunTransport::Udp));
    assert_eq!(answers(&dropped), but_udp);
    assert_eq!(findings(&dropped), ["network.stun.udp_blocked"]);
}

/// Beside the note that there was no server.
fn findings(report: &Report) -> Vec<&str> {
    let ids = report.findings.iter().map(|f| f.id.as_str());
    ids.filter(|id| *id != "network.target.builtin").collect()
}

fn scene() -> Scene {
    Scene::without_server(good_link(), good_link(), 1)
}

fn none() {
    let scene = scene();
    let _servers = servers(&scene);
    let report = check(&scene);
    assert!(!nat(&report).translated);
    assert_eq!(findings(&report), [""; 0]);
}

fn independent() {
    let scene = scene();
    let _servers = servers(&scene);
    scene.lab.access_router().masquerade().unwrap();
    let report = check(&scene);
    let nat = nat(&report);
    assert_eq!(nat.mapping, Some(Mapping::EndpointIndependent), "{nat:?}");
    assert_eq!((nat.translated, nat.preserves_port), (true, Some(true)));
    assert_eq!(findings(&report), [""; 0]);
}

/// Every flow gets a port by lot.
fn dependent() {
    let scene = scene();
    let _servers = servers(&scene);
    let router = scene.lab.access_router();
    router.masquerade_by_endpoint().unwrap();
    let report = check(&scene);
    assert_eq!(nat(&report).mapping, Some(Mapping::EndpointDependent));
    assert_eq!(findings(&report), ["network.nat.endpoint_dependent"]);
}

/// The router maps to an address that providers share among customers.
fn carrier_grade() {
    let scene = scene();
    let _servers = servers(&scene);
    let shared = Ipv4Addr::new(100, 64, 7, 7);
    scene.lab.access_router().hide_behind(shared).unwrap();
    let report = check(&scene);
    assert!(nat(&report).carrier_grade, "{report:?}");
    assert_eq!(findings(&report), ["network.nat.carrier_grade"]);
}
