//! Loss: how much, and whether it comes in bursts.

use statrs::distribution::{DiscreteCDF, Hypergeometric};

use super::proportion::wilson_interval;
use crate::model::path::{Gilbert, Loss};
use crate::units::{Millis, Ratio};

/// Fewest packets for which the two-state model is given.
pub const MIN_GILBERT_PACKETS: u64 = 40;

/// Losses are bursty only if independent ones would cluster like this in less than one of a
/// hundred runs. Raising it calls more random loss bursty.
pub(crate) const MAX_INDEPENDENCE_P_VALUE: f64 = 0.01;
/// Losses are bursty only if their mean run is this many times that of independent ones.
///
/// Engineering choice; ITU-T G.107 has 1 for random loss and 2 for typical bursts.
pub(crate) const MIN_BURST_RATIO: f64 = 1.4;
/// Losses are bursty only if the longest run has at least this many packets: three packets of
/// 20 ms are what concealment no longer hides.
const MIN_BURST_PACKETS: u64 = 3;

/// The losses are not independent of each other.
pub(crate) fn is_bursty(loss: &Loss) -> bool {
    loss.longest_burst_packets >= MIN_BURST_PACKETS
        && loss.gilbert.is_some_and(|gilbert| {
            gilbert.independence_p_value.as_f64() < MAX_INDEPENDENCE_P_VALUE
                && gilbert.burst_ratio >= MIN_BURST_RATIO
        })
}

/// What became of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrived, at whatever time and in whatever order.
    Arrived,
    /// It never arrived.
    Lost,
    /// It was lost while nothing at all came through. It counts neither as sent nor as lost, and
    /// it ends a burst: the outage is told apart.
    LostInOutage,
}

impl Loss {
    /// Summarizes packets in the order in which they were sent, one every `spacing`.
    ///
    /// Packets of several phases may be chained. `None` when no packet counts.
    pub fn from_sequence(fates: &[Fate], spacing: Millis) -> Option<Self> {
        let counts = Counts::of(fates);
        let longest_burst_ms = spacing.as_f64() * counts.longest_run as f64;
        Some(Self {
            packets_sent: counts.sent(),
            packets_lost: counts.lost,
            packets_lost_in_outages: counts.in_outages,
            loss_ratio: Ratio::of(counts.lost, counts.sent())?,
            loss_ratio_interval: wilson_interval(counts.lost, counts.sent())?,
            bursts: counts.runs,
            longest_burst_packets: counts.longest_run,
            longest_burst_ms: Millis::new(longest_burst_ms)?,
            gilbert: gilbert(&counts),
        })
    }
}

/// Probability of at most `runs` runs of losses if the `lost` of `sent` packets were lost
/// independently; 1 without loss.
///
/// Given how many are lost, every arrangement is equally likely under independence. Of the
/// `C(n, k)` arrangements, `C(k-1, r-1) C(n-k+1, r)` have `r` runs, which is the hypergeometric
/// distribution with population `n`, `n-k+1` successes and `k` draws.
///
/// Source: W. L. Stevens, "Distribution of groups in a sequence of alternatives", Annals of
/// Eugenics 9 (1939).
pub fn independence_p_value(sent: u64, lost: u64, runs: u64) -> Ratio {
    if lost == 0 || lost >= sent {
        return Ratio::ONE;
    }
    Hypergeometric::new(sent, sent - lost + 1, lost)
        .ok()
        .and_then(|runs_if_random| Ratio::new(runs_if_random.cdf(runs).clamp(0.0, 1.0)))
        .unwrap_or(Ratio::ONE)
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    arrived: u64,
    lost: u64,
    in_outages: u64,
    runs: u64,
    longest_run: u64,
    /// Transitions by the state before and after: arrived-arrived, arrived-lost and so on.
    stayed_up: u64,
    went_down: u64,
    stayed_down: u64,
    came_up: u64,
}

impl Counts {
    fn of(fates: &[Fate]) -> Self {
        let mut counts = Self::default();
        let mut previous = None;
        let mut run = 0;
        for &fate in fates {
            match fate {
                Fate::Arrived => counts.arrived += 1,
                Fate::Lost => counts.lost += 1,
                Fate::LostInOutage => counts.in_outages += 1,
            }
            match (previous, fate) {
                (Some(Fate::Arrived), Fate::Arrived) => counts.stayed_up += 1,
                (Some(Fate::Arrived), Fate::Lost) => counts.went_down += 1,
                (Some(Fate::Lost), Fate::Lost) => counts.stayed_down += 1,
                (Some(Fate::Lost), Fate::Arrived) => counts.came_up += 1,
                _ => {}
            }
            run = if fate == Fate::Lost { run + 1 } else { 0 };
            counts.runs += u64::from(run == 1);
            counts.longest_run = counts.longest_run.max(run);
            previous = Some(fate);
        }
        counts
    }

    fn sent(&self) -> u64 {
        self.arrived + self.lost
    }
}

/// The two-state model by counted transitions.
///
/// Source: `p = n01 / n0` and `r = n10 / n1`, the maximum-likelihood estimates; ITU-T G.107 for
/// `BurstR = 1 / (p + r)`.
fn gilbert(counts: &Counts) -> Option<Gilbert> {
    if counts.sent() < MIN_GILBERT_PACKETS || counts.lost == 0 {
        return None;
    }
    let p = Ratio::of(counts.went_down, counts.stayed_up + counts.went_down)?;
    let r = Ratio::of(counts.came_up, counts.stayed_down + counts.came_up)?;
    let sum = p.as_f64() + r.as_f64();
    (sum > 0.0).then(|| Gilbert {
        p,
        r,
        burst_ratio: (1000.0 / sum).round() / 1000.0,
        independence_p_value: independence_p_value(counts.sent(), counts.lost, counts.runs),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `.` arrived, `x` lost, `o` lost in an outage.
    fn fates(pattern: &str) -> Vec<Fate> {
        let fate = |c| match c {
            'x' => Fate::Lost,
            'o' => Fate::LostInOutage,
            _ => Fate::Arrived,
        };
        pattern.chars().map(fate).collect()
    }

    fn loss(pattern: &str) -> Loss {
        Loss::from_sequence(&fates(pattern), Millis::new(20.0).unwrap()).unwrap()
    }

    #[test]
    fn bursts_are_counted_with_their_length_in_time() {
        let loss = loss("..x..xxx.x");
        assert_eq!((loss.packets_sent, loss.packets_lost), (10, 5));
        assert_eq!((loss.bursts, loss.longest_burst_packets), (3, 3));
        assert_eq!(loss.longest_burst_ms.as_f64(), 60.0);
        assert_eq!(loss.loss_ratio, Ratio::new(0.5).unwrap());
    }

    #[test]
    fn an_outage_counts_neither_as_sent_nor_as_lost() {
        let loss = loss("...xooooox..");
        assert_eq!((loss.packets_sent, loss.packets_lost), (7, 2));
        assert_eq!(loss.packets_lost_in_outages, 5);
        assert_eq!((loss.bursts, loss.longest_burst_packets), (2, 1));
    }

    #[test]
    fn nothing_sent_gives_no_loss() {
        assert_eq!(Loss::from_sequence(&fates("ooo"), Millis::ZERO), None);
    }

    #[test]
    fn gilbert_parameters_are_the_counted_transitions() {
        // 40 packets: 36 arrived, 35 of them followed by a packet, 2 times by a loss; 4 lost, in
        // two runs of 2, each followed by an arrival.
        let pattern = format!("{}xx{}xx{}", ".".repeat(10), ".".repeat(10), ".".repeat(16));
        let gilbert = loss(&pattern).gilbert.unwrap();
        assert_eq!(gilbert.p, Ratio::of(2, 35).unwrap());
        assert_eq!(gilbert.r, Ratio::of(2, 4).unwrap());
        assert_eq!(gilbert.burst_ratio, 1.795);
    }

    #[test]
    fn two_losses_side_by_side_among_ten_have_the_chance_of_one_in_five() {
        // 9 of the 45 pairs are neighbors.
        assert_eq!(independence_p_value(10, 2, 1), Ratio::new(0.2).unwrap());
        assert_eq!(independence_p_value(10, 2, 2), Ratio::ONE);
        // 5 lost in one run among 100: 96 of 75,287,520 arrangements.
        assert_eq!(
            independence_p_value(100, 5, 1),
            Ratio::new(0.000_001).unwrap()
        );
    }

    #[test]
    fn without_loss_nothing_speaks_against_independence() {
        assert_eq!(independence_p_value(100, 0, 0), Ratio::ONE);
        assert_eq!(loss(&".".repeat(100)).gilbert, None);
    }

    proptest! {
        #[test]
        fn counts_agree_with_each_other(pattern in "[.xo]{1,400}") {
            if let Some(loss) = Loss::from_sequence(&fates(&pattern), Millis::new(20.0).unwrap()) {
                prop_assert!(loss.packets_lost <= loss.packets_sent);
                prop_assert!(loss.bursts <= loss.packets_lost);
                prop_assert!(loss.longest_burst_packets <= loss.packets_lost);
                prop_assert!(loss.loss_ratio_interval.low <= loss.loss_ratio);
                prop_assert!(loss.loss_ratio <= loss.loss_ratio_interval.high);
            }
        }

        #[test]
        fn more_runs_are_more_likely_under_independence(
            (sent, lost, runs) in (2_u64..500).prop_flat_map(|n| (Just(n), 1..n))
                .prop_flat_map(|(n, k)| (Just(n), Just(k), 1..=k))
        ) {
            let fewer = independence_p_value(sent, lost, runs);
            prop_assert!(fewer <= independence_p_value(sent, lost, runs + 1));
        }
    }
}
