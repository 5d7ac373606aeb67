//! `greenroom check`.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process;

use anyhow::Context;
use clap::ValueEnum;
use greenroom_probes::cancel::{Cancel, CancelCause};
use greenroom_probes::event::{Event, EventKind, ProbeResult};
use greenroom_reports::model::outcome::Outcome;
use greenroom_reports::model::report::{Mode, ProbeId, Report};
use greenroom_reports::redact::Redactor;
use greenroom_reports::render::{json, markdown, text};
use greenroom_reports::verdict::exit_code;

use super::args::{CheckArgs, ProbeArg};
use super::output::{self, Usage};
use super::progress::Progress;
use crate::{Check, CheckBuilder, CheckError};

/// Checks, shows, writes.
pub(super) fn run(args: &CheckArgs) -> anyhow::Result<u8> {
    refuse_contradictions(args)?;
    let builder = builder(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(check(builder, args));
    // While the runtime lives, a signal ends the program even if nobody takes the report.
    let exit_code = outcome.map(|checked| show(checked, args));
    // Look-ups that hang in the system's resolver must not keep the program from ending.
    runtime.shutdown_background();
    exit_code
}

fn refuse_contradictions(args: &CheckArgs) -> anyhow::Result<()> {
    match contradiction(args) {
        Some(message) => Err(Usage(message).into()),
        None => Ok(()),
    }
}

fn contradiction(args: &CheckArgs) -> Option<String> {
    contradicting_probes(args).or_else(|| contradicting_files(args))
}

fn contradicting_probes(args: &CheckArgs) -> Option<String> {
    if let Some(probe) = args.only.iter().find(|p| args.skip.contains(p)) {
        let name = format!("{probe:?}").to_lowercase();
        return Some(format!(
            "--only and --skip both name {name}; leave it out of one of them"
        ));
    }
    let measuring = [ProbeArg::Path, ProbeArg::Throughput];
    let measured = measuring.iter().find(|probe| args.only.contains(probe));
    if let (Some(probe), true) = (measured, args.skip.contains(&ProbeArg::Discovery)) {
        let name = format!("{probe:?}").to_lowercase();
        return Some(format!(
            "--only {name} needs discovery, which finds out where to measure; leave it out of \
             --skip"
        ));
    }
    let all = ProbeArg::value_variants();
    let nothing_left = all.iter().all(|probe| args.skip.contains(probe));
    nothing_left.then(|| "--skip leaves nothing to check".to_owned())
}

fn contradicting_files(args: &CheckArgs) -> Option<String> {
    let files = [&args.json, &args.markdown, &args.events];
    let mut named: Vec<&Path> = files.iter().filter_map(|f| f.as_deref()).collect();
    named.sort();
    let twice = named.windows(2).find(|pair| pair[0] == pair[1])?[0];
    Some(if output::is_dash(twice) {
        "standard output takes one of --json, --markdown and --events; give the others a file"
            .to_owned()
    } else {
        format!(
            "{} is named by two of --json, --markdown and --events; give each a file of its own",
            twice.display()
        )
    })
}

fn builder(args: &CheckArgs) -> anyhow::Result<CheckBuilder> {
    let mut builder = Check::builder()
        .only(args.only.iter().copied().map(ProbeId::from))
        .skip(args.skip.iter().copied().map(ProbeId::from));
    builder = builder
        .compare_tcp(args.compare_tcp)
        .stun(super::turn::stun_config(&args.stun, &args.turn)?)
        .turn(super::turn::config(&args.turn, &args.login)?);
    if let Some(mode) = mode(args) {
        builder = builder.mode(mode);
    }
    if let Some(url) = &args.server {
        builder = builder.server(url).map_err(usage)?;
    }
    if let Some(name) = &args.profile {
        builder = builder.profile(output::load_profile(name)?);
    }
    for path in &args.ca {
        builder = builder.authority(output::read_authority(path)?);
    }
    #[cfg(feature = "devices")]
    {
        let saved = super::devices::saved();
        builder = builder
            .devices(super::devices::chosen(&args.devices, saved)?)
            .asks_to_speak(asks_to_speak(args));
    }
    if let Some(limit) = args.time {
        builder = builder.time_limit(limit);
    }
    if let Some(limit) = args.data {
        builder = builder.data_limit(limit);
    }
    Ok(builder)
}

/// Somebody sits at the terminal and can be asked to speak.
fn asks_to_speak(args: &CheckArgs) -> bool {
    !args.quiet && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// What a person at the terminal is told to do.
#[derive(Debug)]
struct Prompt {
    /// The person can be asked, and was not yet.
    is_pending: bool,
    /// Somebody was asked and speaks.
    is_heard: bool,
}

impl Prompt {
    fn new(args: &CheckArgs) -> Self {
        Self {
            is_pending: cfg!(feature = "devices") && asks_to_speak(args),
            is_heard: false,
        }
    }

    /// Once the microphone is open, since one that is not there hears nobody, and at its end.
    fn on(&mut self, event: &EventKind) -> Option<&'static str> {
        match event {
            EventKind::Progress {
                probe: ProbeId::Microphone,
                ..
            } if self.is_pending => {
                (self.is_pending, self.is_heard) = (false, true);
                Some("microphone: please speak now, a sentence or two")
            }
            EventKind::ProbeFinished { result, .. } if self.is_heard => match &**result {
                ProbeResult::Microphone(Outcome::Measured { .. }) => {
                    Some("microphone: that is enough, thank you")
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// A server's URL that is none is wrong usage.
fn usage(error: CheckError) -> anyhow::Error {
    let chain = anyhow::Error::from(error);
    Usage(format!("{chain:#}")).into()
}

/// The mode that was asked for by name.
fn mode(args: &CheckArgs) -> Option<Mode> {
    match (args.depth.quick, args.depth.full) {
        (true, _) => Some(Mode::Quick),
        (_, true) => Some(Mode::Full),
        _ => None,
    }
}

/// What a check gave.
struct Checked {
    report: Report,
    /// Knows the pseudonyms that the events were written with.
    redactor: Redactor,
    /// What went wrong with the events' file.
    events_written: anyhow::Result<()>,
}

async fn check(builder: CheckBuilder, args: &CheckArgs) -> anyhow::Result<Checked> {
    let mut events = EventLog::open(args)?;
    let mut progress = Progress::new(io::stderr().is_terminal(), args.quiet);
    let mut check = builder.start().await?;
    if args.server.is_none() {
        progress
            .note("no --server was given: this machine is tested, the internet connection is not");
    }
    let signals = tokio::spawn(stop_on_signals(check.canceller(), args.quiet));
    let mut written = Ok(());
    let mut prompt = Prompt::new(args);
    while let Some(event) = check.next_event().await {
        progress.show(&event);
        if let Some(words) = prompt.on(&event.kind) {
            progress.note(words);
        }
        if written.is_ok() {
            written = events.write(&event, || check.report());
        }
    }
    signals.abort();
    tokio::spawn(end_on_signal());
    progress.finish();
    Ok(Checked {
        report: check.report(),
        redactor: events.redactor,
        events_written: written,
    })
}

/// The first signal gives the partial report, the second ends the program.
async fn stop_on_signals(cancel: Cancel, quiet: bool) {
    next_signal().await;
    if !quiet {
        output::complain("stopping; once more to leave without a report");
    }
    cancel.cancel(CancelCause::User);
    end_on_signal().await;
}

pub(super) async fn end_on_signal() {
    next_signal().await;
    process::exit(i32::from(exit_code::INTERRUPTED));
}

pub(super) async fn next_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The file of `--events`.
struct EventLog {
    out: Option<Box<dyn Write + Send>>,
    redact: bool,
    redactor: Redactor,
}

impl EventLog {
    fn open(args: &CheckArgs) -> anyhow::Result<Self> {
        let out: Option<Box<dyn Write + Send>> = match args.events.as_deref() {
            None => None,
            Some(path) if output::is_dash(path) => Some(Box::new(io::stdout())),
            Some(path) => Some(Box::new(create(path)?)),
        };
        Ok(Self {
            out,
            redact: !args.no_redact,
            redactor: Redactor::default(),
        })
    }

    fn write(&mut self, event: &Event, so_far: impl Fn() -> Report) -> anyhow::Result<()> {
        let Some(out) = &mut self.out else {
            return Ok(());
        };
        let mut value = serde_json::to_value(event)?;
        if self.redact {
            if brings_names(&event.kind) {
                self.redactor.learn_from(&so_far());
            }
            self.redactor.apply_json(&mut value);
        }
        writeln!(out, "{value}")
            .and_then(|()| out.flush())
            .context("cannot write the events")
    }
}

/// Events after which the report knows more hosts and addresses.
fn brings_names(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::RunStarted(_) | EventKind::ProbeFinished { .. }
    )
}

fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path)
        .map_err(|error| Usage(format!("cannot write --events {}: {error}", path.display())).into())
}

/// Shows the report and writes the files. A file that cannot be written does not cost the report:
/// it is shown all the same, and the exit code tells.
fn show(mut checked: Checked, args: &CheckArgs) -> u8 {
    let report = &checked.report;
    let shared = if args.no_redact {
        report.clone()
    } else {
        report.redacted_with(&mut checked.redactor)
    };
    let mut problems = Vec::new();
    problems.extend(checked.events_written.err());
    let files = [&args.json, &args.markdown, &args.events];
    let stdout_taken = files
        .iter()
        .any(|f| f.as_deref().is_some_and(output::is_dash));
    if let Some(path) = &args.json {
        problems.extend(output::write(path, &json(&shared)).err());
    }
    if let Some(path) = &args.markdown {
        problems.extend(output::write(path, &markdown(&shared)).err());
    }
    let failed = !problems.is_empty();
    if failed || !(args.quiet || stdout_taken) {
        let style = output::style(io::stdout().is_terminal());
        problems.extend(output::print(&text(report, style)).err());
    }
    for problem in problems.iter().filter(|p| !output::is_closed_pipe(p)) {
        output::complain(&format!("error: {problem:#}"));
    }
    if problems.iter().any(|p| !output::is_closed_pipe(p)) {
        return exit_code::FAILURE;
    }
    report.verdict.answer.exit_code()
}
