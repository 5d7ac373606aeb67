//! `greenroom check` as a user runs it.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use greenroom::model::outcome::{Outcome, ReasonCode};
use greenroom::{Answer, Mode, ProbeId, Target};

use crate::tool::{DEVICES, Serving, code, greenroom, report, report_in, run, stderr, stdout};

#[test]
fn without_a_server_the_internet_is_not_judged() {
    let output = run(&["check", "--quick"]);
    assert_eq!(code(&output), 5);
    let text = stdout(&output);
    assert!(text.starts_with("UNDETERMINED"), "{text}");
    assert!(
        text.contains("internet connection was not tested"),
        "{text}"
    );
    assert!(text.contains("[network.target.builtin]"), "{text}");
    assert!(stderr(&output).contains("no --server was given"));
}

#[test]
fn against_a_server_the_path_is_measured_and_judged() {
    let server = Serving::start(&[]);
    let output = run(&["check", "--quick", "--server", &server.url, "--json", "-"]);
    let report = report(&output);
    assert_ne!(code(&output), 5);
    assert_eq!(report.request.mode, Mode::Quick);
    assert!(matches!(report.request.target, Target::Server { .. }));
    let Outcome::Measured { data } = &report.path else {
        panic!("{:?}", report.path)
    };
    let rtt = data.rtt.as_ref().unwrap();
    assert!(rtt.p50_ms.as_f64() < 5.0, "{rtt:?}");
    for direction in [&data.up, &data.down] {
        assert_eq!(direction.loss.as_ref().unwrap().packets_lost, 0);
        assert_eq!(direction.path_mtu.as_ref().unwrap().bytes.get(), 1500);
    }
    let discovery = report.discovery.data().unwrap();
    assert_eq!(discovery.server_version, env!("CARGO_PKG_VERSION"));
    assert!(discovery.clock_offset.unwrap().offset_ms.as_f64().abs() < 1000.0);
    assert!(matches!(report.system, Outcome::Measured { .. }));
}

#[test]
fn a_check_takes_sixty_megabytes_of_memory_at_most() {
    let server = Serving::start(&[]);
    let mut child = greenroom()
        .args(["check", "--quick", "-q", "--server", &server.url])
        .spawn()
        .unwrap();
    // The peak is read while the program still runs: late, but before its end.
    let mut peak_kb = 0;
    let status = loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find(|l| l.starts_with("VmHWM:"));
        let kb = line.and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok());
        peak_kb = peak_kb.max(kb.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.code().is_some());
    assert!(peak_kb > 1000, "the peak was not seen");
    assert!(peak_kb <= 60_000, "{peak_kb} kB resident");
}

#[test]
fn probes_can_be_chosen_and_left_out() {
    let only = report(&run(&["check", "--only", "system", "--json", "-"]));
    assert_eq!(only.request.probes, [ProbeId::System]);
    assert!(matches!(only.path, Outcome::NotRun { .. }));
    let skipped = &format!("path,discovery,throughput,resolve,web,stun,turn,{DEVICES}");
    let skip = report(&run(&["check", "--skip", skipped, "--json", "-"]));
    assert_eq!(skip.request.probes, [ProbeId::System]);
    let path = report(&run(&["check", "--quick", "--only", "path", "--json", "-"]));
    assert_eq!(path.request.probes, [ProbeId::Discovery, ProbeId::Path]);
    assert!(matches!(path.path, Outcome::Measured { .. }));
    assert!(matches!(path.throughput, Outcome::NotRun { .. }));
}

#[test]
fn rates_are_measured_unless_left_out() {
    let server = Serving::start(&[]);
    let base = ["check", "--quick", "--server", &server.url, "--json", "-"];
    let with = |more: &[&str]| report(&run(&[&base[..], more].concat()));
    let only = with(&["--only", "throughput"]);
    let needed = [ProbeId::Discovery, ProbeId::Path, ProbeId::Throughput];
    assert_eq!(only.request.probes, needed);
    let rates = only.throughput.data().unwrap();
    for rate in [&rates.uplink, &rates.downlink] {
        assert!(rate.as_ref().unwrap().at_least, "{rates:?}");
    }
    let skip = with(&["--skip", "throughput"]);
    assert!(!skip.request.probes.contains(&ProbeId::Throughput));
    let reason = skip.throughput.reason().unwrap();
    assert_eq!(reason.code, ReasonCode::NotSelected);
    assert!(matches!(skip.path, Outcome::Measured { .. }));
}

/// What each phase says that it cost is part of what the whole check cost.
#[test]
fn a_budget_is_kept_with_rates_too() {
    let server = Serving::start(&[]);
    let base = ["check", "--server", &server.url, "--json", "-"];
    for (kb, time_ms) in [(200_u32, 3000_u32), (1000, 5000), (4000, 8000)] {
        let data = format!("{kb}kB");
        let time = format!("{time_ms}ms");
        let limits = ["--data", data.as_str(), "--time", time.as_str()];
        let report = report(&run(&[&base[..], &limits].concat()));
        let cost = report.cost.bytes_sent.get() + report.cost.bytes_received.get();
        assert!(cost <= u64::from(kb) * 1050, "{cost} bytes of {data}");
        let elapsed = report.elapsed_ms.as_f64();
        assert!(
            elapsed <= f64::from(time_ms) * 1.05,
            "{elapsed} ms of {time}"
        );
        let Some(rates) = report.throughput.data() else {
            assert_eq!(kb, 200, "{:?}", report.throughput);
            continue;
        };
        let phases = rates.phases.iter();
        let spent: u64 = phases
            .map(|phase| phase.bytes_sent.get() + phase.bytes_received.get())
            .sum();
        assert!((1..=cost).contains(&spent), "{spent} bytes of {cost}");
    }
}

#[test]
fn a_time_budget_shortens_the_measurement_and_is_kept() {
    let report = report(&run(&["check", "--time", "2s", "--json", "-"]));
    assert!(
        report.elapsed_ms.as_f64() <= 2100.0,
        "{}",
        report.elapsed_ms
    );
    assert!(
        matches!(report.path, Outcome::Measured { .. }),
        "{:?}",
        report.path
    );
}

#[test]
fn a_budget_that_is_too_small_is_said_and_the_rest_is_reported() {
    let time = report(&run(&["check", "--time", "300ms", "--json", "-"]));
    assert!(time.elapsed_ms.as_f64() <= 600.0);
    assert!(matches!(time.path, Outcome::NotRun { .. }));
    let data = report(&run(&["check", "--data", "30kB", "--json", "-"]));
    let reason = data.path.reason().unwrap();
    assert!(reason.message.contains("data budget"), "{reason:?}");
}

#[test]
fn a_data_budget_is_kept() {
    let report = report(&run(&["check", "--data", "80kB", "--json", "-"]));
    let cost = report.cost.bytes_sent.get() + report.cost.bytes_received.get();
    assert!(cost <= 80_000, "{cost} bytes were spent");
    assert!(matches!(report.path, Outcome::Measured { .. }));
}

#[test]
fn the_report_fits_the_published_schema() {
    let schema: serde_json::Value = serde_json::from_str(&stdout(&run(&["schema"]))).unwrap();
    let committed = include_str!("../../reports/schema/report-v1.json");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(committed).unwrap(),
        schema
    );
    let validator = jsonschema::validator_for(&schema).unwrap();
    let server = Serving::start(&[]);
    for arguments in [
        &["check", "--quick", "--json", "-"][..],
        &["check", "--only=system", "--json", "-"],
        &["check", "--json", "-", "--server", &server.url],
    ] {
        let report: serde_json::Value = serde_json::from_slice(&run(arguments).stdout).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&report)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}

#[test]
fn files_are_redacted_unless_asked_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let server = Serving::start(&[]);
    let (json, markdown, events) = (path("a.json"), path("a.md"), path("a.jsonl"));
    let files = [
        "--json",
        &json,
        "--markdown",
        &markdown,
        "--events",
        &events,
    ];
    let base = ["check", "--quick", "-q", "--server", &server.url];
    run(&[&base[..], &files[..]].concat());
    for file in [&json, &markdown, &events] {
        let text = fs::read_to_string(file).unwrap();
        assert!(!text.contains("127.0.0.1"), "{file} tells an address");
        assert!(text.contains("addr-1"), "{file} has no pseudonym");
        let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let named = !name.trim().is_empty() && text.contains(name.trim());
        assert!(!named, "{file} tells the name of this machine");
    }
    assert!(report_in(json.as_ref()).redacted);
    run(&[&base[..], &files[..], &["--no-redact"]].concat());
    assert!(fs::read_to_string(&json).unwrap().contains("127.0.0.1"));
    assert!(!report_in(json.as_ref()).redacted);
}

#[test]
fn quiet_means_quiet() {
    let output = run(&["check", "--quick", "-q"]);
    assert_eq!(
        (stdout(&output).as_str(), stderr(&output).as_str()),
        ("", "")
    );
    assert_eq!(code(&output), 5);
}

#[test]
fn progress_is_plain_lines_where_there_is_no_terminal() {
    let output = run(&["check", "--quick"]);
    let progress = stderr(&output);
    assert!(progress.contains("path: measured"), "{progress}");
    assert!(!progress.contains('\u{1b}'), "escape codes in plain lines");
    assert!(
        !stdout(&output).contains('\u{1b}'),
        "colors without a terminal"
    );
}

/// Runs the program on a pseudo-terminal of util-linux's `script`.
fn on_a_terminal(environment: &[(&str, &str)]) -> String {
    let program = env!("CARGO_BIN_EXE_greenroom");
    let output = Command::new("script")
        .args(["-qec", &format!("{program} check --quick"), "/dev/null"])
        .env_remove("NO_COLOR")
        .env("TERM", "xterm-256color")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("script is in the Debian package bsdutils");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn on_a_terminal_there_is_a_bar_with_live_figures_and_color() {
    let shown = on_a_terminal(&[]);
    assert!(shown.contains("s left"), "{shown:?}");
    assert!(shown.contains("round trip"), "{shown:?}");
    assert!(shown.contains("\u{1b}[33mUNDETERMINED"), "{shown:?}");
    let plain = on_a_terminal(&[("NO_COLOR", "1")]);
    assert!(plain.contains("UNDETERMINED"));
    assert!(!plain.contains("\u{1b}[33m"), "NO_COLOR was not honored");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = greenroom()
        .args(["check", "--only", "system"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!stderr(&output).contains("error"), "{}", stderr(&output));
    assert_eq!(code(&output), 5, "the answer's own code");
    let mut child = greenroom()
        .arg("schema")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
}

#[test]
fn a_report_can_be_shown_validated_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json").display().to_string();
    let made = run(&["check", "--quick", "-q", "--json", &file]);
    let show = run(&["report", "show", &file]);
    assert_eq!(code(&show), code(&made));
    assert!(stdout(&show).starts_with("UNDETERMINED"));
    assert!(stdout(&run(&["report", "show", "--markdown", &file])).starts_with('#'));
    let validate = run(&["report", "validate", &file]);
    assert_eq!(code(&validate), 0, "{}", stdout(&validate));
    assert_eq!(
        report_in(file.as_ref()).verdict.answer,
        Answer::Undetermined
    );
}

#[test]
fn a_complaint_is_explained_by_the_findings_that_bear_on_it() {
    let explain = |file: &str, complaint: &str| {
        let output = run(&["report", "explain", "--complaint", complaint, file]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stdout(&output)
    };
    let healthy = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/loopback.json");
    let nothing = explain(healthy, "choppy-audio");
    assert!(
        nothing.contains("Nothing in this report explains"),
        "{nothing}"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("refused.json").display().to_string();
    run(&[
        "check",
        "-q",
        "--server",
        "http://127.0.0.1:1",
        "--json",
        &file,
    ]);
    let refused = explain(&file, "poor-connectivity");
    assert!(refused.contains("[network.discovery.refused]"), "{refused}");
}
