//! Whether the intervals of loss keep their promise when the whole protocol measured them, and
//! whether the figures are those of the link's log.

use std::ops::AddAssign;
use std::time::Duration;

use greenroom_lab::link::{Direction, GilbertElliott, Jitter, LinkConfig, Loss};
use greenroom_protocol::measure::client::StreamPlan;
use greenroom_protocol::measure::limits::Limits;
use greenroom_reports::model::path::{DirectionSection, PathSection};
use greenroom_reports::samples::Random;

use super::truth::{Truth, behind_zeros};
use super::{ClientEnd, Run, ServerEnd, config, in_parallel, measure_with};

/// How often the 95 % interval of loss held the true probability, in one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Coverage {
    pub(crate) runs: u32,
    pub(crate) covered: u32,
    /// Runs in which the number of packets lost was the one in the log. Packets lost in an outage
    /// are no loss, so runs with one count here too.
    pub(crate) counted_exactly: u32,
}

impl Coverage {
    pub(crate) fn percent(&self) -> f64 {
        100.0 * f64::from(self.covered) / f64::from(self.runs.max(1))
    }

    pub(crate) fn percent_counted_exactly(&self) -> f64 {
        100.0 * f64::from(self.counted_exactly) / f64::from(self.runs.max(1))
    }
}

impl AddAssign for Coverage {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.covered += other.covered;
        self.counted_exactly += other.counted_exactly;
    }
}

/// Coverage up and down over `runs` measurements: 0.5 to 20 % of loss in each direction, 100 to
/// 1,000 packets, all evenly spread. `mean_burst` of 1 is independent loss, more is
/// Gilbert-Elliott's.
pub(crate) fn loss_coverage(runs: u64, mean_burst: f64) -> [Coverage; 2] {
    let mut total = [Coverage::default(); 2];
    for one in in_parallel(runs, |seed| loss_covered(seed, mean_burst)) {
        total[0] += one[0];
        total[1] += one[1];
    }
    total
}

fn loss_covered(seed: u64, mean_burst: f64) -> [Coverage; 2] {
    let mut random = Random::new(seed);
    let truth = [(); 2].map(|()| 0.005 + 0.195 * random.unit());
    let pair_every = u64::from(StreamPlan::default().pair_every);
    let packets = 100 + random.below(901);
    let slots = u32::try_from(packets * pair_every / (pair_every + 1)).unwrap_or(u32::MAX);
    let [up, down] = truth.map(|ratio| {
        let loss = if mean_burst > 1.0 {
            Loss::GilbertElliott(GilbertElliott::bursts(ratio, mean_burst))
        } else {
            Loss::Random(ratio)
        };
        LinkConfig::new().delay_ms(20).loss(loss)
    });
    let run = patient(up, down, seed, slots);
    let Some(section) = run.section() else {
        return [Coverage::default(); 2];
    };
    let log = truth_of(&run);
    Direction::BOTH.map(|direction| {
        let loss = of(&section, direction).loss.as_ref();
        let ratio = truth[usize::from(direction == Direction::Down)];
        loss.map_or_else(Coverage::default, |loss| {
            let interval = loss.loss_ratio_interval;
            let holds = interval.low.as_f64() <= ratio && ratio <= interval.high.as_f64();
            Coverage {
                runs: 1,
                covered: u32::from(holds),
                counted_exactly: u32::from(
                    loss.packets_lost_in_outages > 0 || log.loss(direction).1 == loss.packets_lost,
                ),
            }
        })
    })
}

/// Errors of one direction's figures against the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VariationError {
    /// Interarrival jitter, as a share of the true one.
    pub(crate) jitter_ratio: f64,
    /// 95th percentile of delay variation.
    pub(crate) pdv_p95_ms: f64,
}

/// Errors up and down over `runs` measurements of full length with normal jitter of 1 to 30 ms.
/// Nothing is lost: a packet whose answer is lost is in the log and not among the answers.
pub(crate) fn variation_errors(runs: u64) -> Vec<VariationError> {
    let errors = in_parallel(runs, |seed| {
        let mut random = Random::new(seed);
        let [up, down] = [(); 2].map(|()| {
            LinkConfig::new()
                .delay_ms(100)
                .jitter(Jitter::Normal(between(&mut random, 1.0, 30.0)))
        });
        let run = patient(up, down, seed, 150);
        let section = run.section();
        let log = truth_of(&run);
        Direction::BOTH.map(|direction| variation_error(section.as_ref()?, &log, direction))
    });
    errors.into_iter().flatten().flatten().collect()
}

/// Error of one direction's figures; `None` when a figure is missing.
pub(crate) fn variation_error(
    section: &PathSection,
    log: &Truth,
    direction: Direction,
) -> Option<VariationError> {
    let measured = of(section, direction);
    let jitter = log.interarrival_jitter_ms(direction);
    Some(VariationError {
        jitter_ratio: measured.interarrival_jitter_ms?.as_f64() / jitter - 1.0,
        pdv_p95_ms: measured.pdv.as_ref()?.p95_ms.as_f64() - log.pdv_p95_ms(direction)?,
    })
}

fn of(section: &PathSection, direction: Direction) -> &DirectionSection {
    match direction {
        Direction::Up => &section.up,
        Direction::Down => &section.down,
    }
}

fn truth_of(run: &Run) -> Truth {
    let warmup = u32::try_from(run.client.client.warmup()).unwrap_or(0);
    Truth::of(&run.link.records(), behind_zeros, warmup)
}

pub(crate) fn between(random: &mut Random, low_ms: f64, high_ms: f64) -> Duration {
    Duration::from_secs_f64((low_ms + (high_ms - low_ms) * random.unit()) / 1e3)
}

/// A measurement whose handshake does not give up, with a session that is long enough.
fn patient(up: LinkConfig, down: LinkConfig, seed: u64, slots: u32) -> Run {
    let mut config = config(seed, slots);
    config.patience = Duration::from_secs(20);
    config.session_time = Duration::from_mins(1);
    let ends = (ClientEnd::new(config), ServerEnd::new(Limits::default()));
    measure_with(up, down, seed, ends.0, ends.1)
}
