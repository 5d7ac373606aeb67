//! What the program says of itself.

use std::fmt::Write;

use crate::tool::{code, run, stderr, stdout};

#[test]
fn help_tells_every_command_and_flag() {
    for arguments in [
        &["--help"][..],
        &["check", "--help"],
        &["serve", "--help"],
        &["token", "--help"],
        &["join", "--help"],
        &["report", "--help"],
        &["report", "show", "--help"],
        &["report", "validate", "--help"],
        &["report", "explain", "--help"],
        &["schema", "--help"],
    ] {
        let output = run(arguments);
        assert_eq!(code(&output), 0);
        let name = arguments.join("_").replace("--", "");
        insta::assert_snapshot!(format!("help_{name}"), stdout(&output));
    }
}

/// What a user reads who got something wrong: each message names the thing, and what would be right.
#[test]
fn messages_are_for_people() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let profile = write("profile.toml", "name = \"x\"\nextend = \"voice\"\n");
    let config = write("serve.toml", "listen = 8443\n");
    let newer = write("newer.json", "{\"schema_version\": 999}");
    let cut = write("cut.json", "{\"schema_version\": 1,");
    let missing = folder.path().join("missing").display().to_string();
    let unwritable = folder.path().join("no/report.json").display().to_string();
    let mut told = String::new();
    for arguments in [
        &["check", "--server", "ftp://probe.example"][..],
        &["check", "--server", "https://me:secret@probe.example"],
        &["check", "--server", "https://probe example"],
        &["check", "--profile", "vioce"],
        &["check", "--profile", &profile],
        &["check", "--profile", &missing],
        &["check", "--ca", &missing],
        &["check", "--only", "path", "--skip", "path"],
        &["check", "--only", "path", "--skip", "discovery"],
        &["check", "--json", "a", "--events", "a"],
        &["check", "--time", "3h"],
        &["check", "--data", "2TB"],
        &["check", "-q", "--only", "system", "--events", &unwritable],
        &["report", "show", &missing],
        &["report", "show", &newer],
        &["report", "show", &cut],
        &["report", "show", &profile],
        &["serve", "--config", &config],
        &["serve", "--config", &missing],
        &["serve", "--tls", "pem"],
        &["serve", "--listen", "localhost"],
        &["serve", "--production"],
        &["serve", "--engine", "livekit"],
        &["serve", "--app-key", "mine"],
        &["token", "--topic", "a/b", "--app-key", "mine"],
        &["token", "--topic", "t", "--app-key", "mine"],
        &[
            "token",
            "--topic",
            "t",
            "--app-key",
            "mine",
            "--valid-for",
            "3d",
        ],
    ] {
        let output = run(arguments);
        let (asked, message) = (arguments.join(" "), stderr(&output));
        let exit = code(&output);
        writeln!(told, "$ greenroom {asked}\n{message}exit {exit}\n").unwrap();
    }
    let folder = folder.path().display().to_string();
    insta::assert_snapshot!("messages", told.replace(&folder, "FOLDER"));
}

#[test]
fn an_unknown_flag_is_wrong_usage() {
    let output = run(&["check", "--sever", "x"]);
    assert_eq!(code(&output), 2);
    insta::assert_snapshot!("unknown_flag", stderr(&output));
}
