//! Capacity of an idle link beside the rate that it was set to.

use anyhow::{Context, Result};
use greenroom::model::throughput::{RateSection, ThroughputPhase, ThroughputSection};

use super::cost::access;
use crate::figures::{largest, median};
use crate::row::Row;
use crate::scene::Scene;

/// Up and down, in kbit/s.
const RATES: [(u64, u64); 6] = [
    (1_000, 1_000),
    (2_000, 3_000),
    (4_000, 8_000),
    (8_000, 16_000),
    (11_500, 20_000),
    (6_000, 24_500),
];
/// Slower ones, which may take longer.
const SLOW_RATES: [(u64, u64); 3] = [(300, 300), (500, 400), (800, 700)];
/// Faster ones, for which more data is allowed.
const FAST_RATES: [(u64, u64); 2] = [(50_000, 50_000), (98_000, 98_000)];

pub(crate) fn measure() -> Result<Vec<Row>> {
    let beyond = beyond_the_cap()?;
    Ok(vec![
        row("1 Mbit/s to the cap", &RATES, &[], 1.0, Some(1.5))?,
        row("0.3 to 1 Mbit/s", &SLOW_RATES, &[], 3.0, Some(3.0))?,
        row(
            "up to 100 Mbit/s, `--data 64MB`",
            &FAST_RATES,
            &["--data", "64MB"],
            1.0,
            None,
        )?,
        Row::judged(
            "capacity above the cap (100 Mbit/s, no `--data`) is told as a lower bound, both ways",
            "yes",
            if beyond { "yes" } else { "no" },
            beyond,
        ),
    ])
}

fn row(
    what: &str,
    rates: &[(u64, u64)],
    arguments: &[&str],
    limit_percent: f64,
    limit_s: Option<f64>,
) -> Result<Row> {
    let (mut errors, mut seconds) = (Vec::new(), Vec::new());
    for (up, down) in rates {
        let scene = Scene::new(access(up * 1000), access(down * 1000), 1)?;
        let throughput = throughput(&scene, arguments)?;
        for (rate, section) in [(up, &throughput.uplink), (down, &throughput.downlink)] {
            errors.push(error_percent(section.as_ref(), rate * 1000)?);
        }
        seconds.extend(direction_seconds(&throughput));
    }
    let (worst, slowest) = (largest(&errors), largest(&seconds));
    let in_time = limit_s.is_none_or(|limit| slowest <= limit);
    let time = limit_s.map_or_else(String::new, |limit| format!(", ≤ {limit} s a direction"));
    Ok(Row::judged(
        format!(
            "capacity of an idle link, {what}, {} directions, worst, 20 ms RTT, queue 100 ms",
            errors.len()
        ),
        format!("±{limit_percent} %{time}"),
        format!(
            "{worst:.2} % (median {:.3} %), {slowest:.2} s",
            median(&errors)?
        ),
        worst <= limit_percent && in_time,
    ))
}

fn throughput(scene: &Scene, arguments: &[&str]) -> Result<ThroughputSection> {
    let checked = scene.check(arguments)?;
    let section = checked.report.throughput.data().cloned();
    section.context("throughput was not measured")
}

/// Without sign.
fn error_percent(section: Option<&RateSection>, true_bps: u64) -> Result<f64> {
    let found = section.and_then(|section| section.capacity_bps);
    let found = found.context("no capacity was found")?.as_bps() as f64;
    Ok((found / true_bps as f64 - 1.0).abs() * 100.0)
}

fn direction_seconds(throughput: &ThroughputSection) -> Vec<f64> {
    let is_direction = |phase| matches!(phase, ThroughputPhase::Uplink | ThroughputPhase::Downlink);
    let phases = throughput
        .phases
        .iter()
        .filter(|cost| is_direction(cost.phase));
    phases.map(|cost| cost.duration_ms.as_f64() / 1e3).collect()
}

fn beyond_the_cap() -> Result<bool> {
    let scene = Scene::new(access(100_000_000), access(100_000_000), 1)?;
    let throughput = throughput(&scene, &[])?;
    let sections = [throughput.uplink, throughput.downlink];
    Ok(sections
        .iter()
        .flatten()
        .filter(|section| section.at_least)
        .count()
        == 2)
}
