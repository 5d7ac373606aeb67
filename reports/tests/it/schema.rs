//! The report as a file.

use std::path::{Path, PathBuf};

use greenroom_reports::fuzzing;
use greenroom_reports::render;
use greenroom_reports::samples;
use greenroom_reports::schema::{ReadError, read_report, report_schema};
use proptest::prelude::*;
use serde_json::Value;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn the_committed_schema_is_that_of_the_code() {
    let path = file("schema/report-v1.json");
    let schema = serde_json::to_string_pretty(&report_schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == schema,
        "the report's schema has changed: run `UPDATE_SCHEMA=1 cargo test -p greenroom-reports` \
         and commit {}; a key that was renamed, removed or redefined also raises SCHEMA_VERSION",
        path.display()
    );
}

#[test]
fn every_sample_satisfies_the_schema() {
    let validator = jsonschema::validator_for(&report_schema()).unwrap();
    for (name, report) in samples::reports() {
        for report in [report.redacted(), report] {
            let value = serde_json::to_value(&report).unwrap();
            let errors: Vec<String> = validator
                .iter_errors(&value)
                .map(|e| e.to_string())
                .collect();
            assert!(errors.is_empty(), "{name}: {errors:?}");
        }
    }
}

#[test]
fn a_wrong_value_does_not_satisfy_the_schema() {
    let validator = jsonschema::validator_for(&report_schema()).unwrap();
    let (_, report) = samples::reports().swap_remove(0);
    let mut value = serde_json::to_value(&report).unwrap();
    value["path"]["data"]["up"]["loss"]["loss_ratio"] = Value::from(5.0);
    assert!(!validator.is_valid(&value));
}

#[test]
fn reports_of_version_1_stay_readable() {
    let text = std::fs::read_to_string(file("tests/data/report-v1.json")).unwrap();
    let report = read_report(&text).unwrap();
    assert_eq!(report.schema_version, 1);
    assert_eq!(report.findings[0].id, "network.path.loss_up");
    // It still says the same when it is judged again.
    assert_eq!(
        report.judged_by(report.profile.clone()).verdict.answer,
        report.verdict.answer
    );
}

#[test]
fn reports_from_before_rates_were_measured_say_so_and_are_judged_as_they_were() {
    let text = std::fs::read_to_string(file("tests/data/report-v1.json")).unwrap();
    let report = read_report(&text).unwrap();
    assert!(report.throughput.is_of_earlier_version());
    assert!(report.derived.is_empty());
    assert_eq!(render::json(&report), text);
    let again = report.judged_by(report.profile.clone());
    let capabilities = &report.verdict.capabilities;
    for (now, then) in again.verdict.capabilities.iter().zip(capabilities) {
        assert_eq!(now.band, then.band, "{:?}", now.capability);
        assert_eq!(now.metrics.len(), then.metrics.len());
    }
}

#[test]
fn reports_with_devices_stay_readable_and_are_judged_as_they_were() {
    let text = std::fs::read_to_string(file("tests/data/report-v1-devices.json")).unwrap();
    let report = read_report(&text).unwrap();
    assert_eq!(report.findings[0].id, "device.microphone.busy");
    assert_eq!(render::json(&report), text);
    let again = report.judged_by(report.profile.clone());
    assert_eq!(again.verdict.answer, report.verdict.answer);
    let capabilities = &report.verdict.capabilities;
    for (now, then) in again.verdict.capabilities.iter().zip(capabilities) {
        assert_eq!(now.band, then.band, "{:?}", now.capability);
    }
}

#[test]
fn keys_of_later_minor_versions_are_ignored() {
    let (_, report) = samples::reports().swap_remove(0);
    let mut value = serde_json::to_value(&report).unwrap();
    value["later"] = Value::from("later");
    value["profile"]["thresholds"][0]["figure"] = Value::from("later_ms");
    assert!(read_report(&value.to_string()).is_ok());
}

#[test]
fn a_report_of_a_later_version_names_both() {
    let error = read_report("{ \"schema_version\": 7 }")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("version 7") && error.contains("up to 1"),
        "{error}"
    );
    assert!(error.contains("update this program"), "{error}");
}

#[test]
fn what_is_wrong_in_a_report_is_pointed_at() {
    let (_, report) = samples::reports().swap_remove(0);
    let json = render::json(&report).replace("\"loss_ratio\": 0.0,", "\"loss_ratio\": 3.5,");
    let Err(ReadError::Malformed {
        path,
        line,
        message,
        ..
    }) = read_report(&json)
    else {
        panic!("a ratio of 3.5 was read");
    };
    assert!(path.starts_with("path"), "{path}");
    assert!(line > 100, "{line}");
    assert!(message.contains("between 0 and 1"), "{message}");
}

#[test]
fn what_is_no_report_is_told_apart() {
    assert!(matches!(
        read_report("{"),
        Err(ReadError::Syntax { line: 1, .. })
    ));
    assert!(matches!(read_report("{}"), Err(ReadError::NoReport)));
    assert!(matches!(read_report("[1]"), Err(ReadError::NoReport)));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzzing::report_json(&bytes);
        fuzzing::profile_toml(&bytes);
    }

    #[test]
    fn arbitrary_profiles_never_panic(text in "[a-z_0-9=\\[\\]{}\".,\n ]{0,200}") {
        fuzzing::profile_toml(text.as_bytes());
    }

    #[test]
    fn damaged_reports_never_panic(at in 0_usize..20_000, byte: u8, which in 0..10_usize) {
        let (_, report) = samples::reports().swap_remove(which);
        let mut bytes = render::json(&report).into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        fuzzing::report_json(&bytes);
    }
}
