//! Which calls are tried, and which of them fits.

use std::time::Duration;

use super::super::super::time::MonotonicTime;
use super::super::capacity::{Capacity, LOAD_PACKET_BYTES};
use super::super::schedule::Shape;
use super::super::transfer::{Transfer, call_packets};
use super::super::verify::{
    IdleDirection, Trial, call_rate_bps, judge, rung_below, rung_within, trial_time,
};
use super::super::wire::{LoadDirection, LoadStart};
use super::config::TrialPlan;
use super::flows::SLOW_BPS;

/// Share of the rate that the first trial asks for, on a link without others.
const FIRST_SHARE: f64 = 0.92;
/// And of what is free beside others, which is known less well and changes.
const FIRST_SHARE_BESIDE_OTHERS: f64 = 0.85;

/// One trial.
#[derive(Clone, Debug)]
pub struct TrialResult {
    /// To the server.
    pub up: Trial,
    /// From the server.
    pub down: Trial,
    /// Client's time of its beginning and end.
    pub window_ns: (u64, u64),
}

impl TrialResult {
    /// Up, then down.
    fn directions(&self) -> [&Trial; 2] {
        [&self.up, &self.down]
    }
}

/// The trials of a measurement.
#[derive(Debug)]
pub(super) struct Trials {
    plan: Option<TrialPlan>,
    idle: [IdleDirection; 2],
    headers: u16,
    is_slow: bool,
    rungs: [u64; 2],
    settled: [bool; 2],
    results: Vec<TrialResult>,
}

impl Trials {
    pub(super) fn new(plan: Option<TrialPlan>, idle: [IdleDirection; 2], headers: u16) -> Self {
        Self {
            plan,
            idle,
            headers,
            is_slow: false,
            rungs: [0; 2],
            settled: [false; 2],
            results: Vec::new(),
        }
    }

    /// Those so far.
    pub(super) fn results(&self) -> &[TrialResult] {
        &self.results
    }

    /// Sets the rungs that are tried first, by what is known up and down; false when there is
    /// nothing to try.
    pub(super) fn begin(&mut self, found: [Option<&Capacity>; 2]) -> bool {
        let (Some(plan), [Some(up), Some(down)]) = (&self.plan, found) else {
            return false;
        };
        let rung = |found: &Capacity| {
            let is_shared = found.free_bps < found.bps;
            let share = if is_shared {
                FIRST_SHARE_BESIDE_OTHERS
            } else {
                FIRST_SHARE
            };
            rung_within(&plan.rungs_bps, found.free_bps, share, self.headers)
        };
        self.rungs = [rung(up), rung(down)];
        self.is_slow = up.bps.min(down.bps) < SLOW_BPS;
        true
    }

    /// One of the links is slow.
    pub(super) fn is_slow(&self) -> bool {
        self.is_slow
    }

    /// Bytes of IP packets that the next trial sends, both ways.
    pub(super) fn cost(&self) -> f64 {
        let rates = self.rungs.map(|rung| call_rate_bps(rung, self.headers));
        (rates[0] + rates[1]) / 8.0 * self.time().as_secs_f64()
    }

    fn time(&self) -> Duration {
        trial_time(self.is_slow)
    }

    /// The load of the next trial in one direction.
    pub(super) fn load(&self, direction: LoadDirection, session: u64, load: u32) -> LoadStart {
        let rate_bps = match direction {
            LoadDirection::Up => self.rungs[0],
            LoadDirection::Down => self.rungs[1],
        };
        let endless = LoadStart {
            session,
            load,
            direction,
            shape: Shape::Call,
            packet_bytes: LOAD_PACKET_BYTES,
            packets: u32::MAX,
            rate_bps,
        };
        LoadStart {
            packets: call_packets(&endless, self.time()),
            ..endless
        }
    }

    /// Takes a trial that is over; false when it was the last.
    pub(super) fn finished(&mut self, up: &Transfer, down: &Transfer, now: MonotonicTime) -> bool {
        let began = up.began().min(down.began()).unwrap_or(now);
        let result = TrialResult {
            up: judge(up, self.headers, self.idle[0]),
            down: judge(down, self.headers, self.idle[1]),
            window_ns: (began.as_nanos(), now.as_nanos()),
        };
        self.results.push(result);
        for index in 0..2 {
            self.step(index);
        }
        let most = self.plan.as_ref().map_or(0, |plan| plan.most);
        self.settled != [true; 2] && self.results.len() < most as usize
    }

    /// Goes a rung down in a direction where this one does not fit.
    fn step(&mut self, index: usize) {
        let rungs = self.plan.as_ref().map(|plan| plan.rungs_bps.as_slice());
        let misfit = self
            .results
            .last()
            .and_then(|r| r.directions()[index].misfit);
        let lower = misfit.and_then(|_| rung_below(rungs.unwrap_or_default(), self.rungs[index]));
        self.settled[index] = lower.is_none();
        self.rungs[index] = lower.unwrap_or(self.rungs[index]);
    }

    /// The rung that each direction ended with, and whether a trial of it fitted.
    pub(super) fn rungs(&self) -> [(u64, bool); 2] {
        let fitted = |index: usize| {
            let of_direction = self.results.iter().map(|result| result.directions()[index]);
            let mut of_rung = of_direction.filter(|trial| trial.video_bps == self.rungs[index]);
            of_rung.any(|trial| trial.misfit.is_none())
        };
        [(self.rungs[0], fitted(0)), (self.rungs[1], fitted(1))]
    }
}
