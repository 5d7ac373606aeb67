//! A lab with a server, and checks of it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use greenroom::model::path::PathSection;
use greenroom::model::report::Ending;
use greenroom::{Event, EventKind, Report, Sample};
use greenroom_lab::link::LinkConfig;
use greenroom_lab::{Lab, LabConfig, Process};
use tempfile::TempDir;

use crate::log::Truth;

/// The built program.
pub(crate) const GREENROOM: &str = env!("CARGO_BIN_EXE_greenroom");

const PORT: u16 = 8443;

/// Longer than any check may take.
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// What a client keeps of the environment: a desktop's proxy or display must not change the figures.
const KEPT_VARIABLES: [&str; 4] = ["PATH", "HOME", "TMPDIR", "GREENROOM_LAB_STAGE"];

/// One direction of a link with 20 ms RTT.
pub(crate) fn good_link() -> LinkConfig {
    LinkConfig::new().delay_ms(10)
}

/// A network with a server.
pub(crate) struct Scene {
    // Before the lab, whose end ends it.
    _server: Process,
    pub(crate) lab: Lab,
    files: TempDir,
}

impl Scene {
    /// The same link both ways.
    pub(crate) fn with(link: LinkConfig, seed: u64) -> Result<Self> {
        Self::new(link.clone(), link, seed)
    }

    /// A link for each direction.
    pub(crate) fn new(up: LinkConfig, down: LinkConfig, seed: u64) -> Result<Self> {
        let lab = Lab::with(LabConfig { up, down, seed })?;
        let server = serve(&lab)?;
        Ok(Self {
            _server: server,
            lab,
            files: tempfile::tempdir()?,
        })
    }

    /// Where a file of this scene goes.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Starts a check.
    pub(crate) fn start(&self, arguments: &[&str]) -> Result<Running> {
        self.start_as(arguments, &[])
    }

    /// Starts a check with these variables beside the few that are kept.
    fn start_as(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Running> {
        let url = format!("http://{}:{PORT}", self.lab.server().ipv4());
        let [events, report] = ["events.jsonl", "report.json"].map(|name| self.file(name));
        let mut command = self.lab.client().command(GREENROOM);
        // The network alone.
        command.env("GREENROOM_SKIP", "camera,microphone,speaker");
        clean_environment(&mut command);
        command.envs(variables.iter().copied());
        command
            .args(["check", "--no-redact", "--quiet", "--server", &url])
            .args(arguments)
            .arg("--json")
            .arg(&report)
            .arg("--events")
            .arg(&events)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        for file in [&events, &report] {
            if file.exists() {
                fs::remove_file(file)?;
            }
        }
        self.lab.link().take_records();
        let began = Instant::now();
        let process = Process::start(&mut command).context("cannot start the check")?;
        Ok(Running {
            process,
            began,
            events,
            report,
        })
    }

    /// Runs a check to its end.
    pub(crate) fn check(&self, arguments: &[&str]) -> Result<Checked> {
        self.check_as(arguments, &[])
    }

    /// Runs a check to its end, with these variables beside the few that are kept.
    pub(crate) fn check_as(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Checked> {
        let checked = self.start_as(arguments, variables)?.finish()?;
        ensure!(
            checked.report.ending == Ending::Finished,
            "the check ended early: {:?}",
            checked.report.ending
        );
        Ok(checked)
    }

    /// What the link saw since the last check began.
    pub(crate) fn truth(&self) -> Result<Truth> {
        let link = self.lab.link();
        ensure!(!link.has_log_overflowed(), "the packet log overflowed");
        Ok(crate::log::of_greenroom(&link.take_records()))
    }
}

fn clean_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if !KEPT_VARIABLES.iter().any(|kept| name == *kept) {
            command.env_remove(name);
        }
    }
}

fn serve(lab: &Lab) -> Result<Process> {
    let mut command = lab.server().command(GREENROOM);
    clean_environment(&mut command);
    command
        .args(["serve", "--listen", &format!("[::]:{PORT}")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut server = Process::start(&mut command).context("cannot start the server")?;
    let stdout = server.child().stdout.take().context("no output")?;
    let mut lines = BufReader::new(stdout).lines();
    loop {
        match lines.next() {
            Some(line) if line.as_ref().is_ok_and(|l| l.starts_with("serving at")) => break,
            Some(Ok(_)) => {}
            Some(Err(_)) | None => bail!("the server ended at its start"),
        }
    }
    // Goes on reading, so that the server never blocks.
    std::thread::spawn(move || lines.for_each(drop));
    Ok(server)
}

/// A check that runs.
pub(crate) struct Running {
    pub(crate) process: Process,
    began: Instant,
    events: PathBuf,
    report: PathBuf,
}

impl Running {
    /// Waits for the end and reads what it wrote.
    pub(crate) fn finish(mut self) -> Result<Checked> {
        let status = self.process.wait_timeout(END_TIMEOUT)?;
        let elapsed = self.began.elapsed();
        let status = status.with_context(|| format!("no end within {END_TIMEOUT:?}"))?;
        let mut stderr = String::new();
        if let Some(mut pipe) = self.process.child().stderr.take() {
            pipe.read_to_string(&mut stderr)?;
        }
        let report = fs::read_to_string(&self.report)
            .with_context(|| format!("the check gave no report, {status}: {stderr}"))?;
        Ok(Checked {
            report: greenroom::schema::read_report(&report)?,
            round_trips: round_trips(&self.events)?,
            elapsed,
        })
    }
}

/// Sequence numbers and round-trip times in milliseconds of the answers that count.
fn round_trips(events: &Path) -> Result<Vec<(u32, f64)>> {
    let mut found = Vec::new();
    for line in fs::read_to_string(events)?.lines() {
        let event: Event = serde_json::from_str(line)?;
        if let EventKind::Sample {
            sample:
                Sample::RoundTrip {
                    seq,
                    rtt_ms,
                    warmup: false,
                },
            ..
        } = event.kind
        {
            found.push((seq, rtt_ms.as_f64()));
        }
    }
    Ok(found)
}

/// A check that gave a report.
pub(crate) struct Checked {
    pub(crate) report: Report,
    pub(crate) round_trips: Vec<(u32, f64)>,
    pub(crate) elapsed: Duration,
}

impl Checked {
    /// What it says of the path.
    pub(crate) fn path(&self) -> Result<&PathSection> {
        self.report.path.data().context("no path was measured")
    }

    /// The part of the truth that counts, warm-up left out.
    pub(crate) fn counted(&self, mut truth: Truth) -> Result<Truth> {
        let warmup = self.path()?.stream.warmup_packets;
        truth.retain(|sequence, _| u64::from(*sequence) >= warmup);
        ensure!(!truth.is_empty(), "the packet log has no test packet");
        Ok(truth)
    }
}
