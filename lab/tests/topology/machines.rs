//! What a program sees on the client.

use std::process::Command;

use greenroom_lab::relay::{ClockPairing, monotonic_now};
use greenroom_lab::{Lab, addresses};
use libtest_mimic::Trial;

use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("programs_reach_the_server_by_both_families", ping),
        trial("the_client_looks_like_an_ordinary_host", ordinary_host),
        trial("the_clock_pairing_is_tight", clock_pairing),
    ]
}

fn text(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn ping() {
    let lab = Lab::new().unwrap();
    for server in [
        addresses::SERVER_V4.to_string(),
        addresses::SERVER_V6.to_string(),
        addresses::SERVER_ALTERNATE_V4.to_string(),
    ] {
        text(
            lab.client()
                .command("ping")
                .args(["-n", "-c", "1", "-W", "2", &server]),
        );
    }
}

fn ordinary_host() {
    let lab = Lab::new().unwrap();
    let route = text(lab.client().command("ip").args(["route", "get", "8.8.8.8"]));
    assert!(
        route.contains("dev eth0") && route.contains("via 192.168.77.1"),
        "{route}"
    );
    let route =
        text(
            lab.client()
                .command("ip")
                .args(["-6", "route", "get", "2001:4860:4860::8888"]),
        );
    assert!(route.contains("dev eth0"), "{route}");
    let interfaces = text(lab.client().command("ls").arg("/sys/class/net"));
    assert_eq!(interfaces, "eth0\nlo\n");
    assert_eq!(
        text(lab.client().command("cat").arg("/sys/class/net/eth0/mtu")),
        "1500\n"
    );
}

fn clock_pairing() {
    let pairing = ClockPairing::read().unwrap();
    assert!(pairing.uncertainty.as_micros() < 100, "{pairing:?}");
    assert!(pairing.to_realtime(monotonic_now().unwrap()) >= pairing.realtime);
}
