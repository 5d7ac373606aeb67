//! A real tunnel that carries the client's traffic.

use std::process::Stdio;
use std::time::{Duration, Instant};

use greenroom_lab::{Host, Process};
use libtest_mimic::Trial;

use crate::scene::{PORT, Scene};
use crate::{tool, trial};

/// The server's address inside the tunnel.
const SERVER: &str = "10.8.0.1";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_vpn_that_carries_the_default_route_is_named", || {
            vpn("route replace default dev tun0");
        }),
        trial("a_vpn_with_split_default_routes_is_named", || {
            vpn("route add 0.0.0.0/1 dev tun0\nroute add 128.0.0.0/1 dev tun0");
        }),
        trial("a_vpn_for_one_network_alone_is_not_named", || {
            let checked = through_tunnel("route add 10.0.0.0/8 dev tun0");
            checked.assert_healthy();
        }),
    ]
}

fn vpn(routes: &str) {
    let checked = through_tunnel(routes);
    checked.assert_named("system.network.vpn", &[], 0);
    let mtu = checked.path().up.path_mtu.as_ref().unwrap();
    assert_eq!((mtu.bytes.get(), mtu.black_hole), (1400, false));
}

/// Checks a server at the far end of a tunnel of 1400 bytes.
fn through_tunnel(routes: &str) -> crate::client::Checked {
    let socat = tool::find("socat", "socat");
    let scene = Scene::healthy();
    let (client, server) = (scene.lab.client(), scene.lab.server());
    let tunnel = |host: &Host, address: &str, carrier: &str| {
        let mut command = host.command(&socat);
        command.args([&format!("TUN:{address}/24,tun-name=tun0,iff-up"), carrier]);
        Process::start(command.stdin(Stdio::null())).unwrap()
    };
    let _far = tunnel(server, SERVER, "UDP-LISTEN:1194");
    patiently(server, "link set tun0 mtu 1400");
    let carrier = format!("UDP:{}:1194", server.ipv4());
    let _near = tunnel(client, "10.8.0.2", &carrier);
    patiently(client, "link set tun0 mtu 1400");
    // The tunnel's own packets stay outside.
    let outside = format!("route add {} via 192.168.77.1", server.ipv4());
    client.ip(&format!("{outside}\n{routes}")).unwrap();
    scene
        .client_for(&format!("http://{SERVER}:{PORT}"))
        .quick()
        .run()
}

/// Runs `ip` until the device is there.
fn patiently(host: &Host, command: &str) {
    let until = Instant::now() + Duration::from_secs(5);
    while let Err(error) = host.ip(command) {
        assert!(Instant::now() < until, "{error}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
