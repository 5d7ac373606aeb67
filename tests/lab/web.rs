//! What stands between a client and the server's web side, and names that are slow or half broken.

use std::process::Stdio;

use greenroom_lab::{Process, addresses};
use libtest_mimic::Trial;

use crate::names::{NAME, client, name_server};
use crate::reach::nginx;
use crate::scene::{PORT, Scene, good_link, wait_for_port};
use crate::{tool, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("web_upgrade_that_a_proxy_strips_is_named", stripped),
        trial(
            "web_proxy_that_wants_credentials_is_named",
            credentials_needed,
        ),
        trial("web_proxy_with_credentials_is_used", credentials),
        trial("web_captive_portal_is_named", portal),
        trial("web_name_with_broken_ipv6_is_named", broken_ipv6),
        trial("web_name_with_good_ipv6_is_healthy", good_ipv6),
        trial("web_slow_name_server_is_named", slow_names),
        trial(
            "web_second_name_server_that_is_silent_is_named",
            silent_server,
        ),
    ]
}

/// A reverse proxy that passes no upgrade on; UDP comes through.
fn stripped() {
    let scene = Scene::healthy();
    let block = format!("listen 8080; location / {{ proxy_pass http://127.0.0.1:{PORT}; }}");
    let _web = nginx(&scene, &block, 8080);
    let url = format!("http://{}:8080", scene.lab.server().ipv4());
    let checked = scene.client_for(&url).quick().run();
    checked.assert_named("network.web.websocket_blocked", &[], 0);
}

fn tinyproxy(scene: &Scene) -> Process {
    let program = tool::find("tinyproxy", "tinyproxy-bin");
    let configuration = format!("/run/tinyproxy-login-{}", scene.lab.server().netns());
    let text = "Port 8888\nTimeout 60\nLogLevel Error\nMaxClients 10\nBasicAuth ann secret\n";
    std::fs::write(&configuration, text).unwrap();
    let mut command = scene.lab.server().command(program);
    command
        .args(["-d", "-c", &configuration])
        .stdout(Stdio::null());
    let process = Process::start(&mut command).unwrap();
    wait_for_port(&scene.lab, 8888);
    process
}

fn credentials_needed() {
    let scene = Scene::healthy();
    let _proxy = tinyproxy(&scene);
    let url = format!("http://{}:8888", addresses::SERVER_ALTERNATE_V4);
    let checked = scene.client().quick().variable("http_proxy", &url).run();
    checked.assert_named(
        "network.proxy.credentials_needed",
        &[
            "network.discovery.proxy_failed",
            "network.discovery.not_greenroom",
            "system.network.proxy",
        ],
        4,
    );
}

fn credentials() {
    let scene = Scene::healthy();
    let _proxy = tinyproxy(&scene);
    let url = format!("http://ann:secret@{}:8888", addresses::SERVER_ALTERNATE_V4);
    let checked = scene.client().quick().variable("http_proxy", &url).run();
    checked.assert_named(
        "system.network.proxy",
        &["network.web.websocket_blocked"],
        0,
    );
}

/// Whoever asks for a page is sent to a login on another host.
fn portal() {
    let scene = Scene::without_server(good_link(), good_link(), 1);
    let block = format!("listen {PORT}; location / {{ return 302 http://login.example/; }}");
    let _web = nginx(&scene, &block, PORT);
    let checked = scene.client().run();
    checked.assert_named(
        "network.web.captive_portal",
        &[
            "network.discovery.not_greenroom",
            "network.discovery.unknown_host",
            "network.discovery.resolver_failed",
        ],
        4,
    );
}

fn both_families(scene: &Scene) -> String {
    let server = scene.lab.server();
    format!(
        "127.0.0.1 localhost\n{} both.example\n{} both.example\n",
        server.ipv4(),
        server.ipv6()
    )
}

/// The router throws IPv6 away.
fn broken_ipv6() {
    let scene = Scene::healthy();
    let router = scene.lab.access_router();
    router.add_rule("meta nfproto ipv6 drop").unwrap();
    let checked = client(&scene, "both.example")
        .file("/etc/hosts", &both_families(&scene))
        .run();
    checked.assert_named("network.ipv6.broken", &[], 0);
}

fn good_ipv6() {
    let scene = Scene::healthy();
    let checked = client(&scene, "both.example")
        .file("/etc/hosts", &both_families(&scene))
        .run();
    checked.assert_healthy();
}

/// The second of two answers nothing.
fn silent_server() {
    let scene = Scene::healthy();
    let _names = name_server(&scene);
    let router = scene.lab.access_router();
    let rule = format!(
        "ip daddr {} udp dport 53 drop",
        addresses::SERVER_ALTERNATE_V4
    );
    router.add_rule(&rule).unwrap();
    let servers = format!(
        "nameserver {}\nnameserver {}\noptions timeout:1 attempts:1\n",
        scene.lab.server().ipv4(),
        addresses::SERVER_ALTERNATE_V4
    );
    let checked = client(&scene, NAME)
        .file("/etc/resolv.conf", &servers)
        .run();
    checked.assert_named("network.dns.server_silent", &[], 0);
}

/// Every answer of the name server waits for 700 ms.
fn slow_names() {
    let scene = Scene::healthy();
    let _names = name_server(&scene);
    let _slow = slow_relay(&scene);
    let servers = format!("nameserver {}\n", addresses::SERVER_ALTERNATE_V4);
    let checked = client(&scene, NAME)
        .file("/etc/resolv.conf", &servers)
        .run();
    checked.assert_named("network.dns.slow", &[], 0);
}

/// Passes datagrams on to the name server, 700 ms late.
fn slow_relay(scene: &Scene) -> Process {
    let socat = tool::find("socat", "socat");
    let (from, to) = (addresses::SERVER_ALTERNATE_V4, scene.lab.server().ipv4());
    let script = format!("/run/late-{}", scene.lab.server().netns());
    let text = format!("#!/bin/sh\nsleep 0.7\nexec {socat} -T 1 - UDP4:{to}:53\n");
    std::fs::write(&script, text).unwrap();
    let mut command = scene.lab.server().command(&socat);
    // Else it leaves half a second after the question was passed on.
    command
        .args([
            "-t",
            "3",
            &format!("UDP4-RECVFROM:53,bind={from},fork,reuseaddr"),
        ])
        .arg(format!("EXEC:/bin/sh {script}"))
        .stdin(Stdio::null());
    Process::start(&mut command).unwrap()
}
