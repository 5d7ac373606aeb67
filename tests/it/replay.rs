//! The report is a fold over the events: a recording gives the same report, byte for byte.

use std::fs;
use std::path::Path;

use greenroom::model::report::Ending;
use greenroom::render::{self, Style};
use greenroom::{Event, Fold, Report};

use crate::tool::{Serving, run, stdout};

/// The report that these lines fold into.
fn replayed<'a>(lines: impl Iterator<Item = &'a str>) -> Report {
    let mut fold = Fold::default();
    for line in lines {
        let event = serde_json::from_str::<Event>(line);
        fold.apply(&event.unwrap_or_else(|error| panic!("{error}: {line}")));
    }
    fold.report().unwrap()
}

fn data(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// Events tell nothing of redaction, and the report says whether it was redacted.
fn shared(mut report: Report) -> Report {
    report.redacted = true;
    report
}

/// Both are of `greenroom check --quick`: against a server, and against the built-in responder on
/// a busy machine.
const RECORDED: [&str; 2] = ["loopback", "builtin"];

#[test]
fn the_recorded_runs_give_their_recorded_reports() {
    for name in RECORDED {
        let report = shared(replayed(data(&format!("{name}.jsonl")).lines()));
        let text = render::json(&report);
        let recorded = format!("{name}.json");
        if text != data(&recorded) {
            let now = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&recorded);
            fs::write(&now, text).unwrap();
            let now = now.display();
            panic!("if the change is meant, copy {now} to tests/data, and look at the difference");
        }
    }
}

#[test]
fn the_recorded_run_reads_as_it_did() {
    let report = shared(replayed(data("loopback.jsonl").lines()));
    insta::assert_snapshot!("recorded_report", render::text(&report, Style::default()));
}

#[test]
fn a_fresh_run_gives_its_report_with_and_without_redaction() {
    let server = Serving::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events.jsonl").display().to_string();
    let base = ["check", "--quick", "--server", &server.url, "--json", "-"];
    let written = |more: &[&str]| {
        let output = run(&[&base[..], &["--events", &events], more].concat());
        (stdout(&output), fs::read_to_string(&events).unwrap())
    };
    let (report, recording) = written(&["--no-redact"]);
    assert_eq!(render::json(&replayed(recording.lines())), report);
    let (report, recording) = written(&[]);
    assert_eq!(render::json(&shared(replayed(recording.lines()))), report);
}

#[test]
fn a_recording_that_breaks_off_was_interrupted() {
    for name in RECORDED {
        let recording = data(&format!("{name}.jsonl"));
        let all = recording.lines().count();
        for kept in 1..all {
            let report = replayed(recording.lines().take(kept));
            let cut = format!("{name}, {kept} of {all} lines");
            assert_eq!(report.ending, Ending::Interrupted, "{cut}");
        }
    }
}
