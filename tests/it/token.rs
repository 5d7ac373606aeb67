//! `greenroom token`, and the app that a trial server makes up.

use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use greenroom_protocol::session::token::{AppKey, Verified, verify};

use crate::tool::{Serving, code, greenroom, run, stderr, stdout};

const SECRET: &str = "hunter2 hunter2 hunter2 hunter2 hunter2";

fn token(arguments: &[&str]) -> Output {
    greenroom()
        .arg("token")
        .args(arguments)
        .env("GREENROOM_APP_SECRET", SECRET)
        .output()
        .unwrap()
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs()
}

/// Reads the token that is alone on standard output, as a server would.
#[track_caller]
fn verified(output: &Output, app: &AppKey) -> Verified {
    assert_eq!(code(output), 0, "{}", stderr(output));
    let printed = stdout(output);
    let (token, rest) = printed.split_once('\n').unwrap();
    assert_eq!((rest, stderr(output).as_str()), ("", ""));
    verify(token, std::slice::from_ref(app), now()).unwrap()
}

fn app() -> AppKey {
    AppKey::new("mine", SECRET).unwrap()
}

#[test]
fn a_token_says_what_was_asked_and_verifies() {
    let output = token(&[
        "--app-key",
        "mine",
        "--topic",
        "Stand-Up",
        "--role",
        "host",
        "--user-key",
        "alice",
        "--session-key",
        "room 7",
        "--valid-for",
        "30min",
    ]);
    let Verified { claims, topic, .. } = verified(&output, &app());
    assert!(claims.is_host());
    assert_eq!((claims.tpc.as_str(), topic.key()), ("Stand-Up", "stand-up"));
    assert_eq!(claims.user_key.as_deref(), Some("alice"));
    assert_eq!(claims.session_key.as_deref(), Some("room 7"));
    assert_eq!(claims.exp - claims.iat, 1800);
    assert!(now().abs_diff(claims.iat) < 60);
}

#[test]
fn what_is_not_said_is_a_participant_for_two_hours() {
    let output = token(&["--app-key", "mine", "--topic", "t"]);
    let claims = verified(&output, &app()).claims;
    assert!(!claims.is_host());
    assert_eq!(claims.exp - claims.iat, 7200);
    assert_eq!((claims.user_key, claims.session_key), (None, None));
}

#[test]
fn a_file_of_the_flag_comes_before_the_variable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "another secret, of more than 32 bytes\n").unwrap();
    let file = file.display().to_string();
    let output = token(&[
        "--app-key",
        "mine",
        "--topic",
        "t",
        "--app-secret-file",
        &file,
    ]);
    let other = AppKey::new("mine", "another secret, of more than 32 bytes").unwrap();
    verified(&output, &other);
}

/// Each mistake ends with 2, says what would be right, and shows no secret.
#[test]
fn every_bad_input_is_wrong_usage_with_words() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").display().to_string();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let empty = empty.display().to_string();
    let long_topic = "t".repeat(151);
    let long_key = "é".repeat(37);
    let hex = "0123456789abcdef0123456789abcdef";
    let good = ["--app-key", "mine", "--topic", "t"];
    for (arguments, words) in [
        (&["--topic", "t"][..], "--app-key <KEY>"),
        (&["--app-key", "mine"], "--topic <TOPIC>"),
        (&["--app-key", "a/b", "--topic", "t"], "letters, digits"),
        (&["--app-key", "mine", "--topic", ""], "the topic is empty"),
        (
            &["--app-key", "mine", "--topic", "a/b"],
            "'/' as its character 2",
        ),
        (
            &["--app-key", "mine", "--topic", &long_topic],
            "has 151 characters",
        ),
        (
            &["--role", "manager"],
            "[possible values: host, participant]",
        ),
        (&["--user-key", ""], "leave it out"),
        (&["--user-key", &long_key], "37 characters; 36 at most"),
        (&["--session-key", &long_key], "37 characters; 36 at most"),
        (&["--valid-for", "29min"], "30min to 48h"),
        (&["--valid-for", "49h"], "30min to 48h"),
        (&["--valid-for", "soon"], "30min to 48h"),
        (&["--valid-for", "2"], "no unit"),
        (&["--app-secret-file", &missing], "missing"),
        (&["--app-secret-file", &empty], "has 0 bytes"),
        (&["--app-secret-file", hex], "names a file"),
        (&["--app-secret", SECRET], "--app-secret-file"),
        (&[&format!("--app-secret={SECRET}")], "--app-secret-file"),
    ] {
        let needs_good = !arguments
            .iter()
            .any(|a| *a == "--topic" || *a == "--app-key");
        let mut all = arguments.to_vec();
        if needs_good {
            all.extend(good);
        }
        let output = token(&all);
        let message = stderr(&output);
        assert_eq!(code(&output), 2, "{all:?}: {message}");
        assert!(message.contains(words), "{all:?}: {message}");
        assert_eq!(stdout(&output), "", "{all:?}");
        for secret in ["hunter2", hex] {
            assert!(!message.contains(secret), "{all:?}: {message}");
        }
    }
}

#[test]
fn a_missing_or_short_secret_is_told_and_not_shown() {
    let arguments = ["token", "--app-key", "mine", "--topic", "t"];
    let none = greenroom().args(arguments).output().unwrap();
    assert_eq!(code(&none), 2);
    assert!(
        stderr(&none).contains("GREENROOM_APP_SECRET"),
        "{}",
        stderr(&none)
    );
    let short = greenroom()
        .args(arguments)
        .env("GREENROOM_APP_SECRET", "hunter2")
        .output()
        .unwrap();
    let message = stderr(&short);
    assert_eq!(code(&short), 2);
    assert!(message.contains("has 7 bytes; it takes 32") && message.contains("openssl rand"));
    assert!(!message.contains("hunter2"), "{message}");
}

/// The command that a trial server prints is run as it stands, by a shell.
#[test]
fn a_trial_server_says_how_to_make_a_token() {
    let mut serving = Serving::start(&[]);
    let text = serving.announcement.join("\n");
    let at = text.find("sessions: app key trial, secret ").expect("told");
    let secret: String = text[at..]
        .trim_start_matches("sessions: app key trial, secret ")
        .chars()
        .take_while(char::is_ascii_hexdigit)
        .collect();
    assert_eq!(secret.len(), 64, "{text}");
    let line = serving
        .announcement
        .iter()
        .find(|line| line.contains("greenroom token"));
    let line = line.expect("a command that makes a token");
    let program = env!("CARGO_BIN_EXE_greenroom");
    let folder = std::path::Path::new(program).parent().unwrap();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", line]).env_clear().env("PATH", folder);
    let output = shell.output().unwrap();
    let trial = AppKey::new("trial", &secret).unwrap();
    assert!(verified(&output, &trial).claims.is_host());
    assert_eq!(serving.terminate(), 0);
}

#[test]
fn no_trial_app_is_made_where_it_is_not_wanted() {
    for arguments in [&["--session", "false"][..], &["--app-key", "mine"]] {
        let mut command = greenroom();
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments);
        if arguments.contains(&"--app-key") {
            command.env("GREENROOM_APP_SECRET", SECRET);
        }
        let serving = Serving::start_command(&mut command);
        let text = serving.announcement.join("\n");
        assert!(
            !text.contains("secret") && !text.contains("hunter2"),
            "{text}"
        );
    }
}

#[test]
fn a_password_in_a_url_of_livekit_is_not_shown() {
    let url = "wss://me:hunter2@livekit.example.org";
    let output = run(&["serve", "--livekit-url", url]);
    let message = stderr(&output);
    assert_eq!(code(&output), 2);
    assert!(message.contains("cannot use --livekit-url: a user or password"));
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn a_server_in_production_does_not_start_without_an_app() {
    let output = run(&["serve", "--listen", "127.0.0.1:0", "--production"]);
    let message = stderr(&output);
    assert_eq!(code(&output), 2);
    assert!(
        message.contains("session.apps") && message.contains("openssl rand -hex 32"),
        "{message}"
    );
}
