//! Datagrams that others send: garbage, and lies under the other end's address.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use greenroom_lab::link::Direction;
use greenroom_lab::{Process, Router};
use libtest_mimic::Trial;

use crate::path::assert_figures;
use crate::scene::Scene;
use crate::{tool, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "spoofed_and_garbage_datagrams_change_no_figure",
        flood,
    )]
}

/// Sends datagrams with a false sender: noise, cut messages, and whole ones of sessions that do not exist.
const SPOOFER: &str = r#"
use strict; use Socket;
my ($from, $from_port, $to, $to_port, $n, $seconds) = @ARGV;
srand(7);
socket(my $raw, PF_INET, SOCK_RAW, 255) or die "raw socket: $!";
my $noise = sub { join "", map { chr int rand 256 } 1 .. $_[0] };
for my $i (1 .. $n) {
    my $head = "GRM\x01" . chr(1 + int rand 13) . "\0\0\0";
    my $payload = $i % 4 == 0 ? $noise->(1 + int rand 1200)
        : $i % 4 == 1 ? $head . $noise->(int rand 30)
        : $i % 4 == 2 ? $head . $noise->(8) . pack("NNn", int rand 160, 200, 2) . $noise->(150)
        : "GRM\x01\x05\0\0\0" . $noise->(8) . "\x02" . "\0" x 47;
    my $udp = pack("nnnn", $from_port, $to_port, 8 + length $payload, 0) . $payload;
    my $ip = pack("CCnnnCCna4a4", 0x45, 0, 20 + length $udp, $i & 0xffff, 0, 64, 17, 0,
        inet_aton($from), inet_aton($to));
    send($raw, $ip . $udp, 0, sockaddr_in(0, inet_aton($to))) or die "send: $!";
    select undef, undef, undef, $seconds / $n;
}
print "sent $n\n";
"#;

/// Datagrams to each end.
const N: usize = 1500;

fn spoof(router: &Router, from: SocketAddr, to: SocketAddr) -> Process {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", router.netns()])
        .args([&tool::find("perl", "perl-base"), "-e", SPOOFER])
        .args([from.ip().to_string(), from.port().to_string()])
        .args([to.ip().to_string(), to.port().to_string()])
        .args([N.to_string(), "2".to_owned()])
        .stdout(Stdio::piped());
    Process::start(&mut command).unwrap()
}

fn flood() {
    let scene = Scene::healthy();
    let running = scene.client().start();
    let (client, server) = ends(&scene);
    let mut spoofers = [
        spoof(scene.lab.access_router(), server, client),
        spoof(scene.lab.far_router(), client, server),
    ];
    let checked = running.finish();
    for spoofer in &mut spoofers {
        let status = spoofer.wait_timeout(Duration::from_secs(5)).unwrap();
        assert!(status.is_some_and(|status| status.success()));
    }
    checked.assert_healthy();
    assert_figures(&scene, &checked);
}

/// The two ends of the measurement, once its first packet was seen.
fn ends(scene: &Scene) -> (SocketAddr, SocketAddr) {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let records = scene.lab.link().records();
        let first = records.iter().find_map(|record| {
            let flow = record.flow().filter(|flow| flow.is_udp)?;
            (record.direction == Direction::Up).then_some((flow.source, flow.destination))
        });
        if let Some(ends) = first {
            return ends;
        }
        assert!(Instant::now() < until, "no packet was sent");
        std::thread::sleep(Duration::from_millis(20));
    }
}
