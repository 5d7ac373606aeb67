//! The E-model: from codec, loss and delay to a mean opinion score.
//!
//! There are three scales, one for each audio bandwidth. Their ratings must never be mixed or
//! averaged, so each is a type of its own and a codec belongs to exactly one.
//!
//! Source: ITU-T G.107 (narrowband), G.107.1 (wideband), G.107.2 (fullband), each with the default
//! values of all that is not an argument here: no echo, no noise, no advantage of access. Values
//! of codecs are provisional planning values.

use std::marker::PhantomData;

/// A scale of the model.
pub trait Scale {
    /// The recommendation, and what the estimate is.
    const NAME: &'static str;
    /// The rating without any impairment, `Ro`.
    const R0: f64;
    /// The rating over that of the narrowband scale, on which delay and score are defined.
    const STRETCH: f64;
    /// The impairment that total loss leads to.
    const LOSS_CEILING: f64;
}

/// 300 to 3,400 Hz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Narrowband {}

/// 50 to 7,000 Hz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wideband {}

/// 20 to 20,000 Hz; superwideband is rated on it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fullband {}

impl Scale for Narrowband {
    const NAME: &'static str = "estimated conversational MOS (ITU-T G.107, planning model)";
    const R0: f64 = 93.2;
    const STRETCH: f64 = 1.0;
    const LOSS_CEILING: f64 = 95.0;
}

impl Scale for Wideband {
    const NAME: &'static str = "estimated conversational MOS (ITU-T G.107.1, planning model)";
    const R0: f64 = 129.0;
    const STRETCH: f64 = 1.29;
    const LOSS_CEILING: f64 = 95.0;
}

impl Scale for Fullband {
    const NAME: &'static str = "estimated conversational MOS (ITU-T G.107.2, planning model)";
    const R0: f64 = 148.0;
    const STRETCH: f64 = 1.48;
    const LOSS_CEILING: f64 = 132.0;
}

/// A codec at one bitrate, on the scale `S`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Codec<S> {
    /// Name, bandwidth and bitrate.
    pub name: &'static str,
    /// Equipment impairment `Ie` without loss.
    pub ie: f64,
    /// Robustness against random loss, `Bpl`.
    pub bpl_random: f64,
    /// Robustness against loss in bursts, where it was determined of its own.
    pub bpl_bursty: Option<f64>,
    scale: PhantomData<S>,
}

impl<S> Codec<S> {
    /// A codec by its published values.
    pub const fn new(
        name: &'static str,
        ie: f64,
        bpl_random: f64,
        bpl_bursty: Option<f64>,
    ) -> Self {
        Self {
            name,
            ie,
            bpl_random,
            bpl_bursty,
            scale: PhantomData,
        }
    }
}

/// What the network and the jitter buffer do to packets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Losses {
    /// Share that is missing when it is to be played, from 0 to 1.
    pub ratio: f64,
    /// Losses come in bursts.
    pub bursty: bool,
    /// G.107's `BurstR`, 1 for random loss. Used where the codec has no value for bursts.
    pub burst_ratio: f64,
}

impl Losses {
    /// Losses that do not depend on each other.
    pub const fn random(ratio: f64) -> Self {
        Self {
            ratio,
            bursty: false,
            burst_ratio: 1.0,
        }
    }
}

/// A transmission rating on the scale `S`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating<S> {
    r: f64,
    scale: PhantomData<S>,
}

impl<S: Scale> Rating<S> {
    /// Rates a call with this codec, these losses and this delay from mouth to ear in milliseconds.
    ///
    /// `R = Ro - Idd - Ie,eff` with `Ie,eff = Ie + (C - Ie) Ppl / (Ppl / BurstR + Bpl)`, `Ppl` in
    /// percent, and `C` 95, in fullband 132. Where a codec has a `Bpl` for bursts, that is used in
    /// place of `BurstR`.
    pub fn of(codec: &Codec<S>, losses: Losses, delay_ms: f64) -> Self {
        let ppl = 100.0 * losses.ratio.clamp(0.0, 1.0);
        let (bpl, burst_ratio) = match (losses.bursty, codec.bpl_bursty) {
            (false, _) => (codec.bpl_random, 1.0),
            (true, Some(bursty)) => (bursty, 1.0),
            (true, None) => (codec.bpl_random, losses.burst_ratio.max(1.0)),
        };
        let effective = codec.ie + (S::LOSS_CEILING - codec.ie) * ppl / (ppl / burst_ratio + bpl);
        Self {
            r: S::R0 - S::STRETCH * delay_impairment(delay_ms) - effective,
            scale: PhantomData,
        }
    }

    /// The rating on its own scale.
    pub fn value(self) -> f64 {
        self.r
    }

    /// The mean opinion score, from 1 to 4.5.
    ///
    /// Below a rating of 6.5 the polynomial would fall a hair below 1, where it is held.
    ///
    /// Source: G.107 annex B, on the rating brought to the narrowband scale.
    pub fn mos(self) -> f64 {
        match self.r / S::STRETCH {
            r if r <= 0.0 => 1.0,
            r if r >= 100.0 => 4.5,
            r => (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0),
        }
    }
}

/// `Idd` on the narrowband scale: none up to 100 ms.
///
/// Source: G.107 §7.4, with the default delay sensitivity: `sT` 1, `mT` 100 ms.
fn delay_impairment(delay_ms: f64) -> f64 {
    if delay_ms <= 100.0 {
        return 0.0;
    }
    let x = (delay_ms / 100.0).log2();
    let root = |x: f64| (1.0 + x.powi(6)).powf(1.0 / 6.0);
    25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::derive::opus;

    /// To 0.01, as the model's vectors are given.
    fn mos<S: Scale>(codec: &Codec<S>, losses: Losses, delay_ms: f64) -> f64 {
        (100.0 * Rating::of(codec, losses, delay_ms).mos()).round() / 100.0
    }

    #[test]
    fn fullband_gives_the_vectors_computed_by_hand() {
        let of = |ratio, delay| mos(&opus::SWB_VBR_34K, Losses::random(ratio), delay);
        let vector = [0.0, 0.01, 0.03, 0.05, 0.1];
        assert_eq!(vector.map(|p| of(p, 150.0)), [4.34, 4.12, 3.68, 3.29, 2.6]);
        assert_eq!(vector.map(|p| of(p, 300.0)), [3.83, 3.51, 2.95, 2.53, 1.87]);
    }

    /// `Ie,eff = 14.76 + 117.24 * 3 / 11.54 = 45.238`, `Idd = 1.48 * 0.1635 = 0.242`, `R = 102.520`,
    /// over 1.48 69.270: `1 + 2.4245 + 69.270 * 9.270 * 30.730 * 7e-6 = 3.56`.
    #[test]
    fn bursts_are_rated_by_their_own_value() {
        let losses = Losses {
            ratio: 0.03,
            bursty: true,
            burst_ratio: 2.0,
        };
        assert_eq!(mos(&opus::SWB_VBR_34K, losses, 150.0), 3.56);
    }

    /// `Ro = 93.2` alone: `1 + 3.262 + 93.2 * 33.2 * 6.8 * 7e-6 = 4.41`. G.711 with concealment and
    /// 2 % loss: `95 * 2 / 27.1 = 7.011`, `R = 86.189`, `1 + 3.0166 + 0.2182 = 4.23`.
    #[test]
    fn narrowband_gives_the_vectors_computed_by_hand() {
        assert_eq!(mos(&opus::G711_PLC, Losses::random(0.0), 50.0), 4.41);
        assert_eq!(mos(&opus::G711_PLC, Losses::random(0.02), 100.0), 4.23);
        let bursty = Losses {
            ratio: 0.02,
            bursty: true,
            burst_ratio: 2.0,
        };
        // 95 * 2 / 26.1 = 7.280, R = 85.920.
        assert_eq!(mos(&opus::G711_PLC, bursty, 100.0), 4.23);
        // Ie 11.74: R = 81.46, 1 + 2.8511 + 0.2268.
        assert_eq!(mos(&opus::NB_VBR_9K, Losses::random(0.0), 100.0), 4.08);
    }

    /// Ie 19.96: `R = 109.04`, over 1.29 84.527: `1 + 2.9584 + 0.2246 = 4.18`. With 5 % loss
    /// `19.96 + 75.04 * 5 / 24.5 = 35.274`, `R = 93.726`, 72.656: `1 + 2.5430 + 0.1760 = 3.72`.
    #[test]
    fn wideband_gives_the_vectors_computed_by_hand() {
        assert_eq!(mos(&opus::WB_VBR_13K, Losses::random(0.0), 100.0), 4.18);
        assert_eq!(mos(&opus::WB_VBR_13K, Losses::random(0.05), 100.0), 3.72);
    }

    #[test]
    fn every_scale_names_itself() {
        assert!(Narrowband::NAME.contains("G.107,"));
        assert!(Wideband::NAME.contains("G.107.1"));
        assert!(Fullband::NAME.contains("G.107.2"));
    }

    #[test]
    fn a_percentage_is_not_a_fraction() {
        assert!(mos(&opus::SWB_VBR_34K, Losses::random(0.5), 100.0) < 1.5);
    }

    proptest! {
        #[test]
        fn more_loss_or_delay_never_gets_a_better_score(
            loss in 0.0_f64..1.0, more in 0.0_f64..1.0,
            delay in 0.0_f64..800.0, later in 0.0_f64..800.0, bursty: bool
        ) {
            let losses = |ratio: f64| Losses { ratio, bursty, burst_ratio: 2.0 };
            let of = |ratio, delay| Rating::of(&opus::SWB_VBR_34K, losses(ratio), delay).mos();
            let score = of(loss, delay);
            prop_assert!((1.0..=4.5).contains(&score));
            prop_assert!(of((loss + more).min(1.0), delay) <= score + 1e-9);
            prop_assert!(of(loss, delay + later) <= score + 1e-9);
        }
    }
}
