//! What stands between a client and the server's web side, and names that are slow or half broken.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use greenroom::model::finding::Severity;
use greenroom::model::path::Transport;
use greenroom_lab::{Process, Protocol, addresses};
use libtest_mimic::Trial;

use crate::client::Checked;
use crate::names::{NAME, client, name_server};
use crate::reach::nginx;
use crate::scene::{PORT, Scene, good_link, wait_for_port};
use crate::tls::{serving, trusting};
use crate::{tool, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("web_upgrade_that_a_proxy_strips_is_named", stripped),
        trial(
            "web_proxy_that_wants_credentials_is_named",
            credentials_needed,
        ),
        trial("web_proxy_with_credentials_is_used", credentials),
        trial("web_websocket_takes_a_tunnel_of_the_proxy", tunnel),
        trial("web_proxy_without_tunnels_is_named", no_tunnel),
        trial(
            "web_proxy_without_tunnels_for_tls_is_named",
            no_tunnel_for_tls,
        ),
        trial(
            "web_proxy_that_wants_credentials_for_a_tunnel_is_named",
            tunnel_credentials_needed,
        ),
        trial("web_proxy_setting_with_a_typing_error_is_named", proxy_typo),
        trial("web_captive_portal_is_named", portal),
        trial("web_captive_portal_before_tls_is_named", portal_before_tls),
        trial(
            "web_name_with_ipv6_that_is_rejected_is_named",
            rejected_ipv6,
        ),
        trial(
            "web_server_that_redirects_to_itself_is_no_greenroom",
            redirect_loop,
        ),
        trial(
            "web_server_with_endless_headers_is_no_greenroom",
            endless_headers,
        ),
        trial(
            "web_server_with_an_endless_body_is_no_greenroom",
            endless_body,
        ),
        trial("web_server_that_drips_does_not_answer", drip),
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

/// With these further lines of configuration.
fn tinyproxy(scene: &Scene, further: &str) -> Process {
    let program = tool::find("tinyproxy", "tinyproxy-bin");
    let configuration = format!("/run/tinyproxy-login-{}", scene.lab.server().netns());
    let text = format!("Port 8888\nTimeout 60\nLogLevel Error\nMaxClients 30\n{further}\n");
    std::fs::write(&configuration, text).unwrap();
    let mut command = scene.lab.server().command(program);
    command
        .args(["-d", "-c", &configuration])
        .stdout(Stdio::null());
    let process = Process::start(&mut command).unwrap();
    wait_for_port(&scene.lab, 8888);
    process
}

const LOGIN: &str = "BasicAuth ann secret";

fn proxy_url() -> String {
    format!("http://{}:8888", addresses::SERVER_ALTERNATE_V4)
}

fn credentials_needed() {
    let scene = Scene::healthy();
    let _proxy = tinyproxy(&scene, LOGIN);
    let url = proxy_url();
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
    let _proxy = tinyproxy(&scene, LOGIN);
    let url = format!("http://ann:secret@{}:8888", addresses::SERVER_ALTERNATE_V4);
    let checked = scene.client().quick().variable("http_proxy", &url).run();
    checked.assert_named("system.network.proxy", &[], 0);
    let web = checked.report.web.data().unwrap();
    let tunnel = web.tunnel.as_ref().unwrap();
    assert_eq!((tunnel.status, tunnel.is_expected), (Some(200), true));
    assert!(web.websocket.as_ref().unwrap().is_expected, "{web:?}");
}

/// UDP is blocked, so the call's path is the WebSocket in the tunnel.
fn tunnel() {
    let scene = Scene::healthy();
    let _proxy = tinyproxy(&scene, "");
    scene.lab.access_router().block_udp().unwrap();
    let client = scene.client().quick();
    let checked = client.variable("http_proxy", &proxy_url()).run();
    assert_eq!(
        checked.first(),
        "network.udp.blocked",
        "{}",
        checked.describe()
    );
    let others = checked.report.findings.iter().skip(1);
    let unexplained: Vec<&str> = others
        .filter(|finding| finding.consequence_of.is_none())
        .map(|finding| finding.id.as_str())
        .collect();
    assert_eq!(
        unexplained,
        ["system.network.proxy"],
        "{}",
        checked.describe()
    );
    assert_eq!(checked.path().transport, Transport::WebSocket);
    assert!(checked.path().rtt.is_some(), "{}", checked.describe());
}

/// It opens tunnels to another port alone.
fn no_tunnel() {
    let scene = Scene::healthy();
    let _proxy = tinyproxy(&scene, "ConnectPort 443");
    let client = scene.client().quick();
    let checked = client.variable("http_proxy", &proxy_url()).run();
    let id = "network.proxy.tunnel_refused";
    checked.assert_named(id, &["system.network.proxy"], 0);
    // Where UDP is closed too, only the server's relay is left, and both are told.
    scene.lab.access_router().block_udp().unwrap();
    let client = scene.client().quick();
    let checked = client.variable("http_proxy", &proxy_url()).run();
    let findings = checked.report.findings.iter();
    let causes: Vec<_> = findings
        .filter(|finding| finding.consequence_of.is_none())
        .map(|finding| (finding.id.as_str(), finding.severity))
        .collect();
    let expected = [
        (id, Severity::Warning),
        ("network.udp.blocked", Severity::Warning),
    ];
    assert_eq!(causes, expected, "{}", checked.describe());
    assert_eq!(checked.path().transport, Transport::TurnTcp);
}

fn no_tunnel_for_tls() {
    let scene = serving("good");
    let _proxy = tinyproxy(&scene, "ConnectPort 443");
    let checked = trusting(&scene).variable("https_proxy", &proxy_url()).run();
    checked.assert_named(
        "network.proxy.tunnel_refused",
        &["network.discovery.proxy_failed", "system.network.proxy"],
        4,
    );
}

fn tunnel_credentials_needed() {
    let scene = serving("good");
    let _proxy = tinyproxy(&scene, LOGIN);
    let checked = trusting(&scene).variable("https_proxy", &proxy_url()).run();
    checked.assert_named(
        "network.proxy.credentials_needed",
        &["network.discovery.proxy_failed", "system.network.proxy"],
        4,
    );
}

/// What cannot be read at all is left out. Where only a part of it is wrong, the server is not asked
/// past the proxy, which may be there for a reason.
fn proxy_typo() {
    let scene = Scene::healthy();
    let proxy = addresses::SERVER_ALTERNATE_V4;
    for (value, goes_on) in [
        ("htp://ann:hunter2@proxy:3128".to_owned(), true),
        ("http://ann:hunter2@:3128".to_owned(), false),
        (format!("http://ann:hunter2@{proxy}:99999"), false),
    ] {
        let client = scene.client().quick().variable("HTTP_PROXY", &value);
        let checked = client.run();
        let (consequences, exit_code): (&[&str], _) = if goes_on {
            (&[], 0)
        } else {
            (&["network.discovery.proxy_failed"], 4)
        };
        let id = "system.network.proxy_setting_invalid";
        checked.assert_named(id, consequences, exit_code);
        let evidence = &checked.report.findings[0].evidence;
        assert_eq!(evidence[0].metric, "HTTP_PROXY");
        assert!(!checked.describe().contains("hunter2"));
    }
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

/// Nothing but plain HTTP is answered before the login.
fn portal_before_tls() {
    let scene = Scene::without_server(good_link(), good_link(), 1);
    let block = "listen 80; location / { return 302 http://login.example/; }";
    let _web = nginx(&scene, block, 80);
    let router = scene.lab.access_router();
    router.block_port(Protocol::Tcp, PORT).unwrap();
    let checked = trusting(&scene).run();
    checked.assert_named(
        "network.web.captive_portal",
        &["network.discovery.no_answer"],
        4,
    );
}

fn redirect_loop() {
    let scene = Scene::without_server(good_link(), good_link(), 1);
    let target = format!("http://$host:{PORT}$request_uri");
    let block = format!("listen {PORT}; location / {{ return 302 {target}; }}");
    let _web = nginx(&scene, &block, PORT);
    let checked = scene.client().run();
    checked.assert_named("network.discovery.not_greenroom", &[], 4);
    let evidence = format!("{:?}", checked.report.findings[0].evidence);
    assert!(evidence.contains("without end"), "{evidence}");
}

/// Answers each request with this, and then with this again and again, as fast as it goes or after a
/// pause; ends with the listener's connections.
fn endless(start: &'static str, again: &'static str, pause: Duration) -> Checked {
    let scene = Scene::without_server(good_link(), good_link(), 1);
    let address = SocketAddr::from((scene.lab.server().ipv4(), PORT));
    let bound = scene.lab.server().run(|| TcpListener::bind(address));
    let listener = bound.unwrap().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || babble(stream, start, again, pause));
        }
    });
    let checked = scene.client().run();
    assert!(
        checked.elapsed.as_secs_f64() < 12.0,
        "{:?}",
        checked.elapsed
    );
    checked
}

/// Until the client hangs up, or has for longer than any check takes.
fn babble(mut stream: TcpStream, start: &str, again: &str, pause: Duration) {
    let until = Instant::now() + Duration::from_secs(20);
    let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
    let mut request = [0; 4096];
    let mut sent = stream
        .read(&mut request)
        .and_then(|_| stream.write_all(start.as_bytes()));
    while sent.is_ok() && Instant::now() < until {
        std::thread::sleep(pause);
        sent = stream.write_all(again.as_bytes());
    }
}

fn endless_headers() {
    let header = concat!(
        "X-Filler: ",
        "................................................\r\n"
    );
    let checked = endless("HTTP/1.1 200 OK\r\n", header, Duration::ZERO);
    checked.assert_named("network.discovery.not_greenroom", &[], 4);
}

fn endless_body() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{";
    let checked = endless(head, "                                ", Duration::ZERO);
    checked.assert_named("network.discovery.not_greenroom", &[], 4);
}

/// One header a fifth of a second.
fn drip() {
    let pause = Duration::from_millis(200);
    let checked = endless("HTTP/1.1 200 OK\r\n", "X: y\r\n", pause);
    checked.assert_named("network.discovery.no_answer", &[], 4);
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
    // The server's relay is not reached over IPv6 either.
    checked.assert_named("network.ipv6.broken", &["network.turn.ipv6_blocked"], 0);
}

/// The router says at once that there is no way.
fn rejected_ipv6() {
    let scene = Scene::healthy();
    let router = scene.lab.access_router();
    router.add_rule("meta nfproto ipv6 reject").unwrap();
    let checked = client(&scene, "both.example")
        .file("/etc/hosts", &both_families(&scene))
        .run();
    // The server's relay is not reached over IPv6 either.
    checked.assert_named("network.ipv6.broken", &["network.turn.ipv6_blocked"], 0);
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
