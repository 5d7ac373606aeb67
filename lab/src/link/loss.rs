//! Which packets get lost.

use super::chance::Chance;

/// A loss model.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Loss {
    /// Nothing is lost.
    #[default]
    None,
    /// Each packet is lost independently with this probability, 0..=1.
    Random(f64),
    /// Exactly every n-th packet is lost, the first time the n-th one. 0 loses nothing.
    EveryNth(u32),
    /// Loss in bursts.
    GilbertElliott(GilbertElliott),
}

/// The two-state Markov model of loss; each field is a probability per packet, 0..=1.
///
/// The state changes before the loss of a packet is decided. The long-run loss ratio is
/// `(loss_in_good · q + loss_in_bad · p) / (p + q)` with `p = good_to_bad`, `q = bad_to_good`.
///
/// Source: E. O. Elliott, "Estimates of Error Rates for Codes on Burst-Noise Channels", 1963.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GilbertElliott {
    /// Probability to leave the good state.
    pub good_to_bad: f64,
    /// Probability to leave the bad state; its inverse is the mean length of a bad spell in packets.
    pub bad_to_good: f64,
    /// Loss probability in the good state.
    pub loss_in_good: f64,
    /// Loss probability in the bad state.
    pub loss_in_bad: f64,
}

impl GilbertElliott {
    /// Loss-free good state, bad state that loses everything: `loss_ratio` in the long run, in bursts that are
    /// `mean_burst` packets long on average.
    ///
    /// Arguments that contradict each other (a loss ratio too high for such short bursts) give the nearest probabilities.
    pub fn bursts(loss_ratio: f64, mean_burst: f64) -> Self {
        let bad_to_good = (1.0 / mean_burst).clamp(0.0, 1.0);
        let good_to_bad = (loss_ratio * bad_to_good / (1.0 - loss_ratio)).clamp(0.0, 1.0);
        Self {
            good_to_bad,
            bad_to_good,
            loss_in_good: 0.0,
            loss_in_bad: 1.0,
        }
    }
}

/// A loss model with its state.
#[derive(Debug, Clone)]
pub(super) struct LossProcess {
    model: Loss,
    is_bad: bool,
    n_packets: u32,
    chance: Chance,
}

impl LossProcess {
    pub(super) fn new(model: Loss, chance: Chance) -> Self {
        Self {
            model,
            is_bad: false,
            n_packets: 0,
            chance,
        }
    }

    /// Changes the model; the random stream goes on, the state starts afresh only if the model is another one.
    pub(super) fn set_model(&mut self, model: Loss) {
        if self.model != model {
            self.model = model;
            self.is_bad = false;
            self.n_packets = 0;
        }
    }

    /// Decides the next packet.
    pub(super) fn loses_next(&mut self) -> bool {
        match self.model {
            Loss::None => false,
            Loss::Random(probability) => self.chance.happens(probability),
            Loss::EveryNth(n) => self.is_nth(n),
            Loss::GilbertElliott(model) => self.step(model),
        }
    }

    fn is_nth(&mut self, n: u32) -> bool {
        self.n_packets = self.n_packets.wrapping_add(1);
        n != 0 && self.n_packets.is_multiple_of(n)
    }

    fn step(&mut self, model: GilbertElliott) -> bool {
        let leaves = if self.is_bad {
            model.bad_to_good
        } else {
            model.good_to_bad
        };
        self.is_bad ^= self.chance.happens(leaves);
        let loss = if self.is_bad {
            model.loss_in_bad
        } else {
            model.loss_in_good
        };
        self.chance.happens(loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(model: Loss, n: usize) -> Vec<bool> {
        let mut process = LossProcess::new(model, Chance::new(7, 0));
        (0..n).map(|_| process.loses_next()).collect()
    }

    fn loss_ratio(pattern: &[bool]) -> f64 {
        pattern.iter().filter(|lost| **lost).count() as f64 / pattern.len() as f64
    }

    #[test]
    fn random_loss_meets_its_probability() {
        let ratio = loss_ratio(&pattern(Loss::Random(0.02), 100_000));
        assert!((ratio - 0.02).abs() < 0.002, "{ratio}");
    }

    #[test]
    fn every_nth_is_exact() {
        assert_eq!(
            pattern(Loss::EveryNth(3), 7),
            [false, false, true, false, false, true, false]
        );
    }

    #[test]
    fn bursts_have_the_asked_ratio_and_length() {
        let pattern = pattern(
            Loss::GilbertElliott(GilbertElliott::bursts(0.05, 4.0)),
            400_000,
        );
        let ratio = loss_ratio(&pattern);
        let n_bursts = pattern
            .windows(2)
            .filter(|pair| !pair[0] && pair[1])
            .count();
        let mean_burst = ratio * pattern.len() as f64 / n_bursts as f64;
        assert!((ratio - 0.05).abs() < 0.004, "{ratio}");
        assert!((mean_burst - 4.0).abs() < 0.2, "{mean_burst}");
    }
}
