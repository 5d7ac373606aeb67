//! `greenroom turn` in front of coturn: every fault of a relay, made for real.

use std::fs;
use std::net::Ipv4Addr;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use greenroom::Report;
use greenroom::model::path::Family;
use greenroom::model::turn::{RelayTransport, TurnCell, TurnResult};
use greenroom_lab::{Disguise, DisguiseConfig, Process, Protocol};
use greenroom_protocol::turn::credential::TimeLimited;
use libtest_mimic::Trial;

use crate::names::NAME;
use crate::reach::nginx;
use crate::scene::{GREENROOM, Scene, good_link, wait_for_port};
use crate::tls::certificates;
use crate::{tool, trial};

/// What is allocated from.
const RELAY_PORTS: &str = "49160-49260";
/// The secret of the servers that have one.
const SECRET: &str = "a secret of the lab";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "turn_over_udp_tcp_and_tls_relays_and_nothing_is_amiss",
            clean,
        ),
        trial("turn_behind_a_nat_relays_and_nothing_is_amiss", behind_nat),
        trial("turn_over_ipv6_relays_and_nothing_is_amiss", over_ipv6),
        trial("turn_dropped_ipv6_is_named", ipv6_dropped),
        trial("turn_dropped_ipv4_is_named", ipv4_dropped),
        trial("turn_wrong_credentials_are_named", wrong_credentials),
        trial("turn_without_credentials_is_named", no_credentials),
        trial("turn_expired_credentials_are_named", expired_credentials),
        trial("turn_credentials_from_a_secret_are_good", shared_secret),
        trial("turn_quota_is_named", quota),
        trial("turn_without_free_ports_is_named", no_capacity),
        trial("turn_forbidden_peers_are_named", peer_forbidden),
        trial("turn_that_relays_nothing_is_named", black_hole),
        trial("turn_blocked_udp_is_named", udp_blocked),
        trial("turn_udp_through_a_few_ports_is_named", few_ports),
        trial("turn_blocked_tcp_is_named", tcp_blocked),
        trial(
            "turn_intercepted_tls_is_named_with_its_issuer",
            tls_intercepted,
        ),
        trial("turn_expired_certificate_is_named", tls_expired),
        trial("turn_certificate_for_another_name_is_named", tls_wrong_name),
        trial("turn_alternate_server_is_followed_and_told", alternate),
        trial("turn_servers_that_send_in_a_circle_are_named", circle),
        trial("turn_at_a_web_server_is_named", web_server),
        trial("turn_where_nobody_listens_is_named", nobody),
        trial("turn_names_that_do_not_exist_are_named", unknown_name),
        trial(
            "turn_sixty_four_dead_servers_take_three_seconds",
            sixty_four,
        ),
    ]
}

/// Starts coturn on the server's machine.
pub(crate) fn coturn(scene: &Scene, port: u16, arguments: &[&str]) -> Process {
    let server = scene.lab.server().ipv4();
    let directory = format!("/run/coturn-{}-{port}", scene.lab.server().netns());
    fs::create_dir_all(&directory).unwrap();
    let mut command = scene
        .lab
        .server()
        .command(tool::find("turnserver", "coturn"));
    command
        .args([
            "-n",
            "--no-cli",
            "--log-file=stdout",
            "--simple-log",
            "--fingerprint",
            "-m",
            "1",
        ])
        .arg(format!("--pidfile={directory}/pid"))
        .arg(format!("--userdb={directory}/db"))
        .arg(format!("-L{server}"))
        .arg(format!("--relay-ip={server}"))
        .arg(format!("--listening-port={port}"))
        .args(["--lt-cred-mech", "--realm=lab"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if !arguments
        .iter()
        .any(|argument| argument.starts_with("--min-port"))
    {
        let (low, high) = RELAY_PORTS.split_once('-').unwrap();
        command.arg(format!("--min-port={low}"));
        command.arg(format!("--max-port={high}"));
    }
    if !arguments.contains(&"--use-auth-secret") {
        command.arg("--user=alice:secret");
    }
    let process = Process::start(&mut command).unwrap();
    wait_for_port(&scene.lab, port);
    process
}

fn scene() -> Scene {
    Scene::without_server(good_link(), good_link(), 1)
}

/// What `greenroom turn` said.
struct Said {
    output: Output,
    report: Report,
    took: Duration,
}

fn turn(scene: &Scene, urls: &[String], arguments: &[&str], user: (&str, &str)) -> Said {
    ask(scene.lab.client().command(GREENROOM), urls, arguments, user)
}

fn ask(mut command: Command, urls: &[String], arguments: &[&str], user: (&str, &str)) -> Said {
    command
        .arg("turn")
        .args(urls)
        .args(arguments)
        .args(["--json", "-", "--no-redact"])
        .env_remove("GREENROOM_CA")
        .stdin(Stdio::null());
    if !user.0.is_empty() {
        command.env("GREENROOM_TURN_USER", user.0);
        command.env("GREENROOM_TURN_PASSWORD", user.1);
    }
    let began = Instant::now();
    let output = command.output().unwrap();
    let took = began.elapsed();
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    });
    Said {
        output,
        report,
        took,
    }
}

/// By the user that coturn knows.
fn alice(scene: &Scene, urls: &[String]) -> Said {
    turn(scene, urls, &[], ("alice", "secret"))
}

impl Said {
    fn cells(&self) -> &[TurnCell] {
        &self.report.turn.data().expect("a matrix").cells
    }

    fn describe(&self) -> String {
        let findings: Vec<&str> = self.report.findings.iter().map(|f| f.id.as_str()).collect();
        let (cells, took) = (self.cells(), self.took);
        format!("{findings:?} after {took:?}: {cells:#?}")
    }

    /// This finding stands first; what follows it is told as its consequence, or is a mere note.
    fn assert_named(&self, id: &str, exit_code: i32) {
        use greenroom::Severity;
        let mut findings = self
            .report
            .findings
            .iter()
            .filter(|f| f.id != "network.target.builtin");
        assert_eq!(
            findings.next().map(|f| f.id.as_str()),
            Some(id),
            "{}",
            self.describe()
        );
        let belongs = |f: &greenroom::Finding| {
            f.severity == Severity::Info || f.consequence_of.as_deref() == Some(id)
        };
        assert!(findings.all(belongs), "{}", self.describe());
        assert_eq!(
            self.output.status.code(),
            Some(exit_code),
            "{}",
            self.describe()
        );
    }

    fn assert_clean(&self) {
        let mut findings = self.report.findings.iter();
        assert!(
            findings.all(|f| f.id == "network.target.builtin"),
            "{}",
            self.describe()
        );
        let relays = self
            .cells()
            .iter()
            .all(|cell| cell.result == TurnResult::Relays);
        assert!(relays, "{}", self.describe());
        assert_eq!(self.output.status.code(), Some(0));
    }
}

fn host(scene: &Scene) -> Ipv4Addr {
    scene.lab.server().ipv4()
}

fn url(scene: &Scene, rest: &str) -> String {
    format!("turn:{}{rest}", host(scene))
}

pub(crate) fn with_certificate(name: &str) -> [String; 3] {
    [
        "--tls-listening-port=5349".to_owned(),
        format!("--cert={}", certificates().path(&format!("{name}.pem"))),
        format!("--pkey={}", certificates().path(&format!("{name}.key"))),
    ]
}

fn secure_coturn(scene: &Scene, certificate: &str) -> Process {
    let arguments = with_certificate(certificate);
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // As at most servers nobody listens for UDP at the port for TLS.
    arguments.push("--no-dtls");
    let server = coturn(scene, 3478, &arguments);
    wait_for_port(&scene.lab, 5349);
    server
}

fn trusting(scene: &Scene, urls: &[String]) -> Said {
    let ca = certificates().path("ca.pem");
    turn(scene, urls, &["--ca", &ca], ("alice", "secret"))
}

/// Every stage has its time, and each exchange takes the link's 20 ms.
fn clean() {
    let scene = scene();
    let _server = secure_coturn(&scene, "good");
    let said = trusting(
        &scene,
        &[url(&scene, ""), format!("turns:{}", host(&scene))],
    );
    said.assert_clean();
    assert!(said.took < Duration::from_secs(1), "{}", said.describe());
    for cell in said.cells() {
        let stages = &cell.stages;
        // The first exchange waits for the neighbors to be found.
        let exchanges = [
            (stages.challenge_ms, 90.0),
            (stages.allocate_ms, 50.0),
            (stages.permission_ms, 50.0),
            (stages.first_byte_ms, 50.0),
        ];
        for (ms, most) in exchanges {
            let ms = ms.expect("a time").as_f64();
            assert!((20.0..most).contains(&ms), "{}", said.describe());
        }
        let is_stream = cell.transport != RelayTransport::Udp;
        assert_eq!(stages.connect_ms.is_some(), is_stream);
        assert_eq!(
            stages.tls_ms.is_some(),
            cell.transport == RelayTransport::Tls
        );
        assert_eq!(
            cell.certificate.is_some(),
            cell.transport == RelayTransport::Tls
        );
        assert!(
            cell.software
                .as_deref()
                .is_some_and(|s| s.starts_with("Coturn"))
        );
        assert_eq!(
            cell.relayed_address.as_ref().unwrap().to_string(),
            host(&scene).to_string()
        );
    }
    let quality = &said.report.turn.data().unwrap().quality;
    let transports: Vec<RelayTransport> = quality.iter().map(|q| q.transport).collect();
    let all = [
        RelayTransport::Udp,
        RelayTransport::Tcp,
        RelayTransport::Tls,
    ];
    assert_eq!(transports, all);
    for quality in quality {
        let median = quality.rtt.as_ref().unwrap().p50_ms.as_f64();
        assert!((20.0..25.0).contains(&median), "{quality:?}");
        assert_eq!(quality.packets_lost, 0);
        assert_eq!(
            quality.loss_ratio.is_some(),
            quality.transport == RelayTransport::Udp
        );
    }
}

fn behind_nat() {
    let scene = scene();
    let _server = coturn(&scene, 3478, &[]);
    scene.lab.access_router().masquerade().unwrap();
    let said = alice(&scene, &[url(&scene, "")]);
    said.assert_clean();
    let mapped = said.cells()[0].mapped_address.as_ref().unwrap().to_string();
    assert_ne!(mapped, scene.lab.client().ipv4().to_string());
}

/// A server with both families, by a name that has both.
fn both_families(scene: &Scene) -> (Process, Disguise, [String; 2]) {
    let [listen, relay] =
        ["-L", "--relay-ip="].map(|o| format!("{o}{}", scene.lab.server().ipv6()));
    let certificate = with_certificate("named");
    let mut arguments = vec![listen.as_str(), relay.as_str()];
    arguments.extend(certificate.iter().map(String::as_str));
    let server = coturn(scene, 3478, &arguments);
    wait_for_port(&scene.lab, 5349);
    let hosts = format!(
        "{} {NAME}\n{} {NAME}\n",
        host(scene),
        scene.lab.server().ipv6()
    );
    let machine = Disguise::new(&DisguiseConfig::new().file("/etc/hosts", hosts)).unwrap();
    let urls = [format!("turn:{NAME}"), format!("turns:{NAME}")];
    (server, machine, urls)
}

fn named_turn(scene: &Scene, machine: &Disguise, urls: &[String]) -> Said {
    let ca = certificates().path("ca.pem");
    let command = scene.lab.client().command_in(machine, GREENROOM);
    ask(command, urls, &["--ca", &ca], ("alice", "secret"))
}

/// UDP, TCP and TLS over either family, each with its times.
fn over_ipv6() {
    let scene = scene();
    let (_server, machine, urls) = both_families(&scene);
    let said = named_turn(&scene, &machine, &urls);
    said.assert_clean();
    assert!(said.took < Duration::from_secs(1), "{}", said.describe());
    let over_v6 = |cell: &&TurnCell| cell.family == Some(Family::Ipv6);
    let transports = said.cells().iter().filter(over_v6).map(|c| c.transport);
    let mut transports: Vec<RelayTransport> = transports.collect();
    transports.sort_unstable();
    let all = [
        RelayTransport::Udp,
        RelayTransport::Tcp,
        RelayTransport::Tls,
    ];
    assert_eq!(transports, all, "{}", said.describe());
    assert_eq!(said.cells().len(), 6);
    let server = scene.lab.server().ipv6().to_string();
    let client = scene.lab.client().ipv6().to_string();
    for cell in said.cells().iter().filter(over_v6) {
        assert_eq!(cell.address.as_ref().unwrap().to_string(), server);
        assert_eq!(cell.mapped_address.as_ref().unwrap().to_string(), client);
        assert!(cell.stages.first_byte_ms.unwrap().as_f64() >= 20.0);
    }
}

/// The router throws away what goes over one family; the other one works.
fn dropped(family: &str, id: &str) {
    let scene = scene();
    let (_server, machine, urls) = both_families(&scene);
    let router = scene.lab.access_router();
    router
        .add_rule(&format!("meta nfproto {family} drop"))
        .unwrap();
    let said = named_turn(&scene, &machine, &urls);
    said.assert_named(id, 3);
    assert!(said.took < Duration::from_secs(3), "{}", said.describe());
    let relaying = said
        .cells()
        .iter()
        .filter(|c| c.result == TurnResult::Relays);
    assert_eq!(relaying.count(), 3, "{}", said.describe());
}

fn ipv6_dropped() {
    dropped("ipv6", "network.turn.ipv6_blocked");
}

fn ipv4_dropped() {
    dropped("ipv4", "network.turn.ipv4_blocked");
}

fn wrong_credentials() {
    let scene = scene();
    let _server = coturn(&scene, 3478, &[]);
    let said = turn(&scene, &[url(&scene, "")], &[], ("alice", "guess"));
    said.assert_named("network.turn.wrong_credentials", 4);
    let text = String::from_utf8_lossy(&said.output.stdout);
    assert!(!text.contains("guess"), "a password in the report");
}

fn no_credentials() {
    let scene = scene();
    let _server = coturn(&scene, 3478, &[]);
    let said = turn(&scene, &[url(&scene, "")], &[], ("", ""));
    said.assert_named("network.turn.credentials_needed", 4);
}

fn with_secret(scene: &Scene) -> Process {
    let secret = format!("--static-auth-secret={SECRET}");
    coturn(scene, 3478, &["--use-auth-secret", &secret])
}

/// Made as they should be, in 2023.
fn expired_credentials() {
    let scene = scene();
    let _server = with_secret(&scene);
    let old = TimeLimited::new(SECRET.as_bytes(), "alice", 1_700_000_000);
    let user = (old.username.as_str(), old.password.as_str());
    let said = turn(&scene, &[url(&scene, "")], &[], user);
    said.assert_named("network.turn.credentials_expired", 4);
}

fn shared_secret() {
    let scene = scene();
    let _server = with_secret(&scene);
    let file = format!("/run/secret-{}", scene.lab.client().netns());
    fs::write(&file, format!("{SECRET}\n")).unwrap();
    let said = turn(
        &scene,
        &[url(&scene, "")],
        &["--turn-secret-file", &file],
        ("", ""),
    );
    said.assert_clean();
}

/// One allocation for the user, and two are asked for.
fn quota() {
    let scene = scene();
    let _server = coturn(&scene, 3478, &["--user-quota=1"]);
    let said = alice(&scene, &[url(&scene, "")]);
    said.assert_named("network.turn.quota_reached", 3);
}

/// A range of one port.
fn no_capacity() {
    let scene = scene();
    let _server = coturn(&scene, 3478, &["--min-port=50000", "--max-port=50000"]);
    let said = alice(&scene, &[url(&scene, "")]);
    said.assert_named("network.turn.no_capacity", 3);
}

fn peer_forbidden() {
    let scene = scene();
    let _server = coturn(&scene, 3478, &["--denied-peer-ip=0.0.0.0-255.255.255.255"]);
    let said = alice(&scene, &[url(&scene, "")]);
    said.assert_named("network.turn.peer_forbidden", 4);
    assert!(said.cells().iter().all(|cell| cell.error_code == Some(403)));
}

/// A firewall before the server lets nothing through to or from its relay ports.
fn black_hole() {
    let scene = scene();
    let _server = coturn(&scene, 3478, &[]);
    let router = scene.lab.far_router();
    router
        .add_rule(&format!("udp dport {RELAY_PORTS} drop"))
        .unwrap();
    router
        .add_rule(&format!("udp sport {RELAY_PORTS} drop"))
        .unwrap();
    let said = alice(&scene, &[url(&scene, "")]);
    said.assert_named("network.turn.black_hole", 4);
}

fn udp_blocked() {
    let scene = scene();
    let _server = coturn(&scene, 3478, &[]);
    scene.lab.access_router().block_udp().unwrap();
    let said = alice(&scene, &[url(&scene, "")]);
    said.assert_named("network.turn.udp_blocked", 3);
    assert!(said.took < Duration::from_secs(3), "{}", said.describe());
}

/// UDP to the ports of DNS and the web, and to no others.
fn few_ports() {
    let scene = scene();
    let _one = coturn(&scene, 3478, &[]);
    let _other = coturn(&scene, 443, &["--min-port=49300", "--max-port=49400"]);
    let router = scene.lab.access_router();
    router
        .add_rule("udp dport != { 53, 443 } udp sport != { 53, 443 } drop")
        .unwrap();
    let urls = ["?transport=udp", ":443?transport=udp"].map(|rest| url(&scene, rest));
    let said = alice(&scene, &urls);
    said.assert_named("network.udp.few_ports", 3);
}

fn tcp_blocked() {
    let scene = scene();
    let _server = coturn(&scene, 3478, &[]);
    scene
        .lab
        .access_router()
        .block_port(Protocol::Tcp, 3478)
        .unwrap();
    let said = alice(&scene, &[url(&scene, "")]);
    said.assert_named("network.turn.tcp_blocked", 3);
}

/// The certificate's authority is not known to the client.
fn tls_intercepted() {
    let scene = scene();
    let _server = secure_coturn(&scene, "good");
    let said = alice(&scene, &[format!("turns:{}", host(&scene))]);
    said.assert_named("network.turn.tls_intercepted", 4);
    let shown = said.cells()[0].certificate.as_ref().unwrap();
    assert_eq!(shown.issuer, "CN=Lab");
}

fn tls_expired() {
    let scene = scene();
    let _server = secure_coturn(&scene, "expired");
    let said = trusting(&scene, &[format!("turns:{}", host(&scene))]);
    said.assert_named("network.turn.tls_expired", 4);
}

fn tls_wrong_name() {
    let scene = scene();
    let _server = secure_coturn(&scene, "other");
    let said = trusting(&scene, &[format!("turns:{}", host(&scene))]);
    said.assert_named("network.turn.tls_wrong_name", 4);
}

fn alternate() {
    let scene = scene();
    let other = format!("--alternate-server={}:3479", host(&scene));
    let _first = coturn(&scene, 3478, &[&other]);
    let _second = coturn(&scene, 3479, &["--min-port=49300", "--max-port=49400"]);
    let said = alice(&scene, &[url(&scene, "?transport=udp")]);
    said.assert_named("network.turn.alternate_server", 0);
    assert!(said.cells()[0].redirected_from.is_some());
}

fn circle() {
    let scene = scene();
    let to = |port: u16| format!("--alternate-server={}:{port}", host(&scene));
    let _first = coturn(&scene, 3478, &[&to(3479)]);
    let _second = coturn(&scene, 3479, &[&to(3478)]);
    let said = alice(&scene, &[url(&scene, "?transport=udp")]);
    said.assert_named("network.turn.redirect_loop", 4);
}

fn web_server() {
    let scene = scene();
    let _web = nginx(&scene, "listen 3478; location / { return 200; }", 3478);
    let said = alice(&scene, &[url(&scene, "?transport=tcp")]);
    said.assert_named("network.turn.not_turn", 4);
}

fn nobody() {
    let scene = scene();
    let said = alice(
        &scene,
        &[url(&scene, ""), format!("turns:{}", host(&scene))],
    );
    said.assert_named("network.turn.no_answer", 4);
}

fn unknown_name() {
    let scene = scene();
    let said = alice(&scene, &["turn:no-such-name.invalid".to_owned()]);
    // The lab has no resolver, so that the name cannot be looked up at all.
    said.assert_named("network.turn.resolver_failed", 4);
}

/// Over UDP and TCP each, to addresses that the router throws away.
fn sixty_four() {
    let scene = scene();
    scene
        .lab
        .access_router()
        .add_rule("ip daddr 203.0.113.0/24 drop")
        .unwrap();
    let urls: Vec<String> = (1..=64).map(|n| format!("turn:203.0.113.{n}")).collect();
    let said = alice(&scene, &urls);
    said.assert_named("network.turn.no_answer", 4);
    assert_eq!(said.cells().len(), 128);
    assert!(said.took < Duration::from_secs(3), "{:?}", said.took);
}
