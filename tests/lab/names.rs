//! Names that cannot be looked up.

use std::process::Stdio;

use greenroom_lab::{Process, Protocol};
use libtest_mimic::Trial;

use crate::client::Client;
use crate::scene::{PORT, Scene, wait_for_port};
use crate::{tool, trial};

/// A name that the name server knows.
pub(crate) const NAME: &str = "greenroom.example";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_server_is_found_by_its_name", found),
        trial("a_name_that_does_not_exist_is_named", nxdomain),
        trial("a_silent_name_server_is_named", silent),
        trial("a_refusing_name_server_is_named", refusing),
    ]
}

/// Answers for `example` alone, with one name in it.
pub(crate) fn name_server(scene: &Scene) -> Process {
    let dnsmasq = tool::find("dnsmasq", "dnsmasq-base");
    let mut command = scene.lab.server().command(dnsmasq);
    command
        .args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--pid-file=",
        ])
        .args([
            "--no-resolv",
            "--no-hosts",
            "--bind-interfaces",
            "--user=root",
        ])
        .args(["--group=", "--local=/example/"])
        .arg(format!("--listen-address={}", scene.lab.server().ipv4()))
        .arg(format!("--address=/{NAME}/{}", scene.lab.server().ipv4()))
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let process = Process::start(&mut command).unwrap();
    wait_for_port(&scene.lab, 53);
    process
}

/// A client that asks the name server on the server's machine.
pub(crate) fn client<'a>(scene: &'a Scene, host: &str) -> Client<'a> {
    let server = scene.lab.server().ipv4();
    scene
        .client_for(&format!("http://{host}:{PORT}"))
        .quick()
        .file("/etc/resolv.conf", &format!("nameserver {server}\n"))
        .file("/etc/nsswitch.conf", "hosts: files dns\n")
        .file("/etc/hosts", "127.0.0.1 localhost\n")
}

fn found() {
    let scene = Scene::healthy();
    let _names = name_server(&scene);
    let checked = client(&scene, NAME).run();
    checked.assert_healthy();
    let discovery = checked.report.discovery.data().unwrap();
    assert_eq!(discovery.host.as_str(), NAME);
}

fn nxdomain() {
    let scene = Scene::healthy();
    let _names = name_server(&scene);
    let checked = client(&scene, "greenrom.example").run();
    checked.assert_named("network.discovery.unknown_host", &[], 4);
}

fn silent() {
    let scene = Scene::healthy();
    let router = scene.lab.access_router();
    router.block_port(Protocol::Udp, 53).unwrap();
    router.block_port(Protocol::Tcp, 53).unwrap();
    let checked = client(&scene, NAME).run();
    checked.assert_named("network.discovery.resolver_failed", &[], 4);
    assert!(checked.elapsed.as_secs_f64() < 8.0, "{:?}", checked.elapsed);
}

/// The machine is there, but nobody answers questions on it.
fn refusing() {
    let scene = Scene::healthy();
    let checked = client(&scene, NAME).run();
    checked.assert_named("network.discovery.resolver_failed", &[], 4);
}
