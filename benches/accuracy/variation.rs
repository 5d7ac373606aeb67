//! Jitter and delay variation of each direction beside the log.

use std::time::Duration;

use anyhow::{Context, Result};
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
    let (mut jitter_errors, mut pdv_errors) = (Vec::new(), Vec::new());
    for seed in 1..=RUNS {
        let scene = Scene::with(link.clone(), seed)?;
        let checked = scene.check(&[])?;
        let truth = checked.counted(scene.truth()?)?;
        let path = checked.path()?;
        for (direction, section) in [(Direction::Up, &path.up), (Direction::Down, &path.down)] {
            let transits = transits_ms(&truth, direction);
            let jitter = section.interarrival_jitter_ms.context("no jitter")?;
            let true_jitter = interarrival_jitter(&transits);
            jitter_errors.push((jitter.as_f64() / true_jitter - 1.0).abs() * 100.0);
            let pdv = section.pdv.as_ref().context("no delay variation")?;
            let fastest = quantile(&transits, 0)?;
            let true_pdv = quantile(&transits, 950)? - fastest;
            pdv_errors.push((pdv.p95_ms.as_f64() - true_pdv).abs());
        }
    }
    let link = "normal jitter of 8 ms, order kept";
    let figures = jitter_errors.len();
    let (worst_jitter, worst_pdv) = (largest(&jitter_errors), largest(&pdv_errors));
    Ok(vec![
        Row::judged(
            format!("jitter (RFC 3550) beside the log, {link}, worst of {figures}"),
            "±5 %",
            format!(
                "{worst_jitter:.2} % (median {:.2} %)",
                median(&jitter_errors)?
            ),
            worst_jitter <= 5.0,
        ),
        Row::judged(
            format!("PDV p95 beside the log, {link}, worst of {figures}"),
            "±0.5 ms",
            format!("{worst_pdv:.3} ms (median {:.3} ms)", median(&pdv_errors)?),
            worst_pdv <= 0.5,
        ),
    ])
}

/// Source: RFC 3550 §6.4.1.
fn interarrival_jitter(transits_ms: &[f64]) -> f64 {
    let differences = transits_ms.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    differences.fold(0.0, |jitter, d| jitter + (d - jitter) / 16.0)
}
