//! Round-trip time of each packet beside the log.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use greenroom::model::path::ClockSource;
use greenroom_lab::Process;

use crate::figures::{median, quantile};
use crate::row::Row;
use crate::scene::{Scene, good_link};

const RUNS: usize = 3;

pub(crate) fn measure() -> Result<Vec<Row>> {
    let scene = Scene::with(good_link(), 1)?;
    let idle = Found::over(&scene)?;
    let _busy = keep_a_core_busy()?;
    let busy = Found::over(&scene)?;
    let middle = median(&idle.sizes())?;
    Ok(vec![
        Row::judged(
            format!(
                "RTT of a packet beside the log, median error, {} packets",
                idle.errors.len()
            ),
            "≤ 0.2 ms",
            format!("{middle:.3} ms, {}", idle.clocks_in_words()),
            middle <= 0.2,
        ),
        Row::told("the same, p95 of the error", idle.spread_in_words()?),
        Row::told(
            "of the median error, outside the emulated link",
            idle.sides_in_words()?,
        ),
        Row::told(
            "the link's own lateness, p95",
            format!("{:.3} ms", median(&idle.lateness)?),
        ),
        Row::told(
            "RTT beside the log with a busy process on the machine, median error",
            format!(
                "{:.3} ms, {}",
                median(&busy.sizes())?,
                busy.clocks_in_words()
            ),
        ),
        Row::told(
            "the same, p95 of the error",
            format!(
                "{}; the link late by {:.3} ms at p95",
                busy.spread_in_words()?,
                median(&busy.lateness)?
            ),
        ),
    ])
}

fn keep_a_core_busy() -> Result<Process> {
    let mut command = Command::new("sh");
    command
        .args(["-c", "while :; do :; done"])
        .stdin(Stdio::null());
    Process::start(&mut command).context("cannot start a busy process")
}

/// What some checks found, in milliseconds.
#[derive(Default)]
struct Found {
    /// Measured less true.
    errors: Vec<f64>,
    far_side: Vec<f64>,
    lateness: Vec<f64>,
    clocks: Vec<ClockSource>,
}

impl Found {
    fn over(scene: &Scene) -> Result<Self> {
        let mut found = Self::default();
        for _ in 0..RUNS {
            found.add(scene)?;
        }
        ensure!(found.errors.len() > 100, "too few packets are in the log");
        Ok(found)
    }

    fn add(&mut self, scene: &Scene) -> Result<()> {
        let checked = scene.check(&["--skip", "throughput,camera,microphone,speaker"])?;
        let lateness = scene.lab.link().scheduling_error();
        self.lateness
            .extend(lateness.map(|error| error.p95.as_secs_f64() * 1e3));
        let truth = scene.truth()?;
        let path = checked.path()?;
        self.clocks.extend([path.clock, path.server_clock]);
        for (sequence, rtt_ms) in &checked.round_trips {
            let exchange = truth.get(sequence).copied().unwrap_or_default();
            if let Some(true_ms) = exchange.rtt_ms() {
                self.errors.push(rtt_ms - true_ms);
            }
            self.far_side.extend(exchange.far_side_ms());
        }
        Ok(())
    }

    fn sizes(&self) -> Vec<f64> {
        self.errors.iter().map(|error| error.abs()).collect()
    }

    fn clocks_in_words(&self) -> &'static str {
        if self.clocks.iter().all(|c| *c == ClockSource::KernelReceive) {
            "kernel stamps on both ends"
        } else {
            "not all stamps are the kernel's"
        }
    }

    fn spread_in_words(&self) -> Result<String> {
        Ok(format!(
            "{:.3} ms (signed p5 {:.3}, p95 {:.3})",
            quantile(&self.sizes(), 950)?,
            quantile(&self.errors, 50)?,
            quantile(&self.errors, 950)?
        ))
    }

    fn sides_in_words(&self) -> Result<String> {
        let far = median(&self.far_side)?;
        Ok(format!(
            "{far:.3} ms beyond it on the server's side, {:.3} ms on the client's",
            median(&self.errors)? - far
        ))
    }
}
