//! Sorted samples. Own code on purpose: the truth must not come from the functions under test.

use anyhow::{Context, Result};

/// The sample at this rank, by nearest rank.
pub(crate) fn quantile(samples: &[f64], per_mille: usize) -> Result<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * per_mille).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied().context("there is no sample")
}

/// The middle; between two samples their mean.
pub(crate) fn median(samples: &[f64]) -> Result<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2).context("there is no sample")?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Ok(f64::midpoint(lower, upper))
}

/// The largest.
pub(crate) fn largest(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::NAN, f64::max)
}
