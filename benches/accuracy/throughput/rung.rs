//! The rung that is recommended beside random traffic of others, and the one that would have fitted for 30 s.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use greenroom::model::throughput::ThroughputSection;
use greenroom_lab::link::{LinkConfig, Rate};

use crate::harness::parallel::in_parallel;
use crate::load_harness::cross::{CROSS_BYTES, Cross};
use crate::load_harness::oracle::best_rung;
use crate::load_harness::scores::{Rungs, rungs};
use crate::load_harness::{HEADERS, RUNGS};
use crate::row::Row;
use crate::scene::Scene;

/// Shares of the link that others use.
const LOADS: [f64; 2] = [0.3, 0.5];
const RUNS: u64 = 100;
/// Seeds that the method was never tried on.
const FIRST_SEED: u64 = 90_000;
const REAL_RUNS: u64 = 10;

pub(crate) fn measure() -> Vec<Row> {
    let row = |load: f64| {
        let runs = in_parallel(RUNS, |seed| rungs(FIRST_SEED + seed, load));
        verdict(
            &format!(
                "virtual time, {:.0} % of the link used by others",
                load * 100.0
            ),
            &runs,
        )
    };
    LOADS.map(row).to_vec()
}

fn verdict(what: &str, runs: &[Rungs]) -> Row {
    let right = runs
        .iter()
        .filter(|run| run.is_right_or_one_lower())
        .count();
    let exact = runs.iter().filter(|run| run.got == run.best).count();
    let higher = runs.iter().filter(|run| run.got > run.best).count();
    let mut spread: Vec<usize> = runs.iter().map(|run| run.best).collect();
    spread.sort_unstable();
    spread.dedup();
    let percent = right as f64 * 100.0 / runs.len() as f64;
    Row::judged(
        format!(
            "recommended rung, {what}, {} runs at 0.3 to 8 Mbit/s over {} rungs: right, or one lower",
            runs.len(),
            spread.len()
        ),
        "≥ 90 % (aim 95 %)",
        format!("{percent:.0} % ({exact} right, {higher} too high)"),
        percent >= 90.0,
    )
}

pub(crate) fn in_real_time() -> Result<Vec<Row>> {
    let mut runs = Vec::new();
    for load in LOADS {
        for seed in 0..REAL_RUNS {
            runs.push(on_the_lab_link(FIRST_SEED + seed, load)?);
        }
    }
    Ok(vec![verdict(
        "the lab's link, 30 and 50 % used by others",
        &runs,
    )])
}

fn on_the_lab_link(seed: u64, load: f64) -> Result<Rungs> {
    let bps = rate_of(seed);
    let up = LinkConfig::new()
        .delay_ms(10)
        .rate(Rate::new(bps, Duration::from_millis(200)));
    let down = LinkConfig::new()
        .delay_ms(10)
        .rate(Rate::new(20_000_000, Duration::from_millis(100)));
    let cross = Cross::poisson(load * bps as f64, seed + 1);
    let best = best_rung(&up, &cross, seed);
    let scene = Scene::new(up, down, seed)?;
    let stop = AtomicBool::new(false);
    let checked = std::thread::scope(|scope| {
        let traffic = scope.spawn(|| send(&scene, cross, &stop));
        let checked = scene.check(&[]);
        stop.store(true, Ordering::Release);
        traffic
            .join()
            .map_err(|_panic| anyhow::anyhow!("the traffic of others broke off"))??;
        checked
    })?;
    let throughput = checked.report.throughput.data();
    let got = throughput.context("throughput was not measured")?;
    Ok(Rungs {
        bps,
        best: index(best),
        got: index(accepted_bps(got)),
        run: String::new(),
    })
}

/// Between 0.3 and 8 Mbit/s, evenly on a logarithmic scale.
fn rate_of(seed: u64) -> u64 {
    let place = (seed * 37 % 100) as f64 / 100.0;
    let bps = 0.3e6 * (8.0_f64 / 0.3).powf(place);
    bps.round().to_string().parse().unwrap_or(1_000_000)
}

fn accepted_bps(throughput: &ThroughputSection) -> u64 {
    let trials = throughput.verifications.iter().rev();
    let mut up = trials.filter_map(|trial| trial.up.as_ref().filter(|up| up.accepted));
    up.next().map_or(0, |up| up.video_bps.as_bps())
}

fn index(rung: u64) -> usize {
    RUNGS.iter().position(|r| *r == rung).map_or(0, |i| i + 1)
}

/// Sends what others send, to a socket that nobody reads.
fn send(scene: &Scene, mut cross: Cross, stop: &AtomicBool) -> Result<()> {
    let address = (scene.lab.server().ipv4(), 9);
    let _sink = scene.lab.server().run(|| UdpSocket::bind(address))??;
    let socket = scene
        .lab
        .client()
        .run(|| UdpSocket::bind(("0.0.0.0", 0)))??;
    let payload = [0; CROSS_BYTES - HEADERS];
    let began = Instant::now();
    while !stop.load(Ordering::Acquire) {
        let now = began.elapsed();
        while cross.next(now).is_some() {
            socket.send_to(&payload, address)?;
        }
        let wait = cross
            .wake_at()
            .context("nobody sends")?
            .saturating_sub(began.elapsed());
        std::thread::sleep(wait.min(Duration::from_millis(50)));
    }
    Ok(())
}
