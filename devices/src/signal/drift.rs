//! The real sample rate of a device against the clock.

use std::time::Duration;

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::signal::view::SampleRate;

/// Fewest points for a line.
const LEAST_POINTS: usize = 10;

/// Shortest span for a line: over less, a buffer more or less is hundreds of ppm.
const LEAST_SPAN: Duration = Duration::from_secs(1);

/// Of the callbacks in so much time, the one that came soonest is a point. A callback comes late when
/// the processor is busy, and never early, so the others tell about the processor.
const BIN: Duration = Duration::from_millis(50);

/// Most points that are kept; then every other one is dropped.
const MOST_POINTS: usize = 4096;

/// Times at which so many samples had arrived.
#[derive(Clone, Debug)]
pub struct DriftMeter {
    nominal: SampleRate,
    points: Vec<(f64, f64)>,
    bin: Option<Bin>,
    /// Of so many points that arrive, one is kept.
    stride: u64,
    n_taken: u64,
    last: Option<(Duration, u64)>,
    n_refused: u64,
}

/// Callbacks that are a point together.
#[derive(Clone, Copy, Debug)]
struct Bin {
    number: u128,
    soonest: (f64, f64),
}

/// A sample rate with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// Samples a second by the clock.
    pub rate_hz: f64,
    /// Deviation from the nominal rate in parts per million.
    pub drift_ppm: f64,
    /// Lower end of the deviation's 95 % interval.
    pub low_ppm: f64,
    /// Upper end.
    pub high_ppm: f64,
    /// Points of the line.
    pub n_points: usize,
    /// Points that were left out because time or samples ran backwards.
    pub n_refused: u64,
}

impl DriftMeter {
    /// For a device of this nominal rate.
    pub fn new(nominal: SampleRate) -> Self {
        Self {
            nominal,
            points: Vec::new(),
            bin: None,
            stride: 1,
            n_taken: 0,
            last: None,
            n_refused: 0,
        }
    }

    /// At `at` since any epoch, `n_samples` of a channel had arrived since the begin.
    ///
    /// A point that is not later than the one before, or has fewer samples, is left out.
    pub fn push(&mut self, at: Duration, n_samples: u64) {
        if self.last.is_some_and(|(t, n)| at <= t || n_samples < n) {
            self.n_refused += 1;
            return;
        }
        self.last = Some((at, n_samples));
        let number = at.as_nanos() / BIN.as_nanos();
        let point = (at.as_secs_f64(), n_samples as f64);
        let ahead = |(at, n): (f64, f64)| n / self.nominal.as_hz() - at;
        match &mut self.bin {
            Some(bin) if bin.number == number => {
                if ahead(point) > ahead(bin.soonest) {
                    bin.soonest = point;
                }
            }
            bin => {
                let whole = bin.replace(Bin {
                    number,
                    soonest: point,
                });
                if let Some(whole) = whole {
                    self.take(whole.soonest);
                }
            }
        }
    }

    fn take(&mut self, point: (f64, f64)) {
        if self.n_taken.is_multiple_of(self.stride) {
            self.points.push(point);
        }
        self.n_taken += 1;
        if self.points.len() == MOST_POINTS {
            self.thin_out();
        }
    }

    /// The rate so far; `None` before ten points and one second.
    ///
    /// Least squares. The interval is widened for residuals that follow each other, as those of a
    /// buffer that fills and empties do.
    ///
    /// Source: Draper and Smith, "Applied Regression Analysis" §1.4; effective sample size
    /// n(1−ρ)/(1+ρ), Bartlett (1946).
    pub fn summary(&self) -> Option<Drift> {
        let line = Line::fit(&self.points)?;
        let half = line.half_interval()?;
        let nominal = self.nominal.as_hz();
        let drift_ppm = (line.slope / nominal - 1.0) * 1e6;
        let half_ppm = half / nominal * 1e6;
        Some(Drift {
            rate_hz: line.slope,
            drift_ppm,
            low_ppm: drift_ppm - half_ppm,
            high_ppm: drift_ppm + half_ppm,
            n_points: self.points.len(),
            n_refused: self.n_refused,
        })
    }

    fn thin_out(&mut self) {
        let mut keep = false;
        self.points.retain(|_| {
            keep = !keep;
            keep
        });
        self.stride *= 2;
    }
}

/// A straight line and what is left of it.
struct Line {
    slope: f64,
    residuals: Vec<f64>,
    /// Sum of squared distances of the times from their mean.
    spread: f64,
}

impl Line {
    fn fit(points: &[(f64, f64)]) -> Option<Self> {
        let (first, last) = (points.first()?, points.last()?);
        if points.len() < LEAST_POINTS || last.0 - first.0 < LEAST_SPAN.as_secs_f64() {
            return None;
        }
        let n = points.len() as f64;
        let mean_x = points.iter().map(|p| p.0 - first.0).sum::<f64>() / n;
        let mean_y = points.iter().map(|p| p.1 - first.1).sum::<f64>() / n;
        let centered = points
            .iter()
            .map(|p| (p.0 - first.0 - mean_x, p.1 - first.1 - mean_y));
        let spread: f64 = centered.clone().map(|(x, _)| x * x).sum();
        let slope = centered.clone().map(|(x, y)| x * y).sum::<f64>() / spread;
        Some(Self {
            slope,
            residuals: centered.map(|(x, y)| y - slope * x).collect(),
            spread,
        })
    }

    /// Half of the slope's 95 % interval.
    fn half_interval(&self) -> Option<f64> {
        let freedom = self.residuals.len() as f64 - 2.0;
        let squares: f64 = self.residuals.iter().map(|r| r * r).sum();
        let pairs = self.residuals.windows(2).map(|w| w[0] * w[1]);
        let correlation = if squares > 0.0 {
            (pairs.sum::<f64>() / squares).clamp(0.0, 0.95)
        } else {
            0.0
        };
        let widened = (1.0 + correlation) / (1.0 - correlation);
        let t = StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.975);
        Some(t * (squares / freedom / self.spread * widened).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use greenroom_reports::samples::Random;

    use super::*;

    fn nominal() -> SampleRate {
        SampleRate::new(48_000).unwrap()
    }

    /// Callbacks of 10 ms, late by up to 2 ms, for some seconds.
    fn device(seed: u64, rate_hz: f64, seconds: u32) -> Option<Drift> {
        let mut random = Random::new(seed);
        let mut meter = DriftMeter::new(nominal());
        for n in 0..u64::from(seconds) * 100 {
            let at = n as f64 * 480.0 / rate_hz + 0.002 * random.unit();
            meter.push(Duration::from_secs_f64(5.0 + at), n * 480);
        }
        meter.summary()
    }

    #[test]
    fn an_exact_device_has_the_nominal_rate() {
        let mut meter = DriftMeter::new(nominal());
        for n in 0..200 {
            meter.push(Duration::from_millis(n * 10), n * 480);
        }
        let drift = meter.summary().unwrap();
        assert!((drift.rate_hz - 48_000.0).abs() < 1e-6);
        assert!(drift.high_ppm - drift.low_ppm < 1e-3);
    }

    #[test]
    fn the_interval_holds_the_true_drift_nineteen_times_in_twenty() {
        let held = (0..200).filter(|seed| {
            let drift = device(*seed, 48_000.0 * (1.0 + 300e-6), 3).unwrap();
            (drift.low_ppm..=drift.high_ppm).contains(&300.0)
        });
        let held = held.count();
        assert!((180..=199).contains(&held), "{held} of 200");
    }

    #[test]
    fn a_wrong_rate_is_seen_in_three_seconds() {
        let drift = device(7, 44_100.0, 3).unwrap();
        assert!((drift.drift_ppm + 81_250.0).abs() < 200.0, "{drift:?}");
    }

    #[test]
    fn a_program_that_is_held_up_sees_no_other_rate() {
        for held in [200, 700, 1_200, 1_900] {
            let mut meter = DriftMeter::new(nominal());
            // What came meanwhile is handed over at once, a fiftieth of a millisecond apart.
            for n in 0..250_u64 {
                let due = n * 10_000;
                let late = (held * 1_000 + 300_000 + n * 20).saturating_sub(due);
                let at = if due < held * 1_000 { due } else { due + late };
                meter.push(Duration::from_micros(at), n * 480);
            }
            let drift = meter.summary().unwrap();
            assert!(drift.drift_ppm.abs() < 500.0, "{held}: {drift:?}");
        }
    }

    #[test]
    fn too_little_is_no_rate() {
        assert_eq!(DriftMeter::new(nominal()).summary(), None);
        let mut meter = DriftMeter::new(nominal());
        (0..90).for_each(|n| meter.push(Duration::from_millis(n * 10), n * 480));
        assert_eq!(meter.summary(), None);
    }

    #[test]
    fn time_that_runs_backwards_is_left_out_and_counted() {
        let mut meter = DriftMeter::new(nominal());
        for n in 0..300_u64 {
            meter.push(Duration::from_millis(n * 10), n * 480);
            meter.push(Duration::from_millis(n), n * 480);
        }
        let drift = meter.summary().unwrap();
        assert_eq!(drift.n_refused, 300);
        assert!(drift.drift_ppm.abs() < 1e-3);
    }

    #[test]
    fn a_long_run_stays_within_its_memory() {
        let mut meter = DriftMeter::new(nominal());
        (0..50_000).for_each(|n| meter.push(Duration::from_millis(n * 10), n * 480));
        assert!(meter.points.len() < MOST_POINTS);
        assert!(meter.summary().unwrap().drift_ppm.abs() < 1e-3);
    }
}
