//! What goes on, on standard error: a bar with live figures on a terminal, plain lines elsewhere.

use std::collections::VecDeque;
use std::time::Duration;

use greenroom_probes::event::{Event, EventKind, ProbeResult, RateDirection, Sample};
use greenroom_reports::model::outcome::{Outcome, Reason};
use greenroom_reports::model::report::{Mode, ProbeId, Request};
use greenroom_reports::model::throughput::ThroughputPhase;
use greenroom_reports::units::{Bitrate, Millis};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;

/// Steps of the bar.
const STEPS: u64 = 1000;
/// How long each probe takes when nothing is lost, full and quick, on a link of some Mbit/s with
/// 20 ms of round-trip time. System, microphone and speaker are probed beside the others; the
/// camera comes last on few cores.
const EXPECTED: [(ProbeId, [Duration; 2]); 4] = [
    (ProbeId::Discovery, [Duration::from_millis(80); 2]),
    (
        ProbeId::Path,
        [Duration::from_millis(2830), Duration::from_millis(1230)],
    ),
    (
        ProbeId::Throughput,
        [Duration::from_millis(2880), Duration::from_millis(790)],
    ),
    (
        ProbeId::Camera,
        [Duration::from_millis(2600), Duration::from_millis(1700)],
    ),
];
/// The same of those that are probed beside the others, for a check of nothing else: who looks at
/// the bar sits at a terminal and is asked to speak.
const EXPECTED_ALONE: [(ProbeId, [Duration; 2]); 2] = [
    (
        ProbeId::Microphone,
        [Duration::from_millis(3100), Duration::from_millis(1300)],
    ),
    (
        ProbeId::Speaker,
        [Duration::from_millis(2400), Duration::from_millis(1100)],
    ),
];
/// Round trips of which the live figure is the median.
const RECENT: usize = 25;
/// How often the bar is drawn at the most.
const FRAMES_PER_SECOND: u8 = 10;

/// Shows the events of one check.
#[derive(Debug)]
pub(super) enum Progress {
    /// A bar on a terminal.
    Bar(Box<Bar>),
    /// Lines.
    Lines,
    /// Nothing.
    Quiet,
}

/// The state of the bar.
#[derive(Debug)]
pub(super) struct Bar {
    line: ProgressBar,
    course: Course,
    live: Live,
}

/// How far the whole check is.
#[derive(Debug, Default)]
struct Course {
    /// Probes of the run, in order, and what share of each is done.
    probes: Vec<(ProbeId, Duration, f64)>,
}

/// Live figures.
#[derive(Debug, Default)]
struct Live {
    recent: VecDeque<Millis>,
    answered: u64,
    phase: Option<&'static str>,
    rates: [Option<Bitrate>; 2],
}

impl Progress {
    /// For a standard error that is a terminal, or is not.
    pub(super) fn new(is_terminal: bool, quiet: bool) -> Self {
        match (quiet, is_terminal) {
            (true, _) => Self::Quiet,
            (false, false) => Self::Lines,
            (false, true) => Self::Bar(Box::new(Bar::new())),
        }
    }

    /// Shows an event.
    pub(super) fn show(&mut self, event: &Event) {
        match self {
            Self::Quiet => {}
            Self::Lines => {
                if let Some(line) = line(event) {
                    output::complain(&line);
                }
            }
            Self::Bar(bar) => bar.show(event),
        }
    }

    /// Says something beside the progress.
    pub(super) fn note(&self, text: &str) {
        match self {
            Self::Quiet => {}
            Self::Lines => output::complain(text),
            Self::Bar(bar) => bar.line.println(text),
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.line.finish_and_clear();
        }
    }
}

impl Bar {
    fn new() -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(FRAMES_PER_SECOND);
        let bar = ProgressBar::with_draw_target(Some(STEPS), target);
        let colors = if output::colors_wanted() { "36" } else { "" };
        let template = format!("{{prefix:10}} [{{bar:24.{colors}}}] {{msg}}");
        let style = ProgressStyle::with_template(&template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        bar.set_style(style);
        bar.set_prefix("checking");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            line: bar,
            course: Course::default(),
            live: Live::default(),
        }
    }

    fn show(&mut self, event: &Event) {
        self.live.take(&event.kind);
        self.course.take(&event.kind);
        match &event.kind {
            EventKind::ProbeStarted { probe } if *probe != ProbeId::System => {
                self.line.set_prefix(name(*probe));
            }
            EventKind::Warning { probe, message } => {
                self.line.println(format!("{}: {message}", name(*probe)));
            }
            EventKind::ProbeFinished { result, .. } => {
                if let Some(reason) = reason_of(result) {
                    let probe = name(result.probe());
                    self.line.println(format!("{probe}: {}", reason.message));
                }
            }
            _ => {}
        }
        self.draw();
    }

    fn draw(&self) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and STEPS"
        )]
        let position = (self.course.done_ratio() * STEPS as f64) as u64;
        self.line.set_position(position.min(STEPS));
        let left = self.course.left().as_secs_f64();
        let figures = self.live.figures();
        self.line
            .set_message(format!("{left:3.1} s left  {figures}"));
    }
}

impl Course {
    fn take(&mut self, event: &EventKind) {
        match event {
            EventKind::RunStarted(started) => self.plan(&started.request),
            EventKind::Progress { probe, done_ratio } => self.set(*probe, done_ratio.as_f64()),
            EventKind::ProbeFinished { result, .. } => self.set(result.probe(), 1.0),
            _ => {}
        }
    }

    fn plan(&mut self, request: &Request) {
        let is_quick = usize::from(request.mode == Mode::Quick);
        let planned = |expected: &[(ProbeId, [Duration; 2])]| -> Vec<_> {
            let expected = expected.iter();
            let planned = expected.filter(|(probe, _)| request.probes.contains(probe));
            planned
                .map(|(probe, times)| (*probe, times[is_quick], 0.0))
                .collect()
        };
        self.probes = planned(&EXPECTED);
        if self.probes.is_empty() {
            self.probes = planned(&EXPECTED_ALONE);
        }
    }

    fn set(&mut self, probe: ProbeId, done: f64) {
        for known in self.probes.iter_mut().filter(|known| known.0 == probe) {
            // A path that is extended goes on for longer, but the bar does not go back.
            known.2 = known.2.max(done);
        }
    }

    fn left(&self) -> Duration {
        let left = |(_, time, done): &(ProbeId, Duration, f64)| time.mul_f64(1.0 - done);
        self.probes.iter().map(left).sum()
    }

    fn done_ratio(&self) -> f64 {
        let whole: Duration = self.probes.iter().map(|(_, time, _)| time).sum();
        if whole.is_zero() {
            return 0.0;
        }
        1.0 - self.left().as_secs_f64() / whole.as_secs_f64()
    }
}

impl Live {
    fn take(&mut self, event: &EventKind) {
        match event {
            EventKind::Sample { sample, .. } => self.add(sample),
            EventKind::ProbeFinished { result, .. } if result.probe() == ProbeId::Throughput => {
                self.phase = None;
            }
            _ => {}
        }
    }

    fn add(&mut self, sample: &Sample) {
        match sample {
            Sample::RoundTrip { rtt_ms, warmup, .. } if !warmup => {
                self.answered += 1;
                self.recent.push_back(*rtt_ms);
                if self.recent.len() > RECENT {
                    self.recent.pop_front();
                }
            }
            Sample::Phase { phase } => {
                self.phase = phase_name(*phase);
                self.rates = [None; 2];
            }
            Sample::Rate {
                direction,
                rate_bps,
            } => {
                let index = usize::from(*direction == RateDirection::Down);
                self.rates[index] = Some(*rate_bps);
            }
            _ => {}
        }
    }

    fn figures(&self) -> String {
        match self.phase {
            Some(phase) => self.rates(phase),
            None => self.round_trip(),
        }
    }

    fn rates(&self, phase: &str) -> String {
        let told = self.rates.iter().zip(["up", "down"]);
        let told = told.filter_map(|(rate, way)| Some(format!("{} {way}", (*rate)?)));
        let parts: Vec<String> = std::iter::once(phase.to_owned()).chain(told).collect();
        parts.join("  ")
    }

    fn round_trip(&self) -> String {
        let mut sorted: Vec<Millis> = self.recent.iter().copied().collect();
        sorted.sort_by(|a, b| a.as_f64().total_cmp(&b.as_f64()));
        sorted
            .get(sorted.len() / 2)
            .map_or_else(String::new, |median| {
                format!("round trip {median}, {} answers", self.answered)
            })
    }
}

fn phase_name(phase: ThroughputPhase) -> Option<&'static str> {
    match phase {
        ThroughputPhase::Connect => Some("connecting"),
        ThroughputPhase::Uplink => Some("uplink"),
        ThroughputPhase::Downlink => Some("downlink"),
        ThroughputPhase::Verification => Some("call traffic"),
        _ => None,
    }
}

fn name(probe: ProbeId) -> &'static str {
    match probe {
        ProbeId::System => "system",
        ProbeId::Discovery => "server",
        ProbeId::Path => "path",
        ProbeId::Throughput => "throughput",
        ProbeId::Camera => "camera",
        ProbeId::Microphone => "microphone",
        ProbeId::Speaker => "speaker",
        ProbeId::Resolve => "names",
        ProbeId::Web => "web",
        ProbeId::Stun => "STUN",
        ProbeId::Turn => "TURN",
        _ => "probe",
    }
}

/// The line of a lifecycle event.
fn line(event: &Event) -> Option<String> {
    match &event.kind {
        EventKind::ProbeStarted { probe } => Some(format!("{}: started", name(*probe))),
        EventKind::Warning { probe, message } => Some(format!("{}: {message}", name(*probe))),
        EventKind::ProbeFinished { result, .. } => {
            let (probe, at) = (name(result.probe()), event.at_ms);
            Some(match reason_of(result) {
                None => format!("{probe}: measured, {at} after the start"),
                Some(reason) => format!("{probe}: {}", reason.message),
            })
        }
        _ => None,
    }
}

fn reason_of(result: &ProbeResult) -> Option<&Reason> {
    fn of<T>(outcome: &Outcome<T>) -> Option<&Reason> {
        outcome.reason()
    }
    match result {
        ProbeResult::System(outcome) => of(outcome),
        ProbeResult::Discovery(outcome) => of(outcome),
        ProbeResult::Path(outcome) => of(outcome),
        ProbeResult::Throughput(outcome) => of(outcome),
        ProbeResult::Camera(outcome) => of(outcome),
        ProbeResult::Microphone(outcome) => of(outcome),
        ProbeResult::Speaker(outcome) => of(outcome),
        ProbeResult::Resolve(outcome) => of(outcome),
        ProbeResult::Web(outcome) => of(outcome),
        ProbeResult::Stun(outcome) => of(outcome),
        ProbeResult::Turn(outcome) => of(outcome),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(mode: Mode, probes: &[ProbeId]) -> Course {
        let mut course = Course::default();
        course.plan(&Request {
            mode,
            target: greenroom_reports::model::report::Target::Builtin,
            probes: probes.to_vec(),
            left_out: Vec::new(),
            time_limit_ms: None,
            data_limit_bytes: None,
        });
        course
    }

    #[test]
    fn the_time_that_is_left_shrinks_with_each_probe() {
        let all = [
            ProbeId::System,
            ProbeId::Discovery,
            ProbeId::Path,
            ProbeId::Throughput,
        ];
        let mut full = course(Mode::Full, &all);
        assert!((5.0..6.0).contains(&full.left().as_secs_f64()));
        full.set(ProbeId::Discovery, 1.0);
        full.set(ProbeId::Path, 0.5);
        full.set(ProbeId::Path, 0.2);
        assert!((4.2..4.4).contains(&full.left().as_secs_f64()));
        full.set(ProbeId::Path, 1.0);
        full.set(ProbeId::Throughput, 1.0);
        assert!((full.done_ratio() - 1.0).abs() < 1e-9);
        let quick = course(Mode::Quick, &all);
        assert!((2.0..2.5).contains(&quick.left().as_secs_f64()));
        assert!(course(Mode::Full, &[ProbeId::System]).done_ratio() < 1e-9);
    }

    #[test]
    fn a_check_of_the_microphone_alone_has_a_course() {
        let mut alone = course(Mode::Full, &[ProbeId::Microphone]);
        assert!((3.0..3.2).contains(&alone.left().as_secs_f64()));
        alone.set(ProbeId::Microphone, 0.5);
        assert!((alone.done_ratio() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn live_figures_are_those_of_the_phase() {
        let mut live = Live::default();
        live.add(&Sample::RoundTrip {
            seq: 3,
            rtt_ms: Millis::new(20.5).unwrap(),
            warmup: false,
        });
        assert_eq!(live.figures(), "round trip 20.5 ms, 1 answers");
        let phase = ThroughputPhase::Verification;
        live.add(&Sample::Phase { phase });
        for (direction, kbps) in [(RateDirection::Down, 3100), (RateDirection::Up, 940)] {
            live.add(&Sample::Rate {
                direction,
                rate_bps: Bitrate::from_kbps(kbps),
            });
        }
        assert_eq!(
            live.figures(),
            "call traffic  940 kbit/s up  3.10 Mbit/s down"
        );
    }
}
