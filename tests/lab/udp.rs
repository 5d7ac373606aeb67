//! UDP that does not come through.

use greenroom::Answer;
use greenroom::model::path::Transport;
use greenroom_lab::link::Direction;
use greenroom_lab::{Process, Protocol};
use libtest_mimic::Trial;

use crate::bandwidth::{capacity_mbps, link};
use crate::client::Checked;
use crate::reach::nginx;
use crate::scene::{PORT, Scene};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("silently_blocked_udp_is_named_and_replaced", blocked),
        trial("rejected_udp_is_named_and_replaced", rejected),
        trial("udp_to_a_port_where_nobody_listens_is_named", wrong_port),
        trial("a_firewall_that_lets_no_media_through_is_named", no_media),
        trial("a_relay_is_the_way_where_nothing_else_is_left", relay_only),
        trial("rates_are_told_through_a_relay_over_tcp", rates_over_tcp),
        trial("rates_are_told_through_a_relay_over_udp", rates_over_udp),
    ]
}

fn assert_replaced(checked: &Checked, rejected: bool) {
    checked.assert_named("network.udp.blocked", &["network.turn.udp_blocked"], 3);
    let path = checked.path();
    assert_eq!(path.transport, Transport::WebSocket);
    let blocked = path.udp_blocked.as_ref().unwrap();
    assert_eq!((blocked.port, blocked.rejected), (8443, rejected));
    // Loss cannot be seen over TCP, and is not told as none.
    assert!(path.up.loss.is_none() && path.down.loss.is_none());
    let rtt = path.rtt.as_ref().unwrap().p50_ms.as_f64();
    assert!((20.0..30.0).contains(&rtt), "{}", checked.describe());
}

fn blocked() {
    let scene = Scene::healthy();
    scene.lab.access_router().block_udp().unwrap();
    assert_replaced(&scene.client().run(), false);
}

fn rejected() {
    let scene = Scene::healthy();
    scene.lab.access_router().reject_udp().unwrap();
    assert_replaced(&scene.client().run(), true);
}

fn wrong_port() {
    let mut scene = Scene::healthy();
    scene.serve(&["--advertised-udp-port", "9999"]);
    let checked = scene.client().quick().run();
    checked.assert_named("network.udp.blocked", &[], 3);
    assert!(checked.path().udp_blocked.as_ref().unwrap().rejected);
}

/// UDP is dropped, and the web server before the measurement service passes no upgrade on.
fn closed_but_for_the_web(scene: &Scene) -> (Process, String) {
    scene.lab.access_router().block_udp().unwrap();
    behind_the_web(scene)
}

fn behind_the_web(scene: &Scene) -> (Process, String) {
    let block = format!("listen 8080; location / {{ proxy_pass http://127.0.0.1:{PORT}; }}");
    let web = nginx(scene, &block, 8080);
    (web, format!("http://{}:8080", scene.lab.server().ipv4()))
}

/// The relay's port for TCP is closed too.
fn no_media() {
    let scene = Scene::healthy();
    let (_web, url) = closed_but_for_the_web(&scene);
    let router = scene.lab.access_router();
    router.block_port(Protocol::Tcp, 3478).unwrap();
    let checked = scene.client_for(&url).quick().run();
    checked.assert_named(
        "network.path.no_media",
        &["network.turn.no_answer", "network.web.websocket_blocked"],
        4,
    );
}

/// What is left is TURN over TCP: path and rates are measured through it.
fn relay_only() {
    let scene = Scene::healthy();
    let (_web, url) = closed_but_for_the_web(&scene);
    let checked = scene.client_for(&url).quick().run();
    let ids: Vec<&str> = checked
        .report
        .findings
        .iter()
        .map(|f| f.id.as_str())
        .collect();
    // Both firewalls are faults of their own; that the relay is the only way follows.
    for expected in [
        "network.udp.blocked",
        "network.path.relay_only",
        "network.web.websocket_blocked",
    ] {
        assert!(ids.contains(&expected), "{}", checked.describe());
    }
    let path = checked.path();
    assert_eq!(path.transport, Transport::TurnTcp);
    let rtt = path.rtt.as_ref().unwrap().p50_ms.as_f64();
    assert!((20.0..30.0).contains(&rtt), "{}", checked.describe());
    // TCP hides loss, also up to a relay.
    assert!(path.up.loss.is_none() && path.down.loss.is_none());
    assert_eq!(checked.throughput().transport, Transport::TurnTcp);
    assert_eq!(checked.report.verdict.answer, Answer::Limited);
}

/// Bit/s up and down of a link with 20 ms of round-trip time, on which only a relay is left.
const RATES: [(u32, u32); 3] = [(1_000, 1_000), (2_000, 5_000), (5_000, 10_000)];

fn rates_over_tcp() {
    for (up, down) in RATES {
        let scene = narrow(up, down);
        let (_web, url) = closed_but_for_the_web(&scene);
        assert_rates(
            &scene.client_for(&url).run(),
            Transport::TurnTcp,
            [up, down],
        );
    }
}

/// UDP gets to the relay's port, and to no other.
fn rates_over_udp() {
    for (up, down) in RATES {
        let scene = narrow(up, down);
        let (_web, url) = behind_the_web(&scene);
        let router = scene.lab.access_router();
        for rule in ["udp dport 3478 accept", "udp sport 3478 accept"] {
            router.add_rule(rule).unwrap();
        }
        router.block_udp().unwrap();
        assert_rates(
            &scene.client_for(&url).run(),
            Transport::TurnUdp,
            [up, down],
        );
    }
}

fn narrow(up_kbps: u32, down_kbps: u32) -> Scene {
    let [up, down] = [up_kbps, down_kbps].map(|kbps| link(u64::from(kbps) * 1000));
    Scene::with(up, down, 1)
}

fn assert_rates(checked: &Checked, transport: Transport, set_kbps: [u32; 2]) {
    assert_eq!(
        checked.path().transport,
        transport,
        "{}",
        checked.describe()
    );
    assert_eq!(checked.throughput().transport, transport);
    for (direction, set) in Direction::BOTH.into_iter().zip(set_kbps) {
        let (told, set) = (capacity_mbps(checked, direction), f64::from(set) / 1e3);
        println!(
            "  {transport:?} {direction:?}: set {set}, told {told:.3} Mbit/s ({:+.1} %)",
            (told / set - 1.0) * 100.0
        );
        assert!((told / set - 1.0).abs() <= 0.1, "{}", checked.describe());
    }
    let answer = checked.report.verdict.answer;
    assert_ne!(answer, Answer::Undetermined, "{}", checked.describe());
}
