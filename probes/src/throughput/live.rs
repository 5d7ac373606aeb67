//! What a listener hears while the measurement goes on: phase, rates, share of the work done.

use std::time::Duration;

use greenroom_protocol::measure::load::client::LoadPhase;
use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_reports::model::report::ProbeId;
use greenroom_reports::model::throughput::ThroughputPhase;
use greenroom_reports::units::Bitrate;

use crate::emit::Emitter;
use crate::event::{RateDirection, Sample};

/// Rates and progress are told this often at the most.
const PAUSE: Duration = Duration::from_millis(100);
/// A phase that takes longer than expected stands at this share of its part.
const NEARLY: f64 = 0.97;

/// Tells what goes on.
#[derive(Debug)]
pub(super) struct Live<'a> {
    emitter: &'a Emitter,
    /// Phases to come and how long each takes, roughly, on a link of some Mbit/s with 20 ms of
    /// round-trip time.
    expected: Vec<(LoadPhase, Duration)>,
    phase: LoadPhase,
    began: MonotonicTime,
    next: MonotonicTime,
}

impl<'a> Live<'a> {
    /// Begins with the handshakes.
    pub(super) fn new(emitter: &'a Emitter, quick: bool, trials: bool, now: MonotonicTime) -> Self {
        let [connect, up, down] = if quick {
            [130, 370, 290]
        } else {
            [130, 860, 800]
        };
        let mut expected = vec![
            (LoadPhase::Connect, Duration::from_millis(connect)),
            (LoadPhase::Up, Duration::from_millis(up)),
            (LoadPhase::Down, Duration::from_millis(down)),
        ];
        if trials {
            expected.push((LoadPhase::Trial, Duration::from_millis(1090)));
        }
        Self {
            emitter,
            expected,
            phase: LoadPhase::Connect,
            began: now,
            next: now,
        }
    }

    /// Another phase began.
    pub(super) fn switch(&mut self, phase: LoadPhase, now: MonotonicTime) {
        self.phase = phase;
        self.began = now;
        self.next = now.after(PAUSE);
        if let Some(phase) = named(phase) {
            let sample = Sample::Phase { phase };
            self.emitter.sample(ProbeId::Throughput, sample);
        }
        self.tell_progress(now);
    }

    /// Tells the rates up and down, unless it did so a moment ago.
    pub(super) fn tell(
        &mut self,
        now: MonotonicTime,
        rates_bps: impl FnOnce() -> [Option<f64>; 2],
    ) {
        if now < self.next {
            return;
        }
        self.next = now.after(PAUSE);
        let directions = [RateDirection::Up, RateDirection::Down];
        for (direction, rate) in directions.into_iter().zip(rates_bps()) {
            if let Some(rate_bps) = rate.map(whole) {
                let sample = Sample::Rate {
                    direction,
                    rate_bps,
                };
                self.emitter.sample(ProbeId::Throughput, sample);
            }
        }
        self.tell_progress(now);
    }

    fn tell_progress(&self, now: MonotonicTime) {
        self.emitter
            .progress(ProbeId::Throughput, self.done_ratio(now));
    }

    fn done_ratio(&self, now: MonotonicTime) -> f64 {
        let position = self.expected.iter().position(|(p, _)| *p == self.phase);
        let Some(position) = position else {
            return if self.phase == LoadPhase::Done {
                1.0
            } else {
                NEARLY
            };
        };
        let seconds = |phases: &[(LoadPhase, Duration)]| {
            let each = phases.iter().map(|(_, time)| time.as_secs_f64());
            each.sum::<f64>()
        };
        let (_, this) = self.expected[position];
        let into = now.since(self.began).as_secs_f64() / this.as_secs_f64();
        let done = seconds(&self.expected[..position]) + into.min(NEARLY) * this.as_secs_f64();
        done / seconds(&self.expected)
    }
}

/// The phase in the report's words; `None` at the end.
pub(super) fn named(phase: LoadPhase) -> Option<ThroughputPhase> {
    match phase {
        LoadPhase::Connect => Some(ThroughputPhase::Connect),
        LoadPhase::Up => Some(ThroughputPhase::Uplink),
        LoadPhase::Down => Some(ThroughputPhase::Downlink),
        LoadPhase::Trial => Some(ThroughputPhase::Verification),
        LoadPhase::Done => None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate: not negative, and what is too large saturates"
)]
fn whole(bps: f64) -> Bitrate {
    Bitrate::from_bps(bps.max(0.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;

    /// Runs through all phases in steps of 10 ms: each event.
    fn run(quick: bool, trials: bool, phases: &[LoadPhase]) -> Vec<EventKind> {
        let (emitter, mut events) = Emitter::new();
        let mut now = MonotonicTime::default();
        let mut live = Live::new(&emitter, quick, trials, now);
        for phase in phases {
            live.switch(*phase, now);
            for _ in 0..100 {
                now = now.after(Duration::from_millis(10));
                live.tell(now, || [Some(5e6), None]);
            }
        }
        live.switch(LoadPhase::Done, now);
        std::iter::from_fn(|| events.try_recv().ok())
            .map(|event| event.kind)
            .collect()
    }

    #[test]
    fn progress_never_goes_back_and_ends_at_one() {
        let all = [
            LoadPhase::Connect,
            LoadPhase::Up,
            LoadPhase::Down,
            LoadPhase::Trial,
        ];
        for (quick, trials) in [(false, true), (false, false), (true, false)] {
            let phases = if trials { &all[..] } else { &all[..3] };
            let told: Vec<f64> = run(quick, trials, phases)
                .iter()
                .filter_map(|event| match event {
                    EventKind::Progress { done_ratio, .. } => Some(done_ratio.as_f64()),
                    _ => None,
                })
                .collect();
            assert!(told.windows(2).all(|pair| pair[0] <= pair[1]), "{told:?}");
            assert!(
                told.windows(2).all(|pair| pair[1] - pair[0] < 0.3),
                "{told:?}"
            );
            assert!(told.last().is_some_and(|last| (last - 1.0).abs() < 1e-9));
        }
    }

    #[test]
    fn each_phase_is_named_and_rates_come_ten_times_a_second_at_most() {
        let events = run(true, false, &[LoadPhase::Up, LoadPhase::Down]);
        let samples: Vec<&Sample> = events
            .iter()
            .filter_map(|event| match event {
                EventKind::Sample { sample, .. } => Some(sample),
                _ => None,
            })
            .collect();
        let is_rate = |sample: &&&Sample| matches!(sample, Sample::Rate { .. });
        let rates = samples.iter().filter(is_rate).count();
        assert!((18..=20).contains(&rates), "{rates}");
        assert_eq!(samples.len() - rates, 2);
    }
}
