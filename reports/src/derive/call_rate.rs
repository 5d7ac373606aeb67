//! The rate that is free for a call: an estimate, bounded by what was tried.

use super::ladder::Rung;
use crate::model::throughput::{
    BitrateInterval, RateLimit, RateSection, ThroughputSection, VerifiedDirection,
};
use crate::units::Bitrate;
use crate::verdict::parts::Direction;

/// Part of a refused rate that is taken to be free when nothing was accepted: the step by which
/// trials go down.
const STEP_DOWN: f64 = 0.7;

/// The rate of one direction that is free for a call, IP layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallRate {
    /// The rate.
    pub rate: Bitrate,
    /// 95 % interval, within what trials allow.
    pub interval: Option<BitrateInterval>,
    /// More may be free: the way outran the measurement, or the server held it back.
    pub at_least: bool,
    /// Rate samples behind the estimate.
    pub samples: Option<u64>,
    /// The best rung whose traffic was accepted.
    pub accepted: Option<Rung>,
}

/// The rate that is free for a call in this direction; `None` when it is unknown.
///
/// The estimate is the usable rate; without one the rate that is there nine tenths of the time, if
/// it varied; else the capacity. What a trial accepted is free, however low the estimate; what one
/// refused is not, however high: the trial asks the question itself. A rung that was refused and
/// later accepted counts as accepted.
pub fn call_rate(throughput: &ThroughputSection, direction: Direction) -> Option<CallRate> {
    let section = direction.rate(throughput);
    let tried = Tried::of(direction.trials(throughput));
    let estimate = section.and_then(estimate);
    let rate = tried.bound(estimate.map(|(rate, _)| rate))?;
    let interval = tried.bound_interval(rate, estimate.and_then(|(_, interval)| interval));
    let outran = section.is_none_or(|section| section.at_least) && tried.ceiling.is_none();
    Some(CallRate {
        rate,
        interval,
        at_least: outran || section.is_some_and(is_held_back),
        samples: section.map(|section| section.samples),
        accepted: tried.accepted,
    })
}

/// It is not the way that keeps the rate where it is.
fn is_held_back(section: &RateSection) -> bool {
    matches!(section.limit, Some(RateLimit::Server | RateLimit::Machine))
}

fn estimate(section: &RateSection) -> Option<(Bitrate, Option<BitrateInterval>)> {
    if let Some(usable) = section.usable_bps {
        return Some((usable, section.usable_interval_bps));
    }
    if let Some(variation) = section.variation {
        let interval = BitrateInterval {
            low: variation.p10_bps,
            high: variation.p50_bps,
        };
        return Some((variation.p10_bps, Some(interval)));
    }
    let capacity = section.capacity_bps?;
    Some((capacity, section.capacity_interval_bps))
}

/// What trials say about a direction.
#[derive(Clone, Copy, Debug, Default)]
struct Tried {
    accepted: Option<Rung>,
    /// The highest rate that was accepted.
    floor: Option<Bitrate>,
    /// The highest rate below every one that was refused.
    ceiling: Option<Bitrate>,
}

impl Tried {
    fn of<'a>(trials: impl Iterator<Item = &'a VerifiedDirection>) -> Self {
        let (accepted, refused): (Vec<_>, Vec<_>) = trials.partition(|trial| trial.accepted);
        let best = accepted.iter().map(|trial| trial.rung).max();
        let of_trial = |trial: &VerifiedDirection| trial.rate_bps.max(trial.rung.rate());
        let floor = accepted.iter().map(|trial| of_trial(trial)).max();
        // A rung that was refused is out of reach even at its lowest rate; within the accepted one
        // it is only the rate that was too much.
        let too_much = |trial: &&VerifiedDirection| {
            if Some(trial.rung) > best {
                Some(trial.rung.rate())
            } else {
                Some(of_trial(trial)).filter(|rate| Some(*rate) > floor)
            }
        };
        let ceiling = refused.iter().filter_map(too_much).min();
        let ceiling = ceiling.map(|rate| Bitrate::from_bps(rate.as_bps().saturating_sub(1)));
        Self {
            accepted: best,
            // Audio beside the video may take an accepted rung beyond the next one's edge.
            floor: floor.map(|floor| ceiling.map_or(floor, |ceiling| floor.min(ceiling))),
            ceiling,
        }
    }

    fn bound(&self, estimate: Option<Bitrate>) -> Option<Bitrate> {
        let rate = estimate.or(self.floor)?;
        let Some(ceiling) = self.ceiling.filter(|ceiling| rate > *ceiling) else {
            return Some(self.floor.map_or(rate, |floor| floor.max(rate)));
        };
        Some(self.floor.unwrap_or_else(|| scaled(ceiling, STEP_DOWN)))
    }

    fn bound_interval(
        &self,
        rate: Bitrate,
        interval: Option<BitrateInterval>,
    ) -> Option<BitrateInterval> {
        if interval.is_none() && self.ceiling.is_none() {
            return None;
        }
        let low = interval.map_or(Bitrate::default(), |interval| interval.low);
        let high = interval.map(|interval| interval.high).into_iter();
        let high = high.chain(self.ceiling).min().unwrap_or(rate);
        Some(BitrateInterval {
            low: self.floor.map_or(low, |floor| floor.max(low)).min(rate),
            high: high.max(rate),
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate, and the factor is below 1"
)]
fn scaled(rate: Bitrate, factor: f64) -> Bitrate {
    Bitrate::from_bps((rate.as_bps() as f64 * factor) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::samples::{Shape, ThroughputModel};

    fn up(model: &ThroughputModel) -> CallRate {
        call_rate(&model.section(), Direction::Up).unwrap()
    }

    #[test]
    fn an_accepted_rung_stands_above_a_low_estimate() {
        let mut section = ThroughputModel::default().section();
        let uplink = section.uplink.as_mut().unwrap();
        uplink.usable_bps = Some(Bitrate::from_kbps(500));
        let rate = call_rate(&section, Direction::Up).unwrap();
        assert!(rate.rate >= Rung::P1080.rate());
    }

    #[test]
    fn a_refused_rung_stands_below_a_high_estimate() {
        let mut section = ThroughputModel::default().section();
        let mut refused = section.verifications[0].clone();
        let up = refused.up.as_mut().unwrap();
        up.accepted = false;
        up.rung = Rung::P720;
        section.verifications = vec![refused];
        let rate = call_rate(&section, Direction::Up).unwrap();
        assert!(rate.rate < Rung::P720.rate());
        assert!(rate.interval.unwrap().high < Rung::P720.rate());
        assert!(!rate.at_least);
    }

    #[test]
    fn a_rate_refused_within_an_accepted_rung_stays_out_of_reach() {
        let mut section = ThroughputModel::default().section();
        let trial = |kbps, accepted| {
            let mut trial = section.verifications[0].clone();
            let up = trial.up.as_mut().unwrap();
            up.rung = Rung::P720;
            up.rate_bps = Bitrate::from_kbps(kbps);
            up.accepted = accepted;
            trial
        };
        section.verifications = vec![trial(2_800, false), trial(1_960, true)];
        let rate = call_rate(&section, Direction::Up).unwrap();
        assert_eq!(rate.rate, Bitrate::from_kbps(1_960));
        assert_eq!(rate.interval.unwrap().high, Bitrate::from_bps(2_799_999));
    }

    #[test]
    fn what_was_refused_and_then_accepted_is_free() {
        let mut section = ThroughputModel::default().section();
        let mut refused = section.verifications[0].clone();
        refused.up.as_mut().unwrap().accepted = false;
        section.verifications.insert(0, refused);
        let rate = call_rate(&section, Direction::Up).unwrap();
        assert_eq!(rate.rate, Bitrate::from_kbps(10_000));
    }

    #[test]
    fn nothing_measured_is_unknown() {
        let mut section = ThroughputModel::default().section();
        section.uplink = None;
        section.verifications.clear();
        assert_eq!(call_rate(&section, Direction::Up), None);
    }

    #[test]
    fn a_rate_that_varies_counts_with_what_is_there_most_of_the_time() {
        let model = ThroughputModel {
            up_shape: Shape::Varies,
            up_kbps: 2_000,
            ..ThroughputModel::default()
        };
        assert!(up(&model).rate < Bitrate::from_kbps(2_000));
    }

    proptest! {
        #[test]
        fn the_interval_contains_the_rate(up_kbps in 50_u64..20_000, down_kbps in 50_u64..20_000) {
            let model = ThroughputModel { up_kbps, down_kbps, ..ThroughputModel::default() };
            for direction in [Direction::Up, Direction::Down] {
                let rate = call_rate(&model.section(), direction).unwrap();
                if let Some(interval) = rate.interval {
                    prop_assert!(interval.low <= rate.rate && rate.rate <= interval.high);
                }
            }
        }
    }
}
