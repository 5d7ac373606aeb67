//! Clients that nobody here wrote: LiveKit's own SDK for Python.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use super::harness::Served;

/// Longest run of the script, in seconds.
const SCRIPT: &str = "120";

/// The Python that has LiveKit's SDK, where `script/witness` puts it.
fn python() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../witness/bin/python")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn livekits_own_sdk_holds_a_session() {
    hold_a_session(Served::start(|_| {}).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn livekits_own_sdk_reaches_a_port_of_both_families_at_advertised_addresses() {
    let served = Served::start(|config| {
        config.udp_listen = "[::]:0".parse().unwrap();
        config.advertised = vec!["127.0.0.1:0".parse().unwrap()];
    });
    hold_a_session(served.await).await;
}

async fn hold_a_session(served: Served) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/witness/engine.py");
    let mut run = Command::new("timeout");
    run.arg(SCRIPT)
        .arg(python())
        .arg(script)
        .arg(format!("ws://{}", served.http))
        .env("LIVEKIT_API_KEY", "devkey")
        .env(
            "LIVEKIT_API_SECRET",
            "the secret of these tests, which is long",
        )
        .env("no_proxy", "127.0.0.1")
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || run.output());
    let output = output.await.unwrap().unwrap();
    let seen = String::from_utf8_lossy(&output.stdout);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{seen}\n{words}\n(script/witness installs {})",
        python().display()
    );
    let seen: Vec<String> = seen
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|fact| Some(fact["saw"].as_str()?.to_owned()))
        .collect();
    assert_eq!(
        seen,
        [
            "joined",
            "joined",
            "presence",
            "renamed by session control",
            "renaming oneself is refused",
            "metadata of the room",
            "data",
            "data",
            "much data",
            "data to some",
            "track announced",
            "track muted by session control",
            "track gone",
            "removed",
            "joined",
            "joined twice",
            "room deleted",
        ]
    );
}
