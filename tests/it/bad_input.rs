//! Bad input gets a clear error, and nothing is lost.

use std::fs;
use std::net::TcpListener;

use greenroom::Report;

use crate::tool::{code, greenroom, report, run, stderr, stdout};

/// The message of a run that must be refused as wrong usage.
fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    stderr(&output)
}

#[test]
fn contradicting_flags_are_told_apart() {
    let both = refused(&["check", "--only", "path", "--skip", "path"]);
    assert!(both.contains("--only and --skip both name path"), "{both}");
    let dashes = refused(&["check", "--json", "-", "--events", "-"]);
    assert!(dashes.contains("standard output takes one"), "{dashes}");
    let needed = refused(&["check", "--only", "path", "--skip", "discovery"]);
    assert!(needed.contains("--only path needs discovery"), "{needed}");
    let twice = refused(&["check", "--json", "a", "--markdown", "a"]);
    assert!(twice.contains("a is named by two of --json"), "{twice}");
    let nothing = refused(&[
        "check",
        "--skip",
        "system,discovery,path,throughput,resolve,web,stun,turn,camera,microphone,speaker",
    ]);
    assert!(nothing.contains("leaves nothing to check"), "{nothing}");
    assert!(refused(&["check", "--time", "soon"]).contains("does not begin with a number"));
    assert!(refused(&["check", "--data", "2furlongs"]).contains("use kB, MB or GB"));
    assert!(refused(&["check", "--only", "webcam"]).contains("possible values"));
}

#[test]
fn a_url_that_is_none_says_what_is_wrong() {
    assert!(refused(&["check", "--server", "ftp://probe.example"]).contains("ftp://"));
    assert!(refused(&["check", "--server", "https://"]).contains("write it as https://host"));
}

#[test]
fn a_password_is_never_repeated() {
    let plain = refused(&["check", "--server", "https://me:hunter2@probe.example"]);
    assert!(plain.contains("user name or password"), "{plain}");
    for url in [
        "https://me:hunter2@probe.example",
        "https://me:hunter2@",
        "https://me:hunter2@probe example",
        "https://me:hun/hunter2@probe.example",
        "me:hunter2@probe.example",
        "ftp://me:hunter2@probe.example",
    ] {
        let message = refused(&["check", "--server", url]);
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn a_typo_in_a_profile_has_a_line_and_a_column() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    fs::write(
        &file,
        "name = \"mine\"\n\n[thresholds]\nrtt_p95 = { good = 1 }\n",
    )
    .unwrap();
    let message = refused(&["check", "--profile", &file.display().to_string()]);
    assert!(message.contains("line 4, column 1"), "{message}");
    assert!(
        message.contains("rtt_p95_ms"),
        "it does not say what would be valid: {message}"
    );
    let unknown = refused(&["check", "--profile", "nope"]);
    assert!(unknown.contains("default, voice"), "{unknown}");
    let missing = refused(&["check", "--profile", "no/such.toml"]);
    assert!(missing.contains("no/such.toml"), "{missing}");
}

#[test]
fn an_unwritable_file_does_not_cost_the_report() {
    let output = run(&[
        "check",
        "--only",
        "system",
        "--json",
        "/no/such/folder/report.json",
    ]);
    assert_eq!(code(&output), 1);
    assert!(
        stdout(&output).contains("This machine"),
        "{}",
        stdout(&output)
    );
    let message = stderr(&output);
    assert!(
        message.contains("cannot write /no/such/folder/report.json"),
        "{message}"
    );
    let events = refused(&["check", "--events", "/no/such/folder/events"]);
    assert!(events.contains("cannot write --events"), "{events}");
}

#[test]
fn a_report_that_cannot_be_read_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let path = file.display().to_string();
    let show = |text: &str| {
        fs::write(&file, text).unwrap();
        let output = run(&["report", "show", &path]);
        assert_eq!(code(&output), 1, "{}", stderr(&output));
        stderr(&output)
    };
    let newer = show("{\"schema_version\": 999}");
    assert!(
        newer.contains("schema version 999") && newer.contains("update this program"),
        "{newer}"
    );
    assert!(show("{").contains("line 1, column"));
    assert!(show("{}").contains("no Greenroom report"));
    let missing = run(&["report", "show", "/no/such/report.json"]);
    assert!(stderr(&missing).contains("cannot read /no/such/report.json"));
}

#[test]
fn an_edited_report_is_not_valid() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let path = file.display().to_string();
    run(&["check", "--only", "system", "-q", "--json", &path]);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"undetermined\"", "\"ready\"")).unwrap();
    let output = run(&["report", "validate", &path]);
    assert_eq!(code(&output), 1);
    assert!(
        stdout(&output).starts_with("not valid"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn a_server_that_refuses_or_is_none_is_named() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = run(&[
        "check",
        "--quick",
        "--server",
        &format!("http://{free}"),
        "--json",
        "-",
    ]);
    assert_eq!(code(&output), 4);
    assert_eq!(report(&output).findings[0].id, "network.discovery.refused");

    // Speaks, but not HTTP.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let talker = std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = listener.accept().unwrap();
        let _gone = stream.write_all(b"220 mail.example ESMTP\r\n");
    });
    let output = run(&[
        "check",
        "--quick",
        "--server",
        &format!("http://{address}"),
        "--json",
        "-",
    ]);
    talker.join().unwrap();
    assert_eq!(code(&output), 4);
    assert_eq!(
        report(&output).findings[0].id,
        "network.discovery.not_greenroom"
    );
}

/// What became of a server whose name only a proxy could look up, through that proxy, told in full or
/// as it is shared.
fn through_proxy(server: &str, proxy: &str, more: &[&str]) -> Report {
    let server = format!("{server}://probe.invalid");
    let output = greenroom()
        .args(["check", "--quick", "--server", &server, "--json", "-"])
        .args(more)
        .env("all_proxy", proxy)
        .output()
        .unwrap();
    assert_eq!(code(&output), 4);
    report(&output)
}

#[test]
fn a_proxy_that_cannot_be_reached_is_named_and_not_the_name_server() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let refuses = format!("http://{free}");
    // Connections wait in its queue for an answer that never comes.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let waits = format!("http://{}", silent.local_addr().unwrap());
    let nowhere = "http://proxy.invalid:3128";
    for (server, proxy, says) in [
        (
            "http",
            &*refuses,
            format!("the HTTP proxy {refuses} refuses"),
        ),
        (
            "https",
            &refuses,
            format!("the HTTP proxy {refuses} refuses"),
        ),
        (
            "https",
            &waits,
            format!("the HTTP proxy {waits} does not answer"),
        ),
        (
            "http",
            nowhere,
            format!("the name of the HTTP proxy {nowhere}"),
        ),
        (
            "https",
            nowhere,
            format!("the name of the HTTP proxy {nowhere}"),
        ),
    ] {
        let report = through_proxy(server, proxy, &["--no-redact"]);
        let reason = report.discovery.reason().unwrap();
        assert!(reason.message.starts_with(&says), "{reason:?}");
        let finding = &report.findings[0];
        assert_eq!(finding.id, "network.discovery.proxy_failed", "{reason:?}");
    }
}

#[test]
fn the_name_of_a_proxy_that_fails_is_not_shared() {
    let proxy = "http://me:hunter2@proxy.invalid:3128";
    // Without the probe of the system, which would tell that the name is sensitive.
    let report = through_proxy("https", proxy, &["--skip", "system"]);
    let reason = report.discovery.reason().unwrap();
    let says = "the name of the HTTP proxy http://host-2:3128 ";
    assert!(reason.message.starts_with(says), "{reason:?}");
    let json = serde_json::to_string(&report).unwrap();
    assert!(
        !json.contains("proxy.invalid") && !json.contains("hunter2"),
        "{json}"
    );
}

#[test]
fn an_authority_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    fs::write(&file, "no certificate\n").unwrap();
    let output = run(&["check", "--ca", &file.display().to_string()]);
    assert_ne!(code(&output), 0);
    assert!(
        stderr(&output).contains("no PEM certificate"),
        "{}",
        stderr(&output)
    );
    assert!(refused(&["check", "--ca", "/no/such.pem"]).contains("cannot read --ca"));
}
