//! STUN and TURN of `greenroom serve`, with coturn's client and peer as witnesses.

use std::process::{Child, Command, Stdio};

use crate::tool::{Serving, code, greenroom, run, stderr};

const SECRET: &str = "a secret of these tests alone";

/// A server with the secret above, which relays to this machine.
fn serve(arguments: &[&str]) -> Serving {
    Serving::start_command(
        greenroom()
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(["--turn-allow-peer", "127.0.0.0/8"])
            .args(arguments)
            .env("GREENROOM_TURN_SECRET", SECRET),
    )
}

/// A port of the announcement.
fn port(server: &Serving, transport: &str) -> String {
    let lines = server.announcement.iter();
    let line = lines.clone().find(|line| line.starts_with("STUN and TURN"));
    let (_, rest) = line
        .unwrap()
        .split_once(&format!("{transport} port "))
        .unwrap();
    rest.split(',').next().unwrap().to_owned()
}

/// An echo of coturn's, killed at the end.
struct Peer(Child);

impl Peer {
    fn start(port: u16) -> Self {
        let child = Command::new("turnutils_peer")
            .args(["-L", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("turnutils_peer is of the package coturn");
        Self(child)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// coturn's client: 3 pairs of packets at a time, 40 each.
fn client(arguments: &[&str]) -> Child {
    Command::new("timeout")
        .args(["60", "turnutils_uclient", "-u", "alice", "-W", SECRET])
        .args(["-n", "40", "-l", "160", "-m", "3", "-c"])
        .args(arguments)
        .arg("127.0.0.1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn assert_nothing_lost(what: &str, client: Child) {
    let output = client.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("tot_send_msgs=120, tot_recv_msgs=120"),
        "{what}: {text}{}",
        stderr(&output)
    );
    assert!(text.contains("Total lost packets 0 "), "{what}: {text}");
}

#[test]
fn coturns_client_relays_over_udp_tcp_and_tls_and_loses_nothing() {
    let server = serve(&["--tls", "self-signed"]);
    let echo = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let echo_port = echo.local_addr().unwrap().port();
    drop(echo);
    let _peer = Peer::start(echo_port);
    let echo_port = echo_port.to_string();
    let to_peer = ["-e", "127.0.0.1", "-r", &echo_port];
    let [udp, tcp, tls] = ["UDP", "TCP", "TLS"].map(|transport| port(&server, transport));
    let clients = [
        ("channels over UDP", vec!["-p", &udp]),
        ("indications over UDP", vec!["-s", "-p", &udp]),
        ("channels over TCP", vec!["-t", "-p", &tcp]),
        ("indications over TLS", vec!["-t", "-S", "-s", "-p", &tls]),
        ("channels over TLS", vec!["-t", "-S", "-p", &tls]),
    ]
    .map(|(what, arguments)| (what, client(&[&to_peer[..], &arguments].concat())));
    for (what, client) in clients {
        assert_nothing_lost(what, client);
    }
    let metrics = fetch(&server, "/metrics");
    for transport in ["udp", "tcp", "tls"] {
        let row = format!("greenroom_turn_allocations_total{{transport=\"{transport}\"}} ");
        let n = metrics.lines().find_map(|line| line.strip_prefix(&row));
        assert!(
            n.unwrap().parse::<u32>().unwrap() >= 3,
            "{transport}: {n:?}"
        );
    }
}

/// One exchange with a server whose certificate nobody vouches for.
fn fetch(server: &Serving, path: &str) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--insecure", &format!("{}{path}", server.url)])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn credentials_of_the_discovery_document_reach_one_another() {
    let server = serve(&[]);
    let document: serde_json::Value =
        serde_json::from_str(&fetch(&server, "/.well-known/greenroom")).unwrap();
    let relay = &document["relay"];
    let text = |key: &str| relay[key].as_str().unwrap().to_owned();
    assert_eq!(relay["udp_port"].to_string(), port(&server, "UDP"));
    assert_eq!(relay["tcp_port"].to_string(), port(&server, "TCP"));
    let again = fetch(&server, "/.well-known/greenroom");
    assert!(!again.contains(&text("username")), "{again}");
    let talk = |more: &[&str]| {
        let output = Command::new("timeout")
            .args(["60", "turnutils_uclient", "-c", "-n", "20", "-m", "2"])
            .args(["-u", &text("username"), "-w", &text("password")])
            .args(["-p", &port(&server, "UDP")])
            .args(more)
            .arg("127.0.0.1")
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output)
    };
    let among_themselves = talk(&["-y"]);
    assert!(
        among_themselves.contains("Total lost packets 0 "),
        "{among_themselves}"
    );
    // Whatever listens here beside the relay, they do not reach it.
    let elsewhere = talk(&["-e", "127.0.0.1", "-r", "9"]);
    assert!(elsewhere.contains("error 403"), "{elsewhere}");
}

#[test]
fn a_port_in_use_is_named_with_the_way_out_of_it() {
    let holder = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let port = taken.port().to_string();
    let output = run(&["serve", "--listen", "127.0.0.1:0", "--turn-port", &port]);
    assert_eq!(code(&output), 2);
    let message = stderr(&output);
    for part in [
        &taken.to_string(),
        "turn.port",
        "--turn false",
        "STUN and TURN",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let server = Serving::start(&["--turn", "false"]);
    let announced = server.announcement.join("\n");
    assert!(!announced.contains("STUN and TURN"), "{announced}");
    assert!(!fetch(&server, "/.well-known/greenroom").contains("relay"));
}

#[test]
fn secrets_are_read_from_a_file_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "short\n").unwrap();
    let path = secret.display().to_string();
    let output = run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--turn-secret-file",
        &path,
    ]);
    assert_eq!(code(&output), 2);
    let message = stderr(&output);
    assert!(
        message.contains("16 at least") && !message.contains("short"),
        "{message}"
    );
    std::fs::write(&secret, "long enough to be a secret\n").unwrap();
    let server = Serving::start(&["--turn-secret-file", &path]);
    assert!(fetch(&server, "/.well-known/greenroom").contains("public-"));
    let output = greenroom()
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("GREENROOM_TURN_SECRET", "hunter2")
        .output()
        .unwrap();
    let message = stderr(&output);
    assert_eq!(code(&output), 2);
    assert!(
        message.contains("7 bytes") && !message.contains("hunter2"),
        "{message}"
    );
}
