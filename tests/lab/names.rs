//! Names that cannot be looked up.

use std::net::{SocketAddr, UdpSocket};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use greenroom::model::outcome::Outcome;
use greenroom::model::report::Ending;
use greenroom::model::resolve::LookupResult;
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
        trial("a_lookup_that_was_stopped_is_no_missing_answer", stopped),
        trial("a_name_server_that_does_not_run_is_named", not_listening),
        trial("a_refusing_name_server_is_named", refusing),
        trial("a_failing_name_server_is_named", failing),
        trial("a_name_server_that_talks_nonsense_is_named", nonsense),
        trial(
            "an_answer_that_is_too_long_for_udp_comes_over_tcp",
            many_addresses,
        ),
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
    checked.assert_named(
        "network.dns.server_silent",
        &["network.discovery.resolver_failed"],
        4,
    );
    assert!(checked.elapsed.as_secs_f64() < 8.0, "{:?}", checked.elapsed);
}

/// The check is stopped while it waits for a name server that is silent.
fn stopped() {
    let scene = Scene::healthy();
    let router = scene.lab.access_router();
    router.block_port(Protocol::Udp, 53).unwrap();
    let running = client(&scene, NAME).start();
    std::thread::sleep(Duration::from_secs(1));
    running.signal("SIGINT");
    let checked = running.finish();
    assert_eq!(checked.report.ending, Ending::Cancelled);
    assert!(checked.report.findings.is_empty(), "{}", checked.describe());
    let Outcome::Partial { data, .. } = &checked.report.resolve else {
        panic!("{:?}", checked.report.resolve);
    };
    let [server] = &data.servers[..] else {
        panic!("{:?}", data.servers);
    };
    let results = [data.system.result, server.ipv4.result, server.ipv6.result];
    assert_eq!(results, [LookupResult::Unfinished; 3]);
}

/// The machine is there, but nobody answers questions on it.
fn not_listening() {
    let scene = Scene::healthy();
    let checked = client(&scene, NAME).run();
    checked.assert_named(
        "network.dns.not_listening",
        &["network.discovery.resolver_failed"],
        4,
    );
}

/// It answers for one domain alone.
fn refusing() {
    let scene = Scene::healthy();
    let _names = name_server(&scene);
    let checked = client(&scene, "greenroom.test").run();
    checked.assert_named(
        "network.dns.refused",
        &["network.discovery.resolver_failed"],
        4,
    );
}

/// A name server of its own domain, whose zone has this text; without, its file is missing.
fn nsd(scene: &Scene, zone: Option<&str>) -> Process {
    let nsd = tool::find("nsd", "nsd");
    let address = scene.lab.server().ipv4();
    let directory = format!("/run/nsd-{}", scene.lab.server().netns());
    std::fs::create_dir_all(&directory).unwrap();
    if let Some(zone) = zone {
        std::fs::write(format!("{directory}/example.zone"), zone).unwrap();
    }
    let configuration = format!(
        "server:\n ip-address: {address}\n username: \"\"\n chroot: \"\"\n database: \"\"\n \
         pidfile: \"\"\n zonesdir: \"{directory}\"\n zonelistfile: \"{directory}/list\"\n \
         xfrdfile: \"{directory}/state\"\n xfrdir: \"{directory}\"\n\
         remote-control:\n control-enable: no\n\
         zone:\n name: \"example\"\n zonefile: \"example.zone\"\n"
    );
    let file = format!("{directory}/nsd.conf");
    std::fs::write(&file, configuration).unwrap();
    let mut command = scene.lab.server().command(nsd);
    command
        .args(["-d", "-c", &file])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let process = Process::start(&mut command).unwrap();
    wait_for_port(&scene.lab, 53);
    process
}

/// It is to know the domain, but has no data of it.
fn failing() {
    let scene = Scene::healthy();
    let _names = nsd(&scene, None);
    let checked = client(&scene, NAME).run();
    checked.assert_named(
        "network.dns.servfail",
        &["network.discovery.resolver_failed"],
        4,
    );
}

/// Forty addresses take more than the 512 bytes of an answer over UDP.
fn many_addresses() {
    let scene = Scene::healthy();
    let addresses: Vec<String> = (20..60).map(|host| format!("203.0.113.{host}")).collect();
    let added: Vec<String> = addresses
        .iter()
        .map(|address| format!("address add {address}/32 dev eth0"))
        .collect();
    scene.lab.server().ip(&added.join("\n")).unwrap();
    let records: Vec<String> = addresses
        .iter()
        .map(|address| format!("greenroom A {address}\n"))
        .collect();
    let zone = format!(
        "$ORIGIN example.\n$TTL 60\n@ SOA ns root 1 3600 600 86400 60\n@ NS ns\n\
         ns A {}\n{}",
        scene.lab.server().ipv4(),
        records.concat()
    );
    let _names = nsd(&scene, Some(&zone));
    let checked = client(&scene, NAME).run();
    checked.assert_healthy();
    let resolve = checked.report.resolve.data().unwrap();
    let [server] = &resolve.servers[..] else {
        panic!("{:?}", resolve.servers);
    };
    assert!(server.ipv4.over_tcp, "{server:?}");
    assert_eq!(server.ipv4.addresses.len(), 40);
    assert_eq!(server.ipv6.result, LookupResult::NoAddresses);
    assert!(!server.ipv6.over_tcp);
    // Question and answer, the connection before.
    let (cold, warm) = (
        server.ipv4.elapsed_ms.unwrap(),
        server.ipv4.warm_ms.unwrap(),
    );
    assert!(cold.as_f64() > 55.0 && warm.as_f64() > 55.0, "{server:?}");
    assert!(server.ipv6.warm_ms.unwrap().as_f64() > 19.0, "{server:?}");
}

/// Random bytes, and answers whose names point at themselves.
fn nonsense() {
    let scene = Scene::healthy();
    let address = SocketAddr::from((scene.lab.server().ipv4(), 53));
    let bound = scene.lab.server().run(|| UdpSocket::bind(address));
    let socket = bound.unwrap().unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let end = Arc::new(AtomicBool::new(false));
    let ended = end.clone();
    let answering = std::thread::spawn(move || {
        let mut packet = [0; 512];
        while !ended.load(Ordering::Relaxed) {
            let Ok((length, from)) = socket.recv_from(&mut packet) else {
                continue;
            };
            let mut pointer = packet[..length.min(12)].to_vec();
            pointer.extend([0xc0, 0x0c, 0, 1, 0, 1]);
            pointer[2] |= 0x80;
            for nonsense in [&pointer[..], &[0xff; 1200]] {
                socket.send_to(nonsense, from).unwrap();
            }
        }
    });
    let checked = client(&scene, NAME).run();
    end.store(true, Ordering::Relaxed);
    answering.join().unwrap();
    checked.assert_named(
        "network.dns.malformed",
        &["network.discovery.resolver_failed"],
        4,
    );
    assert!(checked.elapsed.as_secs_f64() < 8.0, "{:?}", checked.elapsed);
}
