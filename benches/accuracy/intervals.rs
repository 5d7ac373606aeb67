//! How often the interval of loss holds the truth, and how close jitter and delay variation are, by simulation of the
//! whole protocol.

use anyhow::{Result, ensure};

use crate::figures::{largest, median};
use crate::harness::coverage::{Coverage, loss_coverage, variation_errors};
use crate::row::Row;

const RUNS: u64 = 2000;
const VARIATION_RUNS: u64 = 500;

/// Packets in a row that a burst loses on average.
const BURST: f64 = 4.0;

pub(crate) fn measure() -> Result<Vec<Row>> {
    let random = loss_coverage(RUNS, 1.0);
    let bursty = loss_coverage(RUNS, BURST);
    let percents = random.map(|coverage| coverage.percent());
    let errors = variation_errors(VARIATION_RUNS);
    ensure!(!errors.is_empty(), "no simulated run has a figure");
    let jitter: Vec<f64> = errors
        .iter()
        .map(|e| 100.0 * e.jitter_ratio.abs())
        .collect();
    let pdv: Vec<f64> = errors.iter().map(|e| e.pdv_p95_ms.abs()).collect();
    let (worst_jitter, worst_pdv) = (largest(&jitter), largest(&pdv));
    Ok(vec![
        Row::judged(
            format!("95 % interval of loss, independent, p = 0.5–20 %, n = 100–1,000, {RUNS} runs"),
            "holds p in 93–97 %",
            in_words(random),
            percents
                .iter()
                .all(|percent| (93.0..=97.0).contains(percent)),
        ),
        Row::told(
            format!("the same, Gilbert–Elliott loss in bursts of {BURST} on average"),
            in_words(bursty),
        ),
        Row::judged(
            format!(
                "jitter and PDV p95 beside the log, normal jitter 1–30 ms, worst of {}",
                errors.len()
            ),
            "±5 %, ±0.5 ms",
            format!(
                "{worst_jitter:.3} % (median {:.3} %), {worst_pdv:.3} ms (median {:.3} ms)",
                median(&jitter)?,
                median(&pdv)?
            ),
            worst_jitter <= 5.0 && worst_pdv <= 0.5,
        ),
    ])
}

fn in_words([up, down]: [Coverage; 2]) -> String {
    let counted = up
        .percent_counted_exactly()
        .min(down.percent_counted_exactly());
    format!(
        "up {:.1} %, down {:.1} %; lost packets counted as in the log in {counted:.1} %",
        up.percent(),
        down.percent()
    )
}
