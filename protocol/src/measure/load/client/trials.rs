//! Which calls are tried, and which of them fits.

use std::time::Duration;

use super::super::super::time::MonotonicTime;
use super::super::capacity::{Capacity, LOAD_PACKET_BYTES};
use super::super::schedule::Shape;
use super::super::transfer::{Transfer, call_packets};
use super::super::verify::{
    IdleDirection, Trial, call_rate_bps, judge, rung_above, rung_below, rung_within, trial_time,
};
use super::super::wire::{LoadDirection, LoadStart};
use super::config::TrialPlan;
use super::flows::SLOW_BPS;

/// Share of the rate that the first trial asks for, on a link without others.
const FIRST_SHARE: f64 = 0.92;
/// And of what is free beside others, which is known less well and changes.
const FIRST_SHARE_BESIDE_OTHERS: f64 = 0.85;
/// However little seems to be free, a trial asks for this share of what the link carries.
const LEAST_SHARE: f64 = 0.4;

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
    is_shared: [bool; 2],
    free_bps: [f64; 2],
    rungs: [u64; 2],
    settled: [bool; 2],
    /// Bytes of IP packets of the trials so far, both ways.
    spent: f64,
    results: Vec<TrialResult>,
}

impl Trials {
    pub(super) fn new(plan: Option<TrialPlan>, idle: [IdleDirection; 2], headers: u16) -> Self {
        Self {
            plan,
            idle,
            headers,
            is_slow: false,
            is_shared: [false; 2],
            free_bps: [0.0; 2],
            rungs: [0; 2],
            settled: [false; 2],
            spent: 0.0,
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
        let is_shared = |found: &Capacity| found.free_bps < found.bps;
        let rung = |found: &Capacity| {
            let affordable = if is_shared(found) {
                let free = found.free_bps * FIRST_SHARE_BESIDE_OTHERS;
                free.max(found.bps * LEAST_SHARE)
            } else {
                found.bps * FIRST_SHARE
            };
            rung_within(&plan.rungs_bps, affordable, self.headers)
        };
        self.rungs = [rung(up), rung(down)];
        self.is_shared = [is_shared(up), is_shared(down)];
        self.free_bps = [up.free_bps, down.free_bps];
        self.is_slow = up.bps.min(down.bps) < SLOW_BPS;
        true
    }

    /// One of the links is slow.
    pub(super) fn is_slow(&self) -> bool {
        self.is_slow
    }

    /// Bytes of IP packets that the trials so far sent, both ways.
    pub(super) fn spent(&self) -> f64 {
        self.spent
    }

    /// Bytes of IP packets that the next trial sends, both ways.
    pub(super) fn cost(&self) -> f64 {
        let rates = self.rungs.map(|rung| call_rate_bps(rung, self.headers));
        (rates[0] + rates[1]) / 8.0 * self.time().as_secs_f64()
    }

    fn time(&self) -> Duration {
        trial_time(self.is_slow, self.is_shared.contains(&true))
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
        self.spent += self.cost();
        let began = up.began().min(down.began()).unwrap_or(now);
        let result = TrialResult {
            up: judge(up, self.headers, self.idle[0], self.is_strict(0)),
            down: judge(down, self.headers, self.idle[1], self.is_strict(1)),
            window_ns: (began.as_nanos(), now.as_nanos()),
        };
        self.results.push(result);
        let most = self.plan.as_ref().map_or(0, |plan| plan.most as usize);
        let has_more = self.results.len() < most;
        for index in 0..2 {
            self.step(index, has_more);
        }
        self.settled != [true; 2] && has_more
    }

    /// Beside others a trial has to leave some margin, unless it was for this alone that the rung
    /// above was refused.
    fn is_strict(&self, index: usize) -> bool {
        let was_doubtful = self
            .of_direction(index)
            .last()
            .is_some_and(Trial::is_doubtful);
        self.is_shared[index] && !was_doubtful
    }

    /// Goes a rung down in a direction where this one does not fit, and up where others seemed to
    /// leave less than they do.
    fn step(&mut self, index: usize, has_more: bool) {
        let (Some(plan), Some(result)) = (&self.plan, self.results.last()) else {
            return;
        };
        if self.settled[index] {
            return;
        }
        let (trial, rung) = (result.directions()[index], self.rungs[index]);
        let next = if trial.misfit.is_some() {
            let below = rung_below(&plan.rungs_bps, rung);
            below.filter(|below| !self.was_tried(index, *below))
        } else if self.is_shared[index] && has_more && trial.leaves_room() {
            let above = rung_above(&plan.rungs_bps, rung);
            above.filter(|above| !self.was_tried(index, *above) && self.is_free(index, *above))
        } else {
            None
        };
        self.settled[index] = next.is_none();
        self.rungs[index] = next.unwrap_or(rung);
    }

    /// A call of this size is within what is free, as far as that is known.
    fn is_free(&self, index: usize, rung: u64) -> bool {
        call_rate_bps(rung, self.headers) <= self.free_bps[index] * FIRST_SHARE
    }

    fn was_tried(&self, index: usize, rung: u64) -> bool {
        self.of_direction(index)
            .any(|trial| trial.video_bps == rung)
    }

    fn of_direction(&self, index: usize) -> impl Iterator<Item = &Trial> {
        let results = self.results.iter();
        results.map(move |result| result.directions()[index])
    }

    /// The highest rung of each direction that fitted; else the one that would have been tried
    /// next, and false.
    pub(super) fn rungs(&self) -> [(u64, bool); 2] {
        [0, 1].map(|index| {
            let fitted = self
                .of_direction(index)
                .filter(|trial| trial.misfit.is_none());
            let best = fitted.map(|trial| trial.video_bps).max();
            best.map_or((self.rungs[index], false), |rung| (rung, true))
        })
    }
}
