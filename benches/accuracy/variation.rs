//! Jitter and delay variation of each direction beside the log.

use std::time::Duration;

use anyhow::{Context, Result};
use greenroom::model::path::DirectionSection;
use greenroom_lab::link::{Direction, Jitter, LinkConfig};

use crate::figures::{largest, median, quantile};
use crate::log::transits_ms;
use crate::row::Row;
use crate::scene::Scene;

const RUNS: u64 = 5;

pub(crate) fn measure() -> Result<Vec<Row>> {
    let link = LinkConfig::new()
        .delay_ms(40)
        .jitter(Jitter::Normal(Duration::from_millis(8)));
    let (mut up, mut down) = (Errors::default(), Errors::default());
    for seed in 1..=RUNS {
        let scene = Scene::with(link.clone(), seed)?;
        let checked = scene.check(&["--skip", "throughput,camera,microphone,speaker"])?;
        let truth = checked.counted(scene.truth()?)?;
        let path = checked.path()?;
        up.add(&transits_ms(&truth, Direction::Up), &path.up)?;
        down.add(&transits_ms(&truth, Direction::Down), &path.down)?;
    }
    Ok([up.rows("up")?, down.rows("down")?].concat())
}

/// Errors of one direction, without sign, one entry a run.
#[derive(Default)]
struct Errors {
    jitter_percent: Vec<f64>,
    pdv_ms: Vec<f64>,
}

impl Errors {
    fn add(&mut self, transits_ms: &[f64], section: &DirectionSection) -> Result<()> {
        let jitter = section.interarrival_jitter_ms.context("no jitter")?;
        let ratio = jitter.as_f64() / interarrival_jitter(transits_ms);
        self.jitter_percent.push((ratio - 1.0).abs() * 100.0);
        let pdv = section.pdv.as_ref().context("no delay variation")?;
        let true_pdv = quantile(transits_ms, 950)? - quantile(transits_ms, 0)?;
        self.pdv_ms.push((pdv.p95_ms.as_f64() - true_pdv).abs());
        Ok(())
    }

    fn rows(&self, way: &str) -> Result<[Row; 2]> {
        let link = "normal jitter of 8 ms, order kept";
        let (worst_jitter, worst_pdv) = (largest(&self.jitter_percent), largest(&self.pdv_ms));
        Ok([
            Row::judged(
                format!("jitter (RFC 3550) {way} beside the log, {link}, worst of {RUNS}"),
                "±5 %",
                format!(
                    "{worst_jitter:.2} % (median {:.2} %)",
                    median(&self.jitter_percent)?
                ),
                worst_jitter <= 5.0,
            ),
            Row::judged(
                format!("PDV p95 {way} beside the log, {link}, worst of {RUNS}"),
                "±0.5 ms",
                format!("{worst_pdv:.3} ms (median {:.3} ms)", median(&self.pdv_ms)?),
                worst_pdv <= 0.5,
            ),
        ])
    }
}

/// Source: RFC 3550 §6.4.1.
fn interarrival_jitter(transits_ms: &[f64]) -> f64 {
    let differences = transits_ms.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    differences.fold(0.0, |jitter, d| jitter + (d - jitter) / 16.0)
}
