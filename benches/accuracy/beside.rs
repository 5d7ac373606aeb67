//! Greenroom and irtt on the same link, in turns, each beside the log of its own packets.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use greenroom_lab::Process;
use greenroom_lab::link::{Direction, Loss};
use serde_json::Value;

use crate::figures::{median, quantile};
use crate::log::{self, Truth};
use crate::row::Row;
use crate::scene::{Scene, good_link};

const ROUNDS: usize = 6;
const LOSS: f64 = 0.03;
/// Points of loss by which equal shares may differ after floating-point arithmetic.
const ROUNDING: f64 = 1e-9;

/// Where `script/bench` puts the program, else where the Debian package does.
fn irtt() -> String {
    std::env::var("IRTT").unwrap_or_else(|_not_set| "/usr/bin/irtt".to_owned())
}

/// Errors of one tool.
#[derive(Default)]
struct Errors {
    /// Of each packet's round trip, without sign, in milliseconds.
    rtt: Vec<f64>,
    /// Of the loss in each round, in percentage points, the sum of both directions.
    loss: Vec<f64>,
}

pub(crate) fn measure() -> Result<Vec<Row>> {
    ensure!(
        Path::new(&irtt()).exists(),
        "irtt is missing: run script/bench, or install the Debian package irtt"
    );
    let mut rows = Vec::new();
    for (what, loss) in [
        ("clean link", Loss::None),
        ("3 % of loss each way", Loss::Random(LOSS)),
    ] {
        let scene = Scene::with(good_link().loss(loss), 1)?;
        rows.extend(compare(&scene, what)?);
    }
    Ok(rows)
}

fn compare(scene: &Scene, what: &str) -> Result<[Row; 2]> {
    let mut command = scene.lab.server().command(irtt());
    command
        .arg("server")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _server = Process::start(&mut command).context("cannot start irtt server")?;
    std::thread::sleep(Duration::from_millis(500));

    let (mut ours, mut theirs) = (Errors::default(), Errors::default());
    for round in 0..ROUNDS {
        // Whoever goes first must not matter.
        if round % 2 == 0 {
            run_greenroom(scene, &mut ours)?;
            run_irtt(scene, &mut theirs)?;
        } else {
            run_irtt(scene, &mut theirs)?;
            run_greenroom(scene, &mut ours)?;
        }
    }
    let (our_rtt, their_rtt) = (median(&ours.rtt)?, median(&theirs.rtt)?);
    let (our_loss, their_loss) = (mean(&ours.loss), mean(&theirs.loss));
    Ok([
        Row::judged(
            format!(
                "beside irtt, {what}: median error of a packet's RTT, {ROUNDS} rounds in turns"
            ),
            "≤ irtt's",
            format!(
                "{our_rtt:.3} ms, irtt {their_rtt:.3} ms (p95 {:.3}, irtt {:.3} ms)",
                quantile(&ours.rtt, 950)?,
                quantile(&theirs.rtt, 950)?
            ),
            our_rtt <= their_rtt,
        ),
        Row::judged(
            format!("beside irtt, {what}: mean error of loss, up and down together"),
            "≤ irtt's",
            format!("{our_loss:.3} points, irtt {their_loss:.3} points"),
            our_loss <= their_loss + ROUNDING,
        ),
    ])
}

fn run_greenroom(scene: &Scene, errors: &mut Errors) -> Result<()> {
    let checked = scene.check(&["--skip", "throughput,camera,microphone,speaker"])?;
    let truth = checked.counted(scene.truth()?)?;
    let path = checked.path()?;
    errors.add_round_trips(&truth, &checked.round_trips)?;
    let ratio = |section: &greenroom::model::path::DirectionSection| {
        let loss = section.loss.as_ref().context("no loss")?;
        // The report's ratio is rounded to a millionth, irtt's percentage is not: its counts are exact.
        anyhow::Ok(loss.packets_lost as f64 / loss.packets_sent.max(1) as f64)
    };
    errors
        .loss
        .push(loss_error(&truth, ratio(&path.up)?, ratio(&path.down)?));
    Ok(())
}

fn run_irtt(scene: &Scene, errors: &mut Errors) -> Result<()> {
    let file = scene.file("irtt.json");
    let mut command = scene.lab.client().command(irtt());
    command
        .args(["client", "-Q", "-i", "20ms", "-d", "3s", "-l", "172", "-o"])
        .arg(&file)
        .arg(scene.lab.server().ipv4().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit());
    scene.lab.link().take_records();
    let mut client = Process::start(&mut command).context("cannot start irtt")?;
    let status = client.wait_timeout(Duration::from_secs(20))?;
    ensure!(
        status.is_some_and(|status| status.success()),
        "irtt failed: {status:?}"
    );
    let truth = log::of_irtt(&scene.lab.link().take_records());
    let result: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    let figure = |path: &str| {
        let figure = result.pointer(path).and_then(Value::as_f64);
        figure.with_context(|| format!("irtt's result has no {path}"))
    };
    errors.add_round_trips(&truth, &irtt_round_trips(&result))?;
    errors.loss.push(loss_error(
        &truth,
        figure("/stats/upstream_loss_percent")? / 100.0,
        figure("/stats/downstream_loss_percent")? / 100.0,
    ));
    Ok(())
}

impl Errors {
    fn add_round_trips(&mut self, truth: &Truth, measured: &[(u32, f64)]) -> Result<()> {
        let before = self.rtt.len();
        for (sequence, rtt_ms) in measured {
            let exchange = truth.get(sequence).copied().unwrap_or_default();
            self.rtt
                .extend(exchange.rtt_ms().map(|true_ms| (rtt_ms - true_ms).abs()));
        }
        ensure!(
            self.rtt.len() - before > 50,
            "too few round trips are in the log"
        );
        Ok(())
    }
}

/// Sequence numbers and round-trip times in milliseconds; irtt, too, leaves the server's own time out.
fn irtt_round_trips(result: &Value) -> Vec<(u32, f64)> {
    let trips = result["round_trips"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    trips
        .iter()
        .filter_map(|trip| {
            let sequence = u32::try_from(trip["seqno"].as_u64()?).ok()?;
            Some((sequence, trip["delay"]["rtt"].as_f64()? / 1e6))
        })
        .collect()
}

fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len() as f64
}

fn loss_error(truth: &Truth, up: f64, down: f64) -> f64 {
    let off = |found: f64, direction| (found - log::loss_ratio(truth, direction)).abs() * 100.0;
    off(up, Direction::Up) + off(down, Direction::Down)
}
