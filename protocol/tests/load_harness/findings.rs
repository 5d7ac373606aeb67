//! From a measurement to the findings of a report, with faults whose name is known.

use std::time::Duration;

use greenroom_lab::link::{Direction, Jitter, LinkConfig, Rate};
use greenroom_protocol::measure::limits::Limits;
use greenroom_protocol::measure::load::client::LoadConfig;
use greenroom_protocol::measure::load::verify::IdleDirection;
use greenroom_reports::model::finding::Finding;
use greenroom_reports::model::outcome::Outcome;
use greenroom_reports::model::report::Report;
use greenroom_reports::samples::{self, DirectionModel, PathModel, Random};
use greenroom_reports::verdict::profile::Profile;

use super::parallel::in_parallel;
use super::scores::{log_uniform, uniform};
use super::{Scene, ServerEnd, config, context};

/// A measurement to come.
pub(crate) struct Setup {
    pub(crate) scene: Scene,
    pub(crate) config: LoadConfig,
    pub(crate) capped_by_server: [bool; 2],
    rtt_ms: f64,
    jitter_ms: f64,
}

impl Setup {
    /// A link that is good enough for a call of the default profile.
    pub(crate) fn healthy(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x6865_616c);
        let rtt_ms = uniform(&mut random, 10, 80);
        let jitter_ms = 2.0 * random.unit();
        let jitter = Jitter::Normal(Duration::from_secs_f64(jitter_ms / 3e3));
        let rates = [(4e6, 40e6), (6e6, 100e6)];
        let [up, down] = rates.map(|(low, high)| {
            let queue = Duration::from_millis(uniform(&mut random, 20, 50));
            LinkConfig::new()
                .delay(Duration::from_micros(500 * rtt_ms))
                .jitter(jitter)
                .rate(Rate::new(log_uniform(&mut random, low, high), queue))
        });
        let mut config = config(seed);
        let pdv = Duration::from_secs_f64(jitter_ms / 1e3);
        let pdv_p95_ns = i64::try_from(pdv.as_nanos()).unwrap_or(i64::MAX);
        config.idle = [IdleDirection {
            loss_upper: 0.0,
            pdv_p95_ns,
        }; 2];
        Self {
            scene: Scene::new(up, down, seed),
            config,
            capped_by_server: [false; 2],
            rtt_ms: rtt_ms as f64,
            jitter_ms,
        }
    }

    /// Another bottleneck in one direction.
    fn with_rate(mut self, direction: Direction, rate: Rate) -> Self {
        let link = match direction {
            Direction::Up => &mut self.scene.up,
            Direction::Down => &mut self.scene.down,
        };
        link.rate = Some(rate);
        self
    }

    /// Measures, and finds.
    pub(crate) fn findings(self, seed: u64) -> Vec<Finding> {
        let direction = DirectionModel {
            jitter_ms: self.jitter_ms,
            ..DirectionModel::default()
        };
        let path = PathModel {
            rtt_ms: self.rtt_ms,
            up: direction,
            down: direction,
            ..PathModel::default()
        }
        .section(seed);
        let mut context = context();
        context.idle_rtt_p95 = path.rtt.as_ref().map(|rtt| rtt.p95_ms);
        context.capped_by_server = self.capped_by_server;
        let run = self
            .scene
            .run(self.config, ServerEnd::new(Limits::default()));
        let mut found = samples::run(Outcome::Measured { data: path });
        if let Some(data) = run.section(context) {
            found.throughput = Outcome::Measured { data };
        }
        Report::assemble(found, Profile::default_profile()).findings
    }
}

pub(crate) fn in_words(findings: &[Finding]) -> String {
    let words: Vec<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
    words.join(" + ")
}

/// Runs over healthy links that raised an alarm: the seed and what was said.
pub(crate) fn false_alarms(runs: u64) -> Vec<(u64, String)> {
    let found = in_parallel(runs, |seed| {
        (seed, in_words(&Setup::healthy(seed).findings(seed)))
    });
    let alarms = found.into_iter().filter(|(_, words)| !words.is_empty());
    alarms.collect()
}

/// A fault of a rate.
pub(crate) struct Fault {
    pub(crate) id: &'static str,
    pub(crate) magnitude: &'static str,
    inject: fn(Setup) -> Setup,
}

impl Fault {
    /// What came first instead, of so many runs.
    pub(crate) fn misses(&self, runs: u64) -> Vec<(u64, String)> {
        let found = in_parallel(runs, |seed| {
            let findings = (self.inject)(Setup::healthy(seed)).findings(seed);
            let is_first = findings.first().is_some_and(|first| first.id == self.id);
            (!is_first).then(|| (seed, in_words(&findings)))
        });
        found.into_iter().flatten().collect()
    }
}

fn rate(bps: u64, queue_ms: u64) -> Rate {
    Rate::new(bps, Duration::from_millis(queue_ms))
}

/// Packets beyond the rate are dropped at once, but for a bucket of 20 ms.
pub(crate) fn policer(bps: u64) -> Rate {
    let bucket = usize::try_from(bps / 8 / 50).unwrap_or(0).max(3000);
    rate(bps, 0).burst_bytes(bucket)
}

/// Makes a rate change between 4 and 1 Mbit/s every 300 ms, from a random time on.
pub(crate) fn alternate(scene: &mut Scene, direction: Direction) {
    let mut random = Random::new(scene.seed ^ 0x616c_7465);
    let first = Duration::from_millis(uniform(&mut random, 1, 300));
    let slow_first = random.below(2);
    let config = match direction {
        Direction::Up => &mut scene.up,
        Direction::Down => &mut scene.down,
    };
    let at = |i: u64| {
        let is_slow = i % 2 == slow_first;
        rate(if is_slow { 1_000_000 } else { 4_000_000 }, 100)
    };
    config.rate = Some(at(0));
    let config = config.clone();
    let change = |i: u32| {
        let after = first + Duration::from_millis(300) * i;
        (after, direction, config.clone().rate(at(u64::from(i) + 1)))
    };
    scene.changes = (0..50).map(change).collect();
}

/// Every fault of a rate.
pub(crate) fn faults() -> Vec<Fault> {
    let fault = |id, magnitude, inject| Fault {
        id,
        magnitude,
        inject,
    };
    vec![
        fault("network.bandwidth.uplink_too_small", "0.9 Mbit/s", |s| {
            s.with_rate(Direction::Up, rate(900_000, 50))
        }),
        fault("network.bandwidth.downlink_too_small", "1.2 Mbit/s", |s| {
            s.with_rate(Direction::Down, rate(1_200_000, 50))
        }),
        fault("network.bandwidth.bufferbloat_up", "queue of 300 ms", |s| {
            s.with_rate(Direction::Up, rate(5_000_000, 300))
        }),
        fault(
            "network.bandwidth.bufferbloat_down",
            "queue of 300 ms",
            |s| s.with_rate(Direction::Down, rate(8_000_000, 300)),
        ),
        fault(
            "network.bandwidth.varying_rate_up",
            "4 and 1 Mbit/s",
            |mut s| {
                alternate(&mut s.scene, Direction::Up);
                s
            },
        ),
        fault(
            "network.bandwidth.varying_rate_down",
            "4 and 1 Mbit/s",
            |mut s| {
                alternate(&mut s.scene, Direction::Down);
                s
            },
        ),
        fault("network.bandwidth.policed_up", "0.5 Mbit/s", |s| {
            s.with_rate(Direction::Up, policer(500_000))
        }),
        fault("network.bandwidth.policed_down", "0.5 Mbit/s", |s| {
            s.with_rate(Direction::Down, policer(500_000))
        }),
        fault("network.bandwidth.server_limited", "1 Mbit/s", |mut s| {
            s.config.up.cap_bps = 1_000_000;
            s.config.up.max_bps = 980_000;
            s.capped_by_server[0] = true;
            s
        }),
    ]
}
