//! Rules and limits of the routers.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use greenroom_lab::{Lab, PortRate, Protocol, addresses};
use libtest_mimic::Trial;

use crate::trial;
use crate::udp::{Client, Echo, PORT};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("blocked_udp_vanishes_until_the_rules_are_flushed", blocked),
        trial("rejected_udp_is_refused", rejected),
        trial("long_packets_can_be_dropped", length),
        trial("only_tcp_443_passes", only_tcp_443),
        trial("a_small_mtu_is_signaled", signaled_mtu),
        trial("address_translation_hides_the_client", translation),
        trial("a_port_can_be_slow", port_rate),
    ]
}

const PATIENCE: Duration = Duration::from_millis(200);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn lab() -> (Lab, Echo) {
    let lab = Lab::new().unwrap();
    let echo = Echo::start(&lab);
    (lab, echo)
}

fn n_answers(client: &Client, size: usize) -> usize {
    client.exchange(3, size, ms(2), PATIENCE).len()
}

fn blocked() {
    let (lab, _echo) = lab();
    let router = lab.access_router();
    for client in [Client::ipv4(&lab), Client::ipv6(&lab)] {
        assert_eq!(n_answers(&client, 50), 3);
        router.block_udp().unwrap();
        assert_eq!(n_answers(&client, 50), 0);
        router.flush_rules().unwrap();
        router.block_port(Protocol::Udp, PORT).unwrap();
        assert_eq!(n_answers(&client, 50), 0);
        router.flush_rules().unwrap();
        assert_eq!(n_answers(&client, 50), 3);
    }
}

fn rejected() {
    let (lab, _echo) = lab();
    lab.access_router().reject_udp().unwrap();
    for client in [Client::ipv4(&lab), Client::ipv6(&lab)] {
        assert_eq!(client.provoke(), Some(io::ErrorKind::ConnectionRefused));
    }
}

fn length() {
    let (lab, _echo) = lab();
    lab.far_router().drop_longer_than(1300).unwrap();
    let client = Client::ipv4(&lab);
    assert_eq!(n_answers(&client, 1272), 3);
    assert_eq!(n_answers(&client, 1273), 0);
}

fn only_tcp_443() {
    let (lab, _echo) = lab();
    lab.access_router().allow_only_tcp_443().unwrap();
    let listen = |port| {
        lab.server()
            .run(|| TcpListener::bind((addresses::SERVER_V4, port)))
            .unwrap()
            .unwrap()
    };
    let _listeners = [listen(443), listen(80)];
    let connect = |port| {
        let address = SocketAddr::from((addresses::SERVER_V4, port));
        lab.client()
            .run(|| TcpStream::connect_timeout(&address, ms(2000)))
            .unwrap()
    };
    assert!(connect(443).is_ok());
    assert_eq!(
        connect(80).unwrap_err().kind(),
        io::ErrorKind::ConnectionRefused
    );
    assert_eq!(n_answers(&Client::ipv4(&lab), 50), 0);
}

fn signaled_mtu() {
    let (lab, _echo) = lab();
    lab.set_signaled_mtu(1300).unwrap();
    let server = addresses::SERVER_V4.to_string();
    let arguments = [
        "-n", "-c", "2", "-i", "0.2", "-W", "1", "-M", "do", "-s", "1400", &server,
    ];
    let output = lab
        .client()
        .command("ping")
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("mtu = 1300") || text.contains("mtu=1300"),
        "{text}"
    );
}

fn translation() {
    let (lab, _echo) = lab();
    lab.access_router().masquerade().unwrap();
    assert_eq!(n_answers(&Client::ipv4(&lab), 50), 3);
    let records = lab.link().records();
    assert_eq!(records[0].flow().unwrap().source.ip(), addresses::WAN_V4);
}

fn port_rate() {
    let (lab, _echo) = lab();
    lab.client().set_rate(PortRate::new(1_000_000)).unwrap();
    let client = Client::ipv4(&lab);
    // 1042 bytes a frame, 8.3 ms: five frames pass at once, 100 ms worth of them wait, the rest is dropped.
    let n = client.exchange(60, 1000, Duration::ZERO, PATIENCE).len();
    assert!((8..40).contains(&n), "{n}");
    lab.client().clear_rate().unwrap();
    assert_eq!(
        client.exchange(60, 1000, Duration::ZERO, PATIENCE).len(),
        60
    );
}
