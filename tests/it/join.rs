//! `greenroom join`: two programs in one session of a third one.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::tool::{Serving, code, greenroom, run, signal, stderr, stdout, wait};

const SECRET: &str = "hunter2 hunter2 hunter2 hunter2 hunter2";
/// Debug builds share two cores with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

fn serve() -> Serving {
    let mut command = greenroom();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--app-key", "mine"])
        .env("GREENROOM_APP_SECRET", SECRET);
    Serving::start_command(&mut command)
}

fn token(topic: &str, role: &str, user: &str) -> String {
    let output = greenroom()
        .args(["token", "--app-key", "mine", "--topic", topic])
        .args(["--role", role, "--user-key", user])
        .env("GREENROOM_APP_SECRET", SECRET)
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    stdout(&output).trim().to_owned()
}

/// A program that joined, and what it printed so far.
struct User {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: Vec<String>,
    identity: String,
}

impl User {
    fn join(serving: &Serving, role: &str, name: &str) -> Self {
        Self::join_with(serving, role, name, &[])
    }

    fn join_with(serving: &Serving, role: &str, name: &str, more: &[&str]) -> Self {
        let mut child = greenroom()
            .args(["join", "--endpoint", &serving.url, "--topic", "standup"])
            .args(["--name", name])
            .args(more)
            .env("GREENROOM_TOKEN", token("standup", role, name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut user = Self {
            input: child.stdin.take(),
            child,
            lines,
            seen: Vec::new(),
            identity: String::new(),
        };
        let joined = user.expect("joined\t");
        user.identity = joined.split('\t').nth(1).unwrap().into();
        user
    }

    /// The next line that begins like that.
    #[track_caller]
    fn expect(&mut self, beginning: &str) -> String {
        let began = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(began.elapsed());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|error| {
                panic!(
                    "no line begins with {beginning:?}, {error}: {:#?}",
                    self.seen
                )
            });
            self.seen.push(line.clone());
            if line.starts_with(beginning) {
                return line;
            }
        }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The exit code, once it ended by itself.
    fn ends(&mut self) -> i32 {
        wait(&mut self.child, PATIENCE)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn two_users_see_each_other_and_talk() {
    let serving = serve();
    let mut ann = User::join(&serving, "host", "ann");
    assert!(ann.seen[0].ends_with("\thost\tann"), "{:?}", ann.seen);
    let mut bob = User::join(&serving, "participant", "bob");
    bob.expect(&format!("user\t{}\thost", ann.identity));
    ann.expect(&format!("user_joined\t{}\tparticipant\tbob", bob.identity));

    ann.say("hello all");
    bob.expect(&format!("chat\t{}\tall\thello all", ann.identity));
    bob.say("/to ann only you");
    ann.expect(&format!("chat\t{}\tme\tonly you", bob.identity));

    bob.say("/rename Robert");
    let renamed = ann.expect(&format!("user_changed\t{}\t", bob.identity));
    assert!(renamed.ends_with("\tRobert"), "{renamed}");
    ann.say("/manager Robert");
    bob.expect(&format!("user_changed\t{}\tmanager", bob.identity));
    ann.expect("done\tmanager");

    ann.say("/leave");
    ann.expect("left");
    assert_eq!(ann.ends(), 0);
    bob.expect(&format!("user_left\t{}\tleft", ann.identity));
}

#[test]
fn what_a_participant_may_not_do_is_refused_in_words() {
    let serving = serve();
    let mut ann = User::join(&serving, "host", "ann");
    let mut bob = User::join(&serving, "participant", "bob");
    for (line, words) in [
        ("/end", "only the host may do that"),
        ("/remove ann", "only the host and managers may do that"),
        ("/lock", "only the host and managers may do that"),
        ("/host bob", "only the host may do that"),
        ("/remove nobody", "nobody here is \"nobody\""),
        ("/kick ann", "there is no /kick"),
    ] {
        bob.say(line);
        let refused = bob.expect("error\t");
        assert!(refused.contains(words), "{line}: {refused}");
    }
    ann.say("/lock");
    bob.expect(&format!("share_locked\ttrue\t{}", ann.identity));
}

#[test]
fn a_removed_user_is_told_and_does_not_come_back() {
    let serving = serve();
    let mut ann = User::join(&serving, "host", "ann");
    let mut bob = User::join(&serving, "participant", "bob");
    ann.say("/remove bob");
    bob.expect("ended\tremoved");
    assert_eq!(bob.ends(), 0);
    ann.expect(&format!("user_left\t{}\tremoved", bob.identity));
    let again = greenroom()
        .args(["join", "--endpoint", &serving.url, "--topic", "standup"])
        .env("GREENROOM_TOKEN", token("standup", "participant", "bob"))
        .output()
        .unwrap();
    assert_eq!(code(&again), 1);
    assert!(stderr(&again).contains("removed"), "{}", stderr(&again));
}

#[test]
fn the_host_ends_it_for_all_with_a_text() {
    let serving = serve();
    let mut ann = User::join(&serving, "host", "ann");
    let mut bob = User::join(&serving, "participant", "bob");
    ann.say("/end until tomorrow");
    for user in [&mut ann, &mut bob] {
        user.expect("ended\tended_by_host\tuntil tomorrow");
        assert_eq!(user.ends(), 0);
    }
}

#[test]
fn a_server_that_stops_says_so() {
    let mut serving = serve();
    let mut ann = User::join(&serving, "host", "ann");
    assert_eq!(serving.terminate(), 0);
    ann.expect("ended\tserver_shutdown");
    assert_eq!(ann.ends(), 0);
}

#[test]
fn a_microphone_is_announced_muted_and_asked_for() {
    let serving = serve();
    let mut ann = User::join(&serving, "host", "ann");
    let mut bob = User::join(&serving, "participant", "bob");
    let bob_is =
        |role: &str, audio: &str| format!("user_changed\t{}\t{role}\t{audio}\t", bob.identity);
    let (muted, on) = (bob_is("participant", "muted"), bob_is("participant", "on"));
    bob.say("/mute");
    ann.expect(&muted);
    ann.say("/ask-unmute bob");
    bob.expect(&format!("unmute_asked\t{}", ann.identity));
    bob.say("/accept");
    ann.expect(&on);
    ann.say("/mute bob");
    bob.expect(&format!("muted_by\t{}", ann.identity));
    ann.expect(&muted);
}

#[test]
fn a_signal_and_the_end_of_the_input_leave_in_order() {
    let serving = serve();
    let mut ann = User::join(&serving, "host", "ann");
    for way in ["INT", "TERM", "end of the input"] {
        let mut bob = User::join(&serving, "participant", "bob");
        ann.expect("user_joined\t");
        if way == "end of the input" {
            bob.input = None;
        } else {
            signal(&bob.child, way);
        }
        bob.expect("left");
        assert_eq!(bob.ends(), 0, "{way}");
        ann.expect(&format!("user_left\t{}\tleft", bob.identity));
    }
}

#[test]
fn a_passcode_is_needed_and_shown_to_nobody() {
    let serving = serve();
    let _ann = User::join_with(&serving, "host", "ann", &["--passcode", "s3cr3t"]);
    let mut bob = greenroom();
    bob.args(["join", "--endpoint", &serving.url, "--topic", "standup"])
        .env("GREENROOM_TOKEN", token("standup", "participant", "bob"))
        .env("GREENROOM_LOG", "debug");
    let output = bob.env("GREENROOM_PASSCODE", "s4cr4t").output().unwrap();
    assert_eq!(code(&output), 1);
    let told = stderr(&output);
    assert!(
        told.contains("passcode") && !told.contains("s4cr4t"),
        "{told}"
    );
}

fn fails(arguments: &[&str]) -> (i32, String) {
    let output: Output = run(arguments);
    assert_eq!(stdout(&output), "", "{arguments:?}");
    (code(&output), stderr(&output))
}

#[test]
fn bad_input_is_wrong_usage_with_words() {
    let good = [
        "join",
        "--endpoint",
        "http://127.0.0.1:9",
        "--topic",
        "t",
        "--token",
        "a.b.c",
    ];
    let with = |more: &[&'static str]| [&good[..], more].concat();
    for (arguments, words) in [
        (vec!["join", "--topic", "t", "--token", "x"], "--endpoint"),
        (
            vec!["join", "--endpoint", "http://h", "--token", "x"],
            "--topic",
        ),
        (
            vec!["join", "--endpoint", "http://h", "--topic", "t"],
            "--token",
        ),
        (
            vec![
                "join",
                "--endpoint",
                "http://h",
                "--topic",
                "a/b",
                "--token",
                "x",
            ],
            "'/' as its character 2",
        ),
        (
            vec![
                "join",
                "--endpoint",
                "ftp://h",
                "--topic",
                "t",
                "--token",
                "x",
            ],
            "ftp",
        ),
        (with(&["--passcode", "hunter2hunter2"]), "10 at most"),
        (with(&["--idle-timeout", "0"]), "--idle-timeout"),
        (
            with(&["--token-file", "/nonexistent"]),
            "cannot read --token-file",
        ),
        (with(&["--ca", "/nonexistent"]), "cannot read --ca"),
    ] {
        let (code, told) = fails(&arguments);
        assert_eq!(code, 2, "{arguments:?}: {told}");
        assert!(told.contains(words), "{arguments:?}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_server_that_is_not_there_and_a_token_for_elsewhere_are_failures() {
    let (code, told) = fails(&[
        "join",
        "--endpoint",
        "http://127.0.0.1:9",
        "--topic",
        "t",
        "--token",
        "a.b.c",
    ]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("127.0.0.1"), "{told}");
    let serving = serve();
    let elsewhere = token("elsewhere", "host", "ann");
    let (code, told) = fails(&[
        "join",
        "--endpoint",
        &serving.url,
        "--topic",
        "here",
        "--token",
        &elsewhere,
    ]);
    assert_eq!(code, 1, "{told}");
    assert!(
        told.contains("topic") && !told.contains(&elsewhere),
        "{told}"
    );
}
