//! Devices on the command line, as far as they do not depend on what this machine has.

use std::process::{Command, Output};

use greenroom::model::outcome::{Outcome, ReasonCode};
use greenroom::model::report::ProbeId;
use serde_json::Value;
use tempfile::TempDir;

use crate::tool::{code, greenroom, report, stderr, stdout};

/// The program with settings of its own, and without a sound server.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = greenroom();
        command
            .env_remove("GREENROOM_SKIP")
            .env("XDG_CONFIG_HOME", self.0.path())
            .env("XDG_RUNTIME_DIR", self.0.path())
            .env("PULSE_SERVER", "unix:/nonexistent")
            .args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn selection(&self) -> Value {
        let listed = self.run(&["devices", "--json"]);
        let listed: Value = serde_json::from_str(&stdout(&listed)).unwrap();
        listed["selection"].clone()
    }
}

#[test]
fn a_choice_is_kept_shown_used_and_cleared() {
    let home = Home::new();
    let chosen = home.run(&["devices", "select", "--camera", "synthetic:camera"]);
    assert_eq!(code(&chosen), 0, "{}", stderr(&chosen));
    assert!(
        stdout(&chosen).contains("* Synthetic camera"),
        "{}",
        stdout(&chosen)
    );
    assert_eq!(home.selection()["camera"], "synthetic:camera");
    let checked = report(&home.run(&["check", "--quick", "--only", "camera", "--json", "-"]));
    assert_eq!(checked.request.probes, [ProbeId::Camera]);
    let section = checked.camera.data().expect("no picture");
    assert!(section.device.is_synthetic);
    assert!(section.frames >= 25, "{section:?}");
    let ids = checked.findings.iter().map(|f| f.id.as_str());
    assert!(ids.clone().any(|id| id == "device.synthetic"));
    let faults: Vec<&str> = ids.filter(|id| id.starts_with("device.camera")).collect();
    assert!(faults.is_empty(), "{faults:?}");
    let cleared = home.run(&["devices", "select", "--clear"]);
    assert_eq!(code(&cleared), 0, "{}", stderr(&cleared));
    assert_eq!(home.selection(), Value::Object(serde_json::Map::new()));
}

#[test]
fn a_name_that_fits_nothing_is_wrong_usage_and_chooses_nothing() {
    let home = Home::new();
    for arguments in [
        &["devices", "select", "--microphone", "no such thing"][..],
        &["check", "--microphone", "no such thing"],
    ] {
        let refused = home.run(arguments);
        assert_eq!(code(&refused), 2, "{}", stderr(&refused));
        let said = stderr(&refused);
        assert!(
            said.contains("there is no microphone called \"no such thing\""),
            "{said}"
        );
    }
    let refused = home.run(&["devices", "select"]);
    assert_eq!(code(&refused), 2);
    assert_eq!(home.selection(), Value::Object(serde_json::Map::new()));
}

#[test]
fn settings_that_are_damaged_are_named_and_kept() {
    let home = Home::new();
    let path = home.0.path().join("greenroom/settings.toml");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "devices = 3").unwrap();
    let failed = home.run(&["devices", "select", "--camera", "synthetic:camera"]);
    assert_eq!(code(&failed), 1);
    assert!(
        stderr(&failed).contains("settings.toml"),
        "{}",
        stderr(&failed)
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "devices = 3");
    // What does not need the choice goes on without it.
    let checked = home.run(&["check", "--only", "system", "--json", "-"]);
    assert!(
        stderr(&checked).contains("no device is chosen"),
        "{}",
        stderr(&checked)
    );
    assert_eq!(report(&checked).request.probes, [ProbeId::System]);
}

/// A sound server that is not there hangs nothing.
#[test]
fn devices_without_a_sound_server_are_told_in_time() {
    let home = Home::new();
    let began = std::time::Instant::now();
    let checked = home.run(&[
        "check",
        "--quick",
        "--only",
        "microphone,speaker",
        "--json",
        "-",
    ]);
    assert!(began.elapsed() < std::time::Duration::from_secs(10));
    let report = report(&checked);
    // On a machine with sound cards ALSA has them all the same.
    for reason in [report.microphone.reason(), report.speaker.reason()] {
        let known = reason.is_none_or(|reason| reason.code != ReasonCode::InternalError);
        assert!(known, "{reason:?}");
    }
    assert!(!matches!(report.microphone, Outcome::NotRun { .. }));
}
