//! The examples, and the facade as a stranger's program uses it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::tool::{Serving, code, stderr, stdout};

/// Where this test's program was built: …/<profile>.
fn profile() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_greenroom")).parent().unwrap()
}

/// Cargo, on this package, in the folder where this test was built, so that little is built again.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(arguments)
        .args(["--package", "greenroom", "--locked", "--offline", "--quiet"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", profile().parent().unwrap());
    if profile().ends_with("release") {
        command.arg("--release");
    }
    command
}

/// Runs an example. `cargo test` has built it already; `cargo test --test it` has not.
fn run_example(name: &str, url: &str) -> Output {
    let built = profile().join("examples").join(name);
    let mut command = if built.is_file() {
        Command::new(built)
    } else {
        let mut command = cargo(&["run", "--example", name]);
        command.arg("--");
        command
    };
    command.arg(url).output().unwrap()
}

#[test]
fn the_smallest_program_says_what_it_means_for_a_call() {
    let server = Serving::start(&[]);
    let output = run_example("check", &server.url);
    let answer = code(&output);
    assert!([0, 3].contains(&answer), "{answer}: {}", stderr(&output));
    assert!(
        stdout(&output).starts_with("You can join"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn live_figures_are_shown_while_a_check_runs() {
    let server = Serving::start(&[]);
    let output = run_example("live", &server.url);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let shown = stdout(&output);
    for expected in [
        "100 % done",
        "70 answers, slowest",
        "Path is done",
        "You can join",
    ] {
        assert!(shown.contains(expected), "no {expected:?} in {shown}");
    }
    let packets = shown.lines().filter(|line| line.starts_with("packet "));
    assert!(packets.count() >= 70, "{shown}");
}

/// The libraries that a build of the facade without features made, by name.
fn library_alone() -> BTreeMap<String, PathBuf> {
    let check = ["check", "--lib", "--no-default-features"];
    let output = cargo(&check).arg("--message-format=json").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let mut libraries = BTreeMap::new();
    for line in stdout(&output).lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        let files = message["filenames"].as_array().into_iter().flatten();
        let metadata = files
            .filter_map(|file| file.as_str().map(PathBuf::from))
            .find(|file| file.extension().is_some_and(|e| e == "rmeta"));
        if let (Some(name), Some(file)) = (message["target"]["name"].as_str(), metadata) {
            libraries.insert(name.to_owned(), file);
        }
    }
    libraries
}

/// Not by cargo, which would take the features of what the tests depend on for granted.
#[test]
fn a_program_can_take_the_library_without_any_feature() {
    let libraries = library_alone();
    let folder = tempfile::tempdir().unwrap();
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
    for name in ["greenroom", "tokio"] {
        let library = &libraries[name];
        rustc.arg("--extern");
        rustc.arg(format!("{name}={}", library.display()));
    }
    let dependencies = libraries["greenroom"].parent().unwrap();
    let output = rustc
        .args(["--edition", "2024", "--emit", "metadata", "--out-dir"])
        .arg(folder.path())
        .arg("-L")
        .arg(format!("dependency={}", dependencies.display()))
        .arg("examples/check.rs")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}
