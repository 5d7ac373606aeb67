//! NATs of every kind, before the client and before that.

use std::net::Ipv4Addr;

use greenroom::Report;
use greenroom::model::stun::{Mapping, NatSection};
use greenroom_lab::{Process, addresses};
use libtest_mimic::Trial;

use crate::scene::{GREENROOM, Scene, good_link};
use crate::trial;
use crate::turn::coturn;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("nat_none_is_told", none),
        trial("nat_that_keeps_mappings_is_healthy", independent),
        trial("nat_that_maps_by_endpoint_is_named", dependent),
        trial("nat_of_the_provider_is_named", carrier_grade),
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
    let mut command = scene.lab.client().command(GREENROOM);
    let urls = [
        format!("stun:{}", scene.lab.server().ipv4()),
        format!("stun:{}:3479", addresses::SERVER_ALTERNATE_V4),
    ];
    command
        .args(["check", "--only", "stun", "--skip", "discovery"])
        .args([
            "--json",
            "-",
            "--no-redact",
            "--stun",
            &urls[0],
            "--stun",
            &urls[1],
        ]);
    let output = command.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    })
}

fn nat(report: &Report) -> NatSection {
    let stun = report.stun.data().expect("what STUN told");
    assert!(
        stun.servers.iter().all(|server| server.answered),
        "{stun:?}"
    );
    stun.nat.clone().expect("a NAT or none")
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
