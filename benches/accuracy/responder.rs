//! The responder under load: runs `server/examples/responder_load.rs`.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use greenroom_lab::Lab;

use crate::row::Row;
use crate::scene::GREENROOM;

const SESSIONS: &str = "1000";
const SECONDS: &str = "5";
/// Growth under load that still counts as bounded; the driver's own notes take 2 MiB of it.
const GROWTH_MIB: f64 = 8.0;

pub(crate) fn measure() -> Result<Vec<Row>> {
    let folder = Path::new(GREENROOM).parent().context("no folder")?;
    let program = folder.join("examples/responder_load");
    ensure!(
        program.exists(),
        "the example responder_load is not built; script/bench builds it"
    );
    // A network without anybody else on it.
    let lab = Lab::new()?;
    lab.server().ip("link set lo up")?;
    let output = lab
        .server()
        .command(&program)
        .args([SESSIONS, SECONDS])
        .stdin(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{}: {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let figure = |line: &str, name: &str| figure(&text, line, name);
    let p95_us = figure("turnaround_us", "p95")?;
    let p99_us = figure("turnaround_us", "p99")?;
    let missing = figure("replies", "missing")?;
    let (before, after) = (figure("rss_mib", "before")?, figure("rss_mib", "after")?);
    let cpu = figure("responder_cpu_percent", "responder_cpu_percent")?;
    let cores = if text.contains("cores apart") {
        "responder on a core of its own"
    } else {
        "responder and clients share cores"
    };
    let load = "1,000 clients × 50 packets/s";
    Ok(vec![
        Row::judged(
            format!("responder, {load}, p95 turnaround"),
            "< 1 ms",
            format!(
                "{:.3} ms (p99 {:.3} ms), {missing} replies missing, {cpu:.0} % of {cores}",
                p95_us / 1e3,
                p99_us / 1e3
            ),
            p95_us < 1000.0,
        ),
        Row::judged(
            "its memory under that load, resident, clients included",
            format!("grows by ≤ {GROWTH_MIB} MiB"),
            format!("{before:.1} MiB, then {after:.1} MiB"),
            after - before <= GROWTH_MIB,
        ),
    ])
}

/// The number behind `name` in the line that begins with `start`.
fn figure(text: &str, start: &str, name: &str) -> Result<f64> {
    let number = text
        .lines()
        .find(|line| line.starts_with(start))
        .and_then(|line| {
            let mut words = line.split_whitespace().skip_while(|word| *word != name);
            words.nth(1)?.parse().ok()
        });
    number.with_context(|| format!("responder_load prints no {name} of {start}"))
}
