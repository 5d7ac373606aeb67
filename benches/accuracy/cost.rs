//! What a check costs: memory, the wait after an interrupt, disk.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use greenroom::model::report::Ending;
use greenroom_lab::Process;

use crate::figures::{largest, median};
use crate::row::Row;
use crate::scene::{GREENROOM, Scene, good_link};

const CANCELS: usize = 10;

pub(crate) fn measure() -> Result<Vec<Row>> {
    let scene = Scene::with(good_link(), 1)?;
    let memory = peak_memory_mb(&scene)?;
    let mut waits = Vec::new();
    for _ in 0..CANCELS {
        waits.push(cancel_ms(&scene)?);
    }
    let wait = median(&waits)?;
    let size = binary_mb()?;
    Ok(vec![
        Row::judged(
            "`check`, peak resident memory",
            "≤ 60 MB",
            format!("{memory:.1} MB"),
            memory <= 60.0,
        ),
        Row::judged(
            format!("interrupt → valid partial report and exit, median of {CANCELS}"),
            "≤ 250 ms",
            format!("{wait:.1} ms (slowest {:.1} ms)", largest(&waits)),
            wait <= 250.0,
        ),
        Row::told("size of the program", format!("{size:.1} MB, stripped")),
    ])
}

fn peak_memory_mb(scene: &Scene) -> Result<f64> {
    let mut running = scene.start(&[])?;
    let peak = peak_mb(&mut running.process)?;
    running.finish()?;
    Ok(peak)
}

/// The kernel's high-water mark of a check, read until the process ends.
pub(crate) fn peak_mb(check: &mut Process) -> Result<f64> {
    let status_file = format!("/proc/{}/status", check.id());
    let mut peak_kib = None;
    while check.wait_timeout(Duration::from_millis(5))?.is_none() {
        // Not of the program that starts it, and gone as soon as it ended.
        let status = fs::read_to_string(&status_file).unwrap_or_default();
        if status.starts_with("Name:\tgreenroom\n") {
            peak_kib = field_kib(&status, "VmHWM:").or(peak_kib);
        }
    }
    Ok(peak_kib.context("the system tells no VmHWM")? * 1024.0 / 1e6)
}

fn field_kib(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// From the interrupt, a second after the start, to the exit.
fn cancel_ms(scene: &Scene) -> Result<f64> {
    let mut running = scene.start(&[])?;
    std::thread::sleep(Duration::from_secs(1));
    let interrupted = Instant::now();
    running.process.signal("SIGINT".parse()?);
    let status = running.process.wait_timeout(Duration::from_secs(10))?;
    let waited = interrupted.elapsed();
    ensure!(status.is_some(), "the interrupt ended nothing");
    let ending = running.finish()?.report.ending;
    ensure!(
        ending == Ending::Cancelled,
        "the partial report says {ending:?}"
    );
    Ok(waited.as_secs_f64() * 1e3)
}

fn binary_mb() -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let stripped = folder.path().join("greenroom");
    let status = Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(GREENROOM)
        .status()
        .context("cannot run strip")?;
    ensure!(status.success(), "strip failed: {status}");
    Ok(fs::metadata(stripped)?.len() as f64 / 1e6)
}
