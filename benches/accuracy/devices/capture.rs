//! Capture through a sound server beside whole checks, and what the acoustic loop says beside another
//! recorder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use greenroom_devices::signal::testing::sounds::tone;
use greenroom_lab::Process;
use serde_json::Value;

use super::server::SoundServer;
use super::time::DEVICES;
use crate::figures::{largest, median};
use crate::row::Row;
use crate::scene::GREENROOM;

/// How long is recorded.
const SECONDS: u32 = 60;
/// How long the tone sounds: until the last check is over.
const TONE_SAMPLES: usize = 48_000 * 70;
/// Longest wait for the recorder once it is to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Chirps beside the other recorder.
const CHIRPS: u32 = 10;

pub(crate) fn measure() -> Result<Vec<Row>> {
    Ok(vec![capture()?, delay()?])
}

/// A tone is recorded for a minute, while checks of all devices run one after the other.
fn capture() -> Result<Row> {
    let server = SoundServer::start()?;
    // The checks' chirps would be in the tone.
    server.pactl(&["set-sink-mute", "spk", "1"])?;
    let _player = server.feed(&tone(48_000.0, TONE_SAMPLES, 1000.0, 0.25))?;
    let mut recorder = Recorder::start(&server, "steady", SECONDS)?;
    let mut n_checks = 0_u32;
    while !recorder.has_ended()? {
        let (report, _) = server.check(&DEVICES)?;
        ensure!(report.microphone.data().is_some(), "nothing was checked");
        n_checks += 1;
    }
    let told = recorder.finish()?;
    let count = |name: &str| told[name].as_u64().with_context(|| format!("no {name}"));
    let (frames, callbacks) = (count("frames")?, count("callbacks")?);
    let lost = count("lost_frames")? + count("lost_chunks")?;
    let (xruns, jumps) = (count("xruns")?, count("jumps")?);
    let gap = told["longest_gap_ms"].as_f64().unwrap_or(f64::NAN);
    let is_whole = frames as f64 >= 0.99 * 48_000.0 * f64::from(SECONDS);
    Ok(Row::judged(
        format!(
            "capture through a sound server for {SECONDS} s, 10 ms at once, beside {n_checks} checks of all devices"
        ),
        "no xrun, no sample lost",
        format!(
            "{xruns} xruns, {lost} samples lost, {jumps} jumps of the tone, {frames} frames in {callbacks} \
             callbacks (longest gap {gap:.0} ms)"
        ),
        (xruns, lost, jumps) == (0, 0, 0) && is_whole,
    ))
}

/// Both listen to the same source, so each hears the chirp after as long a way.
fn delay() -> Result<Row> {
    let server = SoundServer::start()?;
    let told = Recorder::start(&server, "delay", CHIRPS)?.finish()?;
    let delays = |name: &str| -> Result<Vec<f64>> {
        let delays = told[name].as_array().context("no delays")?;
        let delays: Vec<f64> = delays.iter().filter_map(Value::as_f64).collect();
        ensure!(delays.len() == CHIRPS as usize, "a chirp was not heard");
        Ok(delays)
    };
    let (ours, theirs) = (delays("ours_ms")?, delays("parec_ms")?);
    let errors: Vec<f64> = ours
        .iter()
        .zip(&theirs)
        .map(|(o, t)| (o - t).abs())
        .collect();
    let (worst, of) = (largest(&errors), median(&theirs)?);
    Ok(Row::judged(
        format!(
            "acoustic delay on a sound server beside `parec` on the same source, worst of {CHIRPS} chirps"
        ),
        "±1 ms",
        format!(
            "{worst:.2} ms (median {:.2} ms) of {of:.1} ms",
            median(&errors)?
        ),
        worst <= 1.0,
    ))
}

/// The example that records, and tells what it got.
struct Recorder {
    process: Process,
    told: PathBuf,
}

impl Recorder {
    fn start(server: &SoundServer, what: &str, number: u32) -> Result<Self> {
        let folder = Path::new(GREENROOM).parent().context("no folder")?;
        let program = folder.join("examples/audio_watch");
        ensure!(
            program.exists(),
            "the example audio_watch is not built; script/bench builds it"
        );
        let told = server.path().join("told.json");
        let mut command = server.command(&program);
        command
            .args([what, "pulse:mic", &number.to_string()])
            .stdin(Stdio::null())
            .stdout(File::create(&told)?);
        let process = Process::start(&mut command).context("cannot start audio_watch")?;
        Ok(Self { process, told })
    }

    fn has_ended(&mut self) -> Result<bool> {
        Ok(self.process.wait_timeout(Duration::ZERO)?.is_some())
    }

    fn finish(mut self) -> Result<Value> {
        let status = self.process.wait_timeout(PATIENCE)?;
        ensure!(status.is_some_and(|s| s.success()), "audio_watch failed");
        Ok(serde_json::from_str(&fs::read_to_string(&self.told)?)?)
    }
}
