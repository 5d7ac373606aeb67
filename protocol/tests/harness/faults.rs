//! Faults of the path, and healthy paths, measured in virtual time and judged by the default
//! profile. The machine itself is healthy.

use std::collections::BTreeMap;
use std::time::Duration;

use greenroom_lab::link::{GilbertElliott, Jitter, LinkConfig, Loss};
use greenroom_protocol::measure::client::End;
use greenroom_protocol::measure::limits::Limits;
use greenroom_reports::model::finding::Finding;
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::path::PathSection;
use greenroom_reports::model::report::{Mode, Report};
use greenroom_reports::samples::{self, Random};
use greenroom_reports::verdict::profile::Profile;

use super::coverage::between;
use super::{ClientEnd, Run, ServerEnd, config, in_parallel, measure_with};

/// Slots of the path probe.
fn slots(mode: Mode) -> u32 {
    match mode {
        Mode::Quick => 60,
        Mode::Full => 150,
    }
}

/// What both directions of a link do.
pub(crate) type Links = [LinkConfig; 2];

/// One fault at one magnitude.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    /// The finding that is to stand first.
    pub(crate) id: &'static str,
    pub(crate) magnitude: &'static str,
    pub(crate) mode: Mode,
    /// Share of the runs, in percent, in which it has to be named.
    pub(crate) least_percent: f64,
    inject: fn(Links) -> Links,
}

/// How often a fault was named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sensitivity {
    pub(crate) runs: u32,
    pub(crate) named: u32,
    /// What was found instead, and how often.
    pub(crate) confusion: BTreeMap<String, u32>,
}

impl Sensitivity {
    pub(crate) fn percent(&self) -> f64 {
        100.0 * f64::from(self.named) / f64::from(self.runs.max(1))
    }

    /// What was found instead, for a line of text; empty when nothing was.
    pub(crate) fn confusion_in_words(&self) -> String {
        let times = |(instead, n): (&String, &u32)| format!("{n} times {instead}");
        let all: Vec<String> = self.confusion.iter().map(times).collect();
        if all.is_empty() {
            String::new()
        } else {
            format!("; else {}", all.join(", "))
        }
    }
}

impl Fault {
    /// Injects it into as many different healthy paths.
    pub(crate) fn sensitivity(&self, runs: u64) -> Sensitivity {
        let mut total = Sensitivity::default();
        for findings in in_parallel(runs, |seed| self.findings(seed)) {
            total.runs += 1;
            if is_named(&findings, self.id) {
                total.named += 1;
            } else {
                *total.confusion.entry(in_words(&findings)).or_default() += 1;
            }
        }
        total
    }

    fn findings(&self, seed: u64) -> Vec<Finding> {
        let mut random = Random::new(seed ^ 0xFA17);
        let healthy = [(); 2].map(|()| {
            LinkConfig::new()
                .delay(between(&mut random, 5.0, 40.0))
                .jitter(Jitter::Normal(between(&mut random, 0.0, 2.0)))
        });
        judge(&probe((self.inject)(healthy), seed, self.mode))
    }
}

/// It stands first, and every other finding is its consequence.
fn is_named(findings: &[Finding], id: &str) -> bool {
    let follows = |finding: &Finding| finding.consequence_of.as_deref() == Some(id);
    match findings {
        [first, rest @ ..] => first.id == id && rest.iter().all(follows),
        [] => false,
    }
}

fn in_words(findings: &[Finding]) -> String {
    let word = |finding: &Finding| match &finding.consequence_of {
        Some(cause) => format!("{} (of {cause})", finding.id),
        None => finding.id.clone(),
    };
    let words: Vec<String> = findings.iter().map(word).collect();
    if words.is_empty() {
        "nothing".to_owned()
    } else {
        words.join(" + ")
    }
}

/// Runs over healthy paths that raised an alarm: the seed and what was said. RTT 5 to 150 ms,
/// normal jitter up to 5 ms, loss up to 0.1 %; every other run is a quick one.
pub(crate) fn false_alarms(runs: u64) -> Vec<(u64, String)> {
    let found = in_parallel(runs, |seed| {
        let mut random = Random::new(seed);
        let rtt_ms = 5.0 + 145.0 * random.unit();
        let share = 0.3 + 0.4 * random.unit();
        let links = [share, 1.0 - share].map(|share| {
            LinkConfig::new()
                .delay(Duration::from_secs_f64(rtt_ms * share / 1e3))
                .jitter(Jitter::Normal(between(&mut random, 0.0, 5.0)))
                .loss(Loss::Random(0.001 * random.unit()))
        });
        let mode = [Mode::Quick, Mode::Full][usize::from(seed % 2 == 1)];
        let findings = judge(&probe(links, seed, mode));
        (seed, findings)
    });
    found
        .into_iter()
        .filter(|(_, findings)| !findings.is_empty())
        .map(|(seed, findings)| (seed, in_words(&findings)))
        .collect()
}

/// Measures as the path probe does.
fn probe([up, down]: Links, seed: u64, mode: Mode) -> Run {
    let mut config = config(seed, slots(mode));
    // The emulator's bursts last for a number of packets. A handshake sends few, so that a burst
    // seems to last for seconds there, as no real one does.
    config.patience = Duration::from_secs(20);
    let mut client = ClientEnd::new(config);
    client.extend_if_close_by = (mode == Mode::Full).then_some(100);
    measure_with(up, down, seed, client, ServerEnd::new(Limits::default()))
}

fn judge(run: &Run) -> Vec<Finding> {
    let found = samples::run(outcome(run));
    Report::assemble(found, Profile::default_profile()).findings
}

fn outcome(run: &Run) -> Outcome<PathSection> {
    let silent = || Reason::new(ReasonCode::NoAnswer, "nothing comes through any more");
    match (run.section(), run.client.end) {
        (Some(data), Some(End::Complete)) if data.rtt.is_some() => Outcome::Measured { data },
        (Some(data), _) => Outcome::Partial {
            data,
            reason: silent(),
        },
        (None, _) => Outcome::Blocked { reason: silent() },
    }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn bursts(ratio: f64, mean: f64) -> Loss {
    Loss::GilbertElliott(GilbertElliott::bursts(ratio, mean))
}

/// Every fault of the path, in each direction that it can have.
pub(crate) fn faults() -> Vec<Fault> {
    [delays_and_losses(), orders_and_sizes(), quick()].concat()
}

fn fault(
    mode: Mode,
    id: &'static str,
    magnitude: &'static str,
    least_percent: f64,
    inject: fn(Links) -> Links,
) -> Fault {
    Fault {
        id,
        magnitude,
        mode,
        least_percent,
        inject,
    }
}

fn full(
    id: &'static str,
    magnitude: &'static str,
    least_percent: f64,
    inject: fn(Links) -> Links,
) -> Fault {
    fault(Mode::Full, id, magnitude, least_percent, inject)
}

fn delays_and_losses() -> Vec<Fault> {
    vec![
        full("network.path.high_rtt", "RTT 300 ms", 98.0, |links| {
            links.map(|l| l.delay_ms(150))
        }),
        full(
            "network.path.high_jitter_up",
            "normal jitter 60 ms",
            98.0,
            |[up, down]| [up.delay_ms(60).jitter(Jitter::Normal(ms(60))), down],
        ),
        full(
            "network.path.high_jitter_down",
            "normal jitter 60 ms",
            98.0,
            |[up, down]| [up, down.delay_ms(60).jitter(Jitter::Normal(ms(60)))],
        ),
        full(
            "network.path.loss_up",
            "random loss 5 %",
            95.0,
            |[up, down]| [up.loss(Loss::Random(0.05)), down],
        ),
        full(
            "network.path.loss_down",
            "random loss 5 %",
            95.0,
            |[up, down]| [up, down.loss(Loss::Random(0.05))],
        ),
        full(
            "network.path.loss_up",
            "random loss 8 %",
            98.0,
            |[up, down]| [up.loss(Loss::Random(0.08)), down],
        ),
        full(
            "network.path.loss_down",
            "random loss 8 %",
            98.0,
            |[up, down]| [up, down.loss(Loss::Random(0.08))],
        ),
        full(
            "network.path.bursty_loss_up",
            "loss 20 % in bursts of 4",
            98.0,
            |[up, down]| [up.loss(bursts(0.2, 4.0)), down],
        ),
        full(
            "network.path.bursty_loss_down",
            "loss 20 % in bursts of 4",
            98.0,
            |[up, down]| [up, down.loss(bursts(0.2, 4.0))],
        ),
    ]
}

fn orders_and_sizes() -> Vec<Fault> {
    vec![
        full(
            "network.path.reordering_up",
            "8 % held back by 50 ms",
            98.0,
            |[up, down]| [up.reordering(0.08, ms(50)), down],
        ),
        full(
            "network.path.reordering_down",
            "8 % held back by 50 ms",
            98.0,
            |[up, down]| [up, down.reordering(0.08, ms(50))],
        ),
        full(
            "network.path.duplicates_up",
            "10 % come twice",
            98.0,
            |[up, down]| [up.duplicate(0.1), down],
        ),
        full(
            "network.path.duplicates_down",
            "10 % come twice",
            98.0,
            |[up, down]| [up, down.duplicate(0.1)],
        ),
        full(
            "network.path.mtu_black_hole_up",
            "more than 1300 bytes vanish",
            98.0,
            |[up, down]| [up.mtu(1300), down],
        ),
        full(
            "network.path.mtu_black_hole_down",
            "more than 1300 bytes vanish",
            98.0,
            |[up, down]| [up, down.mtu(1300)],
        ),
        full(
            "network.path.outage",
            "nothing for 1 s either way",
            98.0,
            |links| links.map(|l| l.outage(ms(1000), ms(2000))),
        ),
        full(
            "network.path.outage",
            "nothing up for 1 s",
            98.0,
            |[up, down]| [up.outage(ms(1000), ms(2000)), down],
        ),
    ]
}

fn quick() -> Vec<Fault> {
    let quick = |id, magnitude, least, inject| fault(Mode::Quick, id, magnitude, least, inject);
    vec![
        quick("network.path.high_rtt", "RTT 300 ms", 98.0, |links| {
            links.map(|l| l.delay_ms(150))
        }),
        quick(
            "network.path.high_jitter_down",
            "normal jitter 60 ms",
            98.0,
            |[up, down]| [up, down.delay_ms(60).jitter(Jitter::Normal(ms(60)))],
        ),
        quick(
            "network.path.loss_up",
            "random loss 15 %",
            98.0,
            |[up, down]| [up.loss(Loss::Random(0.15)), down],
        ),
        quick(
            "network.path.reordering_up",
            "15 % held back by 50 ms",
            98.0,
            |[up, down]| [up.reordering(0.15, ms(50)), down],
        ),
        quick(
            "network.path.duplicates_down",
            "15 % come twice",
            98.0,
            |[up, down]| [up, down.duplicate(0.15)],
        ),
        quick(
            "network.path.mtu_black_hole_up",
            "more than 1300 bytes vanish",
            98.0,
            |[up, down]| [up.mtu(1300), down],
        ),
        quick(
            "network.path.outage",
            "nothing for 0.6 s either way",
            98.0,
            |links| links.map(|l| l.outage(ms(500), ms(1100))),
        ),
    ]
}
