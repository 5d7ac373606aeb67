//! `greenroom serve` as an operator runs it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use greenroom::model::outcome::{Outcome, ReasonCode};

use crate::tool::{Serving, code, greenroom, report, run, stderr};

/// One plain HTTP exchange.
fn get(url: &str, path: &str) -> String {
    let authority = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_says_where_it_is_and_answers_there() {
    let mut server = Serving::start(&[]);
    assert!(server.announcement[0].starts_with("serving at http://127.0.0.1:"));
    let discovery = get(&server.url, "/.well-known/greenroom");
    assert!(discovery.starts_with("HTTP/1.1 200"), "{discovery}");
    assert!(
        discovery.contains("\"service\":\"greenroom\""),
        "{discovery}"
    );
    assert!(get(&server.url, "/health").starts_with("HTTP/1.1 200"));
    assert!(get(&server.url, "/metrics").contains("greenroom_"));
    assert!(get(&server.url, "/").contains("greenroom check --server"));
    assert_eq!(server.terminate(), 0);
}

#[test]
fn flags_come_before_the_environment_and_that_before_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serve.toml");
    let text = "listen = \"127.0.0.1:0\"\nudp_port = 0\n[preset]\nname = \"from the file\"\n\
                support_contact = \"help@example.org\"\n";
    fs::write(&file, text).unwrap();
    let serve = |environment: &[(&str, &str)], flags: &[&str]| {
        let mut command = greenroom();
        command
            .args(["serve", "--config", &file.display().to_string()])
            .args(flags);
        let server = Serving::start_command(command.envs(environment.iter().copied()));
        get(&server.url, "/.well-known/greenroom")
    };
    let variable = ("GREENROOM_PRESET_NAME", "from the environment");
    assert!(serve(&[], &[]).contains("from the file"));
    assert!(serve(&[variable], &[]).contains("from the environment"));
    let flag = serve(&[variable], &["--preset-name", "from the flag"]);
    assert!(
        flag.contains("from the flag") && flag.contains("help@example.org"),
        "{flag}"
    );
}

#[test]
fn a_wrong_configuration_has_a_line_and_a_column() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serve.toml");
    fs::write(&file, "listen = \"127.0.0.1:0\"\nudp_prot = 1\n").unwrap();
    let output = run(&["serve", "--config", &file.display().to_string()]);
    assert_eq!(code(&output), 2);
    let message = stderr(&output);
    assert!(message.contains("line 2, column 1"), "{message}");
    assert!(message.contains("udp_prot"), "{message}");
}

#[test]
fn a_port_without_an_address_is_told_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serve.toml");
    fs::write(&file, "\nlisten = 8443\n").unwrap();
    let by_flag = run(&["serve", "--listen", "8443"]);
    let by_variable = greenroom()
        .arg("serve")
        .env("GREENROOM_LISTEN", "8443")
        .output()
        .unwrap();
    let by_file = run(&["serve", "--config", &file.display().to_string()]);
    for output in [&by_flag, &by_variable, &by_file] {
        assert_eq!(code(output), 2);
        let message = stderr(output);
        assert!(
            message.contains("\"[::]:8443\"") && message.contains("\"0.0.0.0:8443\""),
            "{message}"
        );
    }
    assert!(stderr(&by_file).contains("line 2, column 10"));
}

#[test]
fn a_port_in_use_is_named() {
    let server = Serving::start(&[]);
    let address = server.url.strip_prefix("http://").unwrap();
    let output = run(&["serve", "--listen", address]);
    assert_ne!(code(&output), 0);
    let message = stderr(&output);
    assert!(
        message.contains(address) && message.contains("in use"),
        "{message}"
    );
}

#[test]
fn a_trial_certificate_is_trusted_by_those_who_are_given_it() {
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("ca.pem").display().to_string();
    let server = Serving::start(&["--tls", "self-signed", "--tls-write-certificate-to", &pem]);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    assert!(server.announcement[1].starts_with("certificate SHA-256 "));
    let base = ["check", "--quick", "--server", &server.url, "--json", "-"];
    let stranger = run(&base);
    assert_eq!(code(&stranger), 4);
    assert_eq!(
        report(&stranger).findings[0].id,
        "network.discovery.tls_unknown_issuer"
    );
    let friend = report(&run(&[&base[..], &["--ca", &pem]].concat()));
    assert!(friend.discovery.data().unwrap().tls);
    assert!(
        matches!(friend.path, Outcome::Measured { .. }),
        "{:?}",
        friend.path
    );
}

#[test]
fn the_preset_of_the_operator_reaches_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("clinic.toml");
    fs::write(&profile, "name = \"clinic\"\nextends = \"voice\"\n").unwrap();
    let server = Serving::start(&[
        "--preset-name",
        "Clinic",
        "--preset-profile-file",
        &profile.display().to_string(),
        "--preset-support-contact",
        "help@example.org",
    ]);
    let base = ["check", "--quick", "--server", &server.url, "--json", "-"];
    let taken = report(&run(&base));
    assert_eq!(taken.profile.name, "clinic");
    let discovery = taken.discovery.data().unwrap();
    assert_eq!(discovery.preset.as_deref(), Some("Clinic"));
    assert_eq!(
        discovery.support_contact.as_deref(),
        Some("help@example.org")
    );
    let asked = report(&run(&[&base[..], &["--profile", "default"]].concat()));
    assert_eq!(
        asked.profile.name, "default",
        "the user's choice comes first"
    );
}

fn open_sessions(url: &str) -> usize {
    let metrics = get(url, "/metrics");
    let lines = metrics
        .lines()
        .filter(|l| l.starts_with("greenroom_sessions_open{"));
    lines.filter(|l| !l.ends_with(" 0")).count()
}

/// Answers every request with this document until it is dropped or asked no more.
fn impostor(document: &'static str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Ends with the test's process; a test cannot know how often a client asks.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _asked = stream.read(&mut request);
            let length = document.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _gone = stream.write_all((head + document).as_bytes());
        }
    });
    url
}

#[test]
fn a_preset_that_calls_worse_better_is_refused_and_said() {
    let url = impostor(
        r#"{"service":"greenroom","version":"0","server_time_unix_ms":0,
        "measure":{"protocol_versions":[1],"udp_port":1,"websocket_path":"/m",
        "limits":{"max_session_ms":1,"max_packets_per_second":1,"max_datagram_bytes":64}},
        "preset":{"name":"x","profile":{"name":"upside-down","description":"","required":[],
        "optional":[],"thresholds":[{"figure":"rtt_p95_ms","better":"lower","excellent":400,
        "good":300,"fair":200,"poor":100,"source":""}]}}}"#,
    );
    let output = run(&["check", "--quick", "--server", &url, "--json", "-"]);
    assert_eq!(report(&output).profile.name, "default");
    let said = stderr(&output);
    assert!(
        said.contains("\"upside-down\" has thresholds out of order"),
        "{said}"
    );
}

#[test]
fn a_server_that_is_full_says_so() {
    let server = Serving::start(&["--max-sessions", "1", "--max-sessions-per-address", "1"]);
    let first = greenroom()
        .args(["check", "-q", "--server", &server.url])
        .spawn()
        .unwrap();
    let began = Instant::now();
    while open_sessions(&server.url) == 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "nobody measures");
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = run(&["check", "--quick", "--server", &server.url, "--json", "-"]);
    let mut first = first;
    first.wait().unwrap();
    let report = report(&output);
    assert_eq!(report.path.reason().unwrap().code, ReasonCode::Limited);
    assert_eq!(report.findings[0].id, "network.discovery.limited");
}
