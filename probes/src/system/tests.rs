//! The probe as a whole: on an invented machine, cancelled, and on the real one.

use std::time::Duration;

use greenroom_reports::model::outcome::{Outcome, ReasonCode};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::root::fixture::Fixture;
use super::*;

fn invented(root: &SystemRoot) -> SystemConfig {
    SystemConfig {
        root: root.clone(),
        environment: [("https_proxy", "http://user:secret@proxy.example:3128")]
            .into_iter()
            .collect(),
        watch: Duration::from_millis(1),
        ..SystemConfig::default()
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_invented_machine_is_told_without_a_display_and_without_secrets() {
    let root = Fixture::of(&[
        ("etc/os-release", "PRETTY_NAME=\"Invented 1\""),
        (
            "proc/meminfo",
            "MemTotal: 2000000 kB\nMemAvailable: 300000 kB",
        ),
        ("sys/firmware/acpi/platform_profile", "low-power"),
    ]);
    let outcome = run(invented(&root), CancellationToken::new()).await;
    let Outcome::Measured { data } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(data.os.name, "Invented 1");
    assert_eq!(
        data.display.server,
        greenroom_reports::model::system::DisplayServer::None
    );
    assert_eq!(data.power.saver_active, Some(true));
    assert_eq!(
        (data.cpu.busy_ratio, data.cpu.throttling.clone()),
        (None, None)
    );
    assert!(data.requirements.audio.met);
    assert!(!data.requirements.video.met && !data.requirements.screen.met);
    let json = serde_json::to_string(&data).unwrap();
    assert!(json.contains("proxy.example") && !json.contains("secret") && !json.contains("user"));
}

#[tokio::test]
async fn cancelled_before_it_starts_it_was_not_run() {
    let cancel = CancellationToken::new();
    cancel.cancel();
    let outcome = run(SystemConfig::default(), cancel).await;
    assert!(matches!(outcome, Outcome::NotRun { .. }));
    assert_eq!(outcome.reason().unwrap().code, ReasonCode::Cancelled);
}

#[tokio::test]
async fn cancelled_while_it_watches_it_tells_the_rest() {
    let root = Fixture::of(&[]);
    let mut config = invented(&root);
    config.watch = Duration::from_mins(1);
    config.deadline = Duration::from_mins(1);
    let cancel = CancellationToken::new();
    let running = tokio::spawn(run(config, cancel.clone()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let cancelled = Instant::now();
    cancel.cancel();
    let outcome = running.await.unwrap();
    assert!(cancelled.elapsed() < Duration::from_millis(250));
    assert!(matches!(outcome, Outcome::Partial { .. }), "{outcome:?}");
    assert_eq!(
        outcome.reason().unwrap().message,
        "cancelled before these were read: processor load"
    );
}

#[tokio::test]
async fn out_of_time_it_tells_what_there_is() {
    let root = Fixture::of(&[]);
    let mut config = invented(&root);
    config.watch = Duration::from_mins(1);
    config.deadline = Duration::from_millis(200);
    let outcome = run(config, CancellationToken::new()).await;
    assert_eq!(outcome.reason().unwrap().code, ReasonCode::OutOfTime);
    assert!(outcome.data().is_some());
}

#[tokio::test]
async fn this_machine_gives_plausible_values() {
    let started = Instant::now();
    let outcome = run(SystemConfig::default(), CancellationToken::new()).await;
    // The limit is 600 ms; other tests may run beside this one.
    assert!(started.elapsed() < Duration::from_secs(2));
    let data = outcome.data().expect("this machine can be read");
    assert!(!data.os.name.is_empty() && !data.os.architecture.is_empty());
    assert!(data.cpu.usable_cores >= 1);
    assert!(
        data.cpu
            .machine_cores
            .is_none_or(|cores| cores >= data.cpu.usable_cores)
    );
    let memory = data.memory.as_ref().expect("memory is told everywhere");
    assert!(memory.available_bytes.get() > 0 && memory.available_bytes <= memory.total_bytes);
    assert!(
        data.interfaces
            .iter()
            .all(|interface| interface.name != "lo")
    );
}

#[tokio::test]
async fn the_requirements_agree_with_the_section() {
    let facts = read_facts(SystemConfig::default()).await;
    assert!(facts.usable_cores >= 1 && facts.memory.is_some() && facts.display.is_some());
}
