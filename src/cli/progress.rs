//! What goes on, on standard error: a bar with live figures on a terminal, plain lines elsewhere.

use std::collections::VecDeque;
use std::time::Duration;

use greenroom_probes::event::{Event, EventKind, ProbeResult, Sample};
use greenroom_reports::model::outcome::{Outcome, Reason};
use greenroom_reports::model::report::{Mode, ProbeId};
use greenroom_reports::units::Millis;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;

/// Steps of the bar.
const STEPS: u64 = 1000;
/// Share of the bar that the probes before the path take, in steps.
const BEFORE_PATH: f64 = 60.0;
/// How long the path probe takes when nothing is lost; the remaining time is a share of it.
const FULL: Duration = Duration::from_millis(3200);
/// The same for a quick check.
const QUICK: Duration = Duration::from_millis(1400);
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
    expected: Duration,
    recent: VecDeque<Millis>,
    answered: u64,
}

impl Progress {
    /// For a standard error that is a terminal, or is not.
    pub(super) fn new(is_terminal: bool, quiet: bool, mode: Mode) -> Self {
        match (quiet, is_terminal) {
            (true, _) => Self::Quiet,
            (false, false) => Self::Lines,
            (false, true) => Self::Bar(Box::new(Bar::new(mode))),
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
    fn new(mode: Mode) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(FRAMES_PER_SECOND);
        let bar = ProgressBar::with_draw_target(Some(STEPS), target);
        let colors = if output::colors_wanted() { "36" } else { "" };
        let template = format!("{{prefix:9}} [{{bar:24.{colors}}}] {{msg}}");
        let style = ProgressStyle::with_template(&template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        bar.set_style(style);
        bar.set_prefix(match mode {
            Mode::Full => "checking",
            Mode::Quick => "quick",
        });
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            line: bar,
            expected: match mode {
                Mode::Full => FULL,
                Mode::Quick => QUICK,
            },
            recent: VecDeque::new(),
            answered: 0,
        }
    }

    fn show(&mut self, event: &Event) {
        match &event.kind {
            EventKind::ProbeStarted { probe } => self.line.set_prefix(name(*probe)),
            EventKind::Progress {
                probe: ProbeId::Path,
                done_ratio,
            } => {
                self.advance(done_ratio.as_f64());
            }
            EventKind::Sample {
                sample: Sample::RoundTrip { rtt_ms, warmup, .. },
                ..
            } if !warmup => self.round_trip(*rtt_ms),
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
    }

    fn advance(&mut self, done: f64) {
        let position = BEFORE_PATH + done * (STEPS as f64 - BEFORE_PATH);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and STEPS"
        )]
        self.line
            .set_position(position.clamp(0.0, STEPS as f64) as u64);
        let left = self.expected.as_secs_f64() * (1.0 - done);
        let figures = self.figures();
        self.line
            .set_message(format!("{left:3.1} s left  {figures}"));
    }

    fn round_trip(&mut self, rtt: Millis) {
        self.answered += 1;
        self.recent.push_back(rtt);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    fn figures(&self) -> String {
        let mut sorted: Vec<Millis> = self.recent.iter().copied().collect();
        sorted.sort_by(|a, b| a.as_f64().total_cmp(&b.as_f64()));
        sorted
            .get(sorted.len() / 2)
            .map_or_else(String::new, |median| {
                format!("round trip {median}, {} answers", self.answered)
            })
    }
}

fn name(probe: ProbeId) -> &'static str {
    match probe {
        ProbeId::System => "system",
        ProbeId::Discovery => "server",
        ProbeId::Path => "path",
        ProbeId::Throughput => "throughput",
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
        _ => None,
    }
}
