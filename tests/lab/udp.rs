//! UDP that does not come through.

use greenroom::Answer;
use greenroom::model::path::Transport;
use greenroom_lab::{Process, Protocol};
use libtest_mimic::Trial;

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
    let block = format!("listen 8080; location / {{ proxy_pass http://127.0.0.1:{PORT}; }}");
    let web = nginx(scene, &block, 8080);
    scene.lab.access_router().block_udp().unwrap();
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

/// What is left is TURN over TCP: the path is measured through it, and rates are not known.
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
    assert_eq!(checked.report.verdict.answer, Answer::Undetermined);
}
