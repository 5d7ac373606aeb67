//! How well intervals keep their promise, by simulation in no time.

use super::samples::{LossModel, Random};
use crate::model::path::Loss;
use crate::units::Millis;

/// How often an interval contained the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// Simulated measurements.
    pub runs: u32,
    /// Of these, how many intervals contained the true share.
    pub covered: u32,
}

impl Coverage {
    /// Share of the runs.
    pub fn ratio(&self) -> f64 {
        f64::from(self.covered) / f64::from(self.runs.max(1))
    }
}

/// Coverage of the 95 % interval of loss: true shares from 0.5 to 20 % and 100 to 1,000 packets,
/// both evenly spread. `mean_burst` of 1 is independent loss, more is Gilbert's model.
pub fn loss_interval_coverage(mean_burst: f64, runs: u32, seed: u64) -> Coverage {
    let mut random = Random::new(seed);
    let mut covered = 0;
    for _ in 0..runs {
        let truth = 0.005 + 0.195 * random.unit();
        let packets = 100 + random.below(901);
        let model = LossModel {
            ratio: truth,
            mean_burst,
        };
        let fates = model.fates(packets, &mut random);
        if let Some(loss) = Loss::from_sequence(&fates, Millis::ZERO) {
            let interval = loss.loss_ratio_interval;
            let inside = interval.low.as_f64() <= truth && truth <= interval.high.as_f64();
            covered += u32::from(inside);
        }
    }
    Coverage { runs, covered }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_interval_covers_95_percent_for_independent_loss() {
        let coverage = loss_interval_coverage(1.0, 2000, 1).ratio();
        println!("coverage for independent loss: {coverage:.4}");
        assert!((0.93..=0.97).contains(&coverage), "{coverage}");
    }

    /// Losses in bursts carry less information than their number suggests; the interval is known
    /// to be too narrow for them. The finding on bursty loss says that they come in bursts.
    #[test]
    fn the_loss_interval_covers_less_for_bursty_loss() {
        let coverage = loss_interval_coverage(4.0, 2000, 1).ratio();
        println!("coverage for bursts of 4 packets: {coverage:.4}");
        assert!((0.5..0.85).contains(&coverage), "{coverage}");
    }
}
