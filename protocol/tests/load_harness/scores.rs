//! How close measurements come to what is true of the link, one by one; tables are for callers.

use std::time::Duration;

use greenroom_lab::link::{Direction, Link, LinkConfig, Rate};
use greenroom_protocol::measure::limits::Limits;
use greenroom_protocol::measure::load::capacity::{CapacityPlan, Stop};
use greenroom_protocol::measure::load::client::{LoadPhase, Measured};
use greenroom_reports::model::throughput::Grade;
use greenroom_reports::samples::Random;
use greenroom_reports::units::Millis;

use super::cross::Cross;
use super::findings::alternate;
use super::parallel::in_parallel;
use super::{RUNGS, Run, Scene, ServerEnd, config, context, oracle, plan};

/// A link with 10 ms of delay.
pub(crate) fn link(bps: u64, queue_ms: u64) -> LinkConfig {
    LinkConfig::new()
        .delay_ms(10)
        .rate(Rate::new(bps, Duration::from_millis(queue_ms)))
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Evenly spread over the logarithm.
pub(crate) fn log_uniform(random: &mut Random, low: f64, high: f64) -> u64 {
    whole(low * (high / low).powf(random.unit()))
}

fn whole(value: f64) -> u64 {
    u64::try_from(Duration::from_secs_f64(value / 1e9).as_nanos()).unwrap_or(u64::MAX)
}

/// Evenly spread.
pub(crate) fn uniform(random: &mut Random, low: u64, high: u64) -> u64 {
    low + random.below(high - low + 1)
}

// ----- capacity

/// A quiet link, the same both ways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quiet {
    pub(crate) bps: u64,
    pub(crate) queue_ms: u64,
    pub(crate) one_way_ms: u64,
    /// Bytes that a shaper lets pass at once.
    pub(crate) bucket: usize,
}

impl Quiet {
    pub(crate) fn config(self) -> LinkConfig {
        let queue = Duration::from_millis(self.queue_ms);
        LinkConfig::new()
            .delay_ms(self.one_way_ms)
            .rate(Rate::new(self.bps, queue).burst_bytes(self.bucket))
    }
}

/// What was found of one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) bps: f64,
    /// What is found less what is true, over what is true.
    pub(crate) error: f64,
    pub(crate) at_least: bool,
    pub(crate) is_policed: bool,
    pub(crate) varies: Option<[f64; 3]>,
    pub(crate) stop: Option<Stop>,
    pub(crate) queue_error: Option<f64>,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Both directions of a run over links of this rate.
pub(crate) fn found(run: &Run, bps: [u64; 2], queue_ms: u64) -> [Found; 2] {
    let client = &run.client.client;
    let of = |measured: Measured<'_>, bps: u64, took| {
        let capacity = measured.capacity.cloned();
        let found = capacity.as_ref().map_or(f64::NAN, |c| c.bps);
        let queue = measured.saturation.filter(|full| full.is_full);
        Found {
            bps: found,
            error: found / bps as f64 - 1.0,
            at_least: capacity.as_ref().is_some_and(|c| c.at_least),
            is_policed: capacity.as_ref().is_some_and(|c| c.is_policed),
            varies: capacity.and_then(|c| c.variation_bps),
            stop: measured.stop,
            queue_error: queue.map(|full| full.deepest_ns as f64 / 1e6 / queue_ms as f64 - 1.0),
            took,
        }
    };
    let began = |phase: LoadPhase| {
        let at = run.client.phases.iter().find(|(of, _)| *of == phase);
        at.map_or(run.took, |(_, at)| *at)
    };
    let after_down = began(LoadPhase::Trial).min(began(LoadPhase::Done));
    [
        of(
            client.uplink(),
            bps[0],
            began(LoadPhase::Down) - began(LoadPhase::Up),
        ),
        of(
            client.downlink(),
            bps[1],
            after_down.saturating_sub(began(LoadPhase::Down)),
        ),
    ]
}

/// Measures a quiet link without trials.
pub(crate) fn quiet(quiet: Quiet, seed: u64, plans: [CapacityPlan; 2]) -> [Found; 2] {
    let mut config = config(seed);
    [config.up, config.down] = plans;
    config.trials = None;
    let scene = Scene::new(quiet.config(), quiet.config(), seed);
    let run = scene.run(config, ServerEnd::new(Limits::default()));
    found(&run, [quiet.bps; 2], quiet.queue_ms)
}

// ----- delay under load

/// A queue, and what was found of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bloat {
    pub(crate) bps: u64,
    pub(crate) queue_ms: u64,
    pub(crate) queue_error: Option<f64>,
    pub(crate) letter: Option<Grade>,
    /// The letter of a saturation for 20 s.
    pub(crate) truth: Grade,
}

impl Bloat {
    /// Within 5 %.
    pub(crate) fn is_close(&self) -> bool {
        self.queue_error.is_some_and(|error| error.abs() <= 0.05)
    }

    pub(crate) fn is_right(&self) -> bool {
        self.letter == Some(self.truth)
    }
}

/// Measures links with queues of `queues_ms` at 2 Mbit/s and more: up, down.
pub(crate) fn bloat(seed: u64, queues_ms: [u64; 2]) -> [Bloat; 2] {
    let mut random = Random::new(seed);
    let caps = [11e6, 23e6];
    let rates = caps.map(|cap| log_uniform(&mut random, 2e6, cap));
    let queues = queues_ms;
    let links = [0, 1].map(|i| link(rates[i], queues[i]));
    let [up, down] = links.clone();
    let mut config = config(seed);
    config.trials = None;
    let run = Scene::new(up, down, seed).run(config, ServerEnd::new(Limits::default()));
    let section = run.section(context());
    let sections = section
        .as_ref()
        .map(|s| [s.uplink.as_ref(), s.downlink.as_ref()]);
    [0, 1].map(|i| {
        let full = sections.and_then(|s| s[i]?.full_load.as_ref());
        let queue = full.and_then(|full| full.queue_ms);
        Bloat {
            bps: rates[i],
            queue_ms: queues[i],
            queue_error: queue.map(|ms| ms.as_f64() / queues[i] as f64 - 1.0),
            letter: full.map(|full| full.grade),
            truth: saturated_letter(&links[i], rates[i], seed),
        }
    })
}

/// 20 s of one and a half times the rate, with an echo every 20 ms: p95 of their rise.
fn saturated_letter(config: &LinkConfig, bps: u64, seed: u64) -> Grade {
    const LASTS: Duration = Duration::from_secs(20);
    let mut link = Link::new(Direction::Up, config.clone(), seed);
    let load_gap = Duration::from_secs_f64(1228.0 * 8.0 / (1.5 * bps as f64));
    let echo_gap = Duration::from_millis(20);
    let (mut load_at, mut echo_at) = (Duration::from_millis(30), Duration::ZERO);
    let mut rises = Vec::new();
    while echo_at < LASTS {
        let now = load_at.min(echo_at);
        while link.next_at().is_some_and(|at| at <= now) {
            while let Some(delivery) = link.poll(now) {
                if let Ok(sent) = delivery.packet[..8].try_into().map(u64::from_be_bytes) {
                    rises.extend((sent > 0).then(|| delivery.due_at - Duration::from_nanos(sent)));
                }
            }
        }
        let mut packet = vec![0; 1228];
        if echo_at <= load_at {
            packet.truncate(92);
            packet[..8].copy_from_slice(&(nanos(now) + 1).to_be_bytes());
            echo_at += echo_gap;
        } else {
            load_at += load_gap;
        }
        let _lost = link.send(now, packet);
    }
    rises.sort_unstable();
    let p95 = rises[(rises.len() * 95).div_ceil(100) - 1] - rises[0];
    Grade::of(Millis::from(p95))
}

// ----- the rung

/// The rung that would have fitted, and the one that was found.
#[derive(Clone, Debug)]
pub(crate) struct Rungs {
    pub(crate) bps: u64,
    pub(crate) best: usize,
    pub(crate) got: usize,
    pub(crate) run: String,
}

impl Rungs {
    pub(crate) fn is_right_or_one_lower(&self) -> bool {
        self.got == self.best || self.got + 1 == self.best
    }
}

/// A link of 0.3–8 Mbit/s with a queue of 200 ms, of which others use a part.
pub(crate) fn rungs(seed: u64, load: f64) -> Rungs {
    let mut random = Random::new(seed);
    let bps = log_uniform(&mut random, 0.3e6, 8e6);
    let up = link(bps, 200);
    let cross = Cross::poisson(load * bps as f64, seed + 1);
    let best = oracle::best_rung(&up, &cross, seed);
    let mut scene = Scene::new(up, link(20_000_000, 100), seed);
    scene.cross_up = cross;
    let run = scene.run(config(seed), ServerEnd::new(Limits::default()));
    let index = |rung: u64| RUNGS.iter().position(|r| *r == rung).map_or(0, |i| i + 1);
    let (got, _) = run.client.client.rungs()[0];
    Rungs {
        bps,
        best: index(best),
        got: index(got),
        run: in_words(&run),
    }
}

fn in_words(run: &Run) -> String {
    let client = &run.client.client;
    let found = client.uplink().capacity;
    let trials: Vec<String> = client
        .trials()
        .iter()
        .map(|t| {
            let up = &t.up;
            let lost = u64::from(up.sent) - up.received;
            let pdv = up.pdv_p95_ns.unwrap_or(0) / 1_000_000;
            let trend = up.trend_ns_per_s.unwrap_or(0.0) / 1e6;
            format!(
                "{}k {:?} p95 {pdv} trend {trend:.0} lost {lost}",
                up.video_bps / 1000,
                up.misfit
            )
        })
        .collect();
    format!(
        "bps {:.0?} free {:.0?} varies {:?} {:?} {:?} {trials:?}",
        found.map(|c| c.bps),
        found.map(|c| c.free_bps),
        found.and_then(|c| c.variation_bps.map(|v| v.map(f64::round))),
        client.uplink().stop,
        run.took
    )
}

// ----- tables

/// Quiet links up to the cap: 0.3–11.5 Mbit/s, queues of 20–380 ms, 0, 20 or 150 ms one way, some
/// with a bucket of 15 or 100 kB.
pub(crate) fn quiet_table(runs: u64) -> Vec<(Quiet, [Found; 2])> {
    in_parallel(runs, |seed| {
        let mut random = Random::new(seed);
        let link = Quiet {
            bps: log_uniform(&mut random, 0.3e6, 11.5e6),
            queue_ms: uniform(&mut random, 20, 380),
            one_way_ms: [0, 20, 150][(seed % 3) as usize],
            bucket: [0, 0, 15_000, 100_000][(seed / 3 % 4) as usize],
        };
        (
            link,
            quiet(link, seed, [plan(12_000_000), plan(25_000_000)]),
        )
    })
}

/// Queues of 20–380 ms at 2 Mbit/s and more; half of the rows are up, half down.
pub(crate) fn bloat_table(rows: u64) -> Vec<Bloat> {
    let found = in_parallel(rows / 2, |seed| {
        let mut random = Random::new(seed + 1000);
        let queues = [0, 1].map(|_| uniform(&mut random, 20, 380));
        bloat(seed, queues)
    });
    found.into_iter().flatten().collect()
}

/// The rung beside others who use this share of the link.
pub(crate) fn rung_table(seeds: std::ops::Range<u64>, load: f64) -> Vec<Rungs> {
    let first = seeds.start;
    in_parallel(seeds.end - first, |seed| rungs(first + seed, load))
}

/// A rate that changes between 4 and 1 Mbit/s every 300 ms, in one direction: what was found of it,
/// and of the other, which carries 4 Mbit/s.
pub(crate) fn changing(seed: u64, direction: Direction) -> (Found, Found) {
    let steady = link(4_000_000, 100);
    let mut scene = Scene::new(steady.clone(), steady, seed);
    alternate(&mut scene, direction);
    let mut config = config(seed);
    config.trials = None;
    let run = scene.run(config, ServerEnd::new(Limits::default()));
    let [up, down] = found(&run, [4_000_000; 2], 100);
    match direction {
        Direction::Up => (up, down),
        Direction::Down => (down, up),
    }
}

/// The uplink beside others who use this share of it.
pub(crate) fn beside_others(seed: u64, load: f64) -> Found {
    let mut random = Random::new(seed + 77);
    let bps = log_uniform(&mut random, 0.5e6, 10e6);
    let mut scene = Scene::new(link(bps, 200), link(20_000_000, 100), seed);
    scene.cross_up = Cross::poisson(load * bps as f64, seed);
    let mut config = config(seed);
    config.trials = None;
    let run = scene.run(config, ServerEnd::new(Limits::default()));
    let [up, _] = found(&run, [bps, 20_000_000], 200);
    up
}
