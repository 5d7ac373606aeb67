//! `greenroom check` on the client's machine, and what it said.

use std::io::Read;
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use greenroom::Report;
use greenroom::model::path::PathSection;
use greenroom::model::report::Ending;
use greenroom::model::throughput::ThroughputSection;
use greenroom_lab::{Disguise, DisguiseConfig, Lab, Process};

use crate::scene::GREENROOM;
use crate::screen;

/// Longer than any check may take, extension included.
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// What a client keeps of the environment of the tests; a desktop's proxy or display is not the client's.
const KEPT_VARIABLES: [&str; 4] = ["PATH", "HOME", "TMPDIR", "GREENROOM_LAB_STAGE"];

/// A check to be run.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    lab: &'a Lab,
    arguments: Vec<String>,
    machine: DisguiseConfig,
    variables: Vec<(String, String)>,
}

/// A healthy desktop with nothing else to do, whatever machine the tests run on.
fn desktop() -> DisguiseConfig {
    DisguiseConfig::new()
        .emptied("/sys/class/power_supply")
        .emptied("/sys/class/thermal")
        .emptied("/sys/devices/system/cpu/cpufreq")
        .absent("/sys/firmware/acpi/platform_profile")
        .file("/proc/stat", "cpu  1000 0 1000 100000 0 0 0 0 0 0\n")
}

impl<'a> Client<'a> {
    /// A full check of the server at this URL, from a healthy desktop.
    pub(crate) fn new(lab: &'a Lab, url: &str) -> Self {
        let screen = screen::open();
        Self {
            lab,
            arguments: ["check", "--json", "-", "--no-redact", "--server", url]
                .map(str::to_owned)
                .into(),
            machine: desktop(),
            variables: vec![
                // The network alone; the devices have tests of their own.
                (
                    "GREENROOM_SKIP".to_owned(),
                    "camera,microphone,speaker".to_owned(),
                ),
                ("DISPLAY".to_owned(), screen.name),
                ("XAUTHORITY".to_owned(), screen.cookie.to_owned()),
            ],
        }
    }

    /// Fewer samples: where the figures do not matter.
    pub(crate) fn quick(self) -> Self {
        self.argument("--quick")
    }

    /// The server and the path to it alone: a lossy link that is drawn by lot loses the same packets
    /// only when nothing else is on it.
    pub(crate) fn path_alone(self) -> Self {
        let alone = "camera,microphone,speaker,resolve,web,stun,turn";
        self.variable("GREENROOM_SKIP", alone)
    }

    /// A further argument.
    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Sets a variable of the environment; empty removes it.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.variables.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Another machine.
    pub(crate) fn machine(mut self, change: impl FnOnce(DisguiseConfig) -> DisguiseConfig) -> Self {
        self.machine = change(self.machine);
        self
    }

    /// A file of another machine.
    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        self.machine(|mut machine| {
            machine.absent.retain(|hidden| hidden.as_os_str() != path);
            machine.file(path, content)
        })
    }

    /// Shows the true load of the machine that the tests run on.
    pub(crate) fn with_true_load(self) -> Self {
        self.machine(|mut machine| {
            machine
                .files
                .retain(|(path, _)| path.as_os_str() != "/proc/stat");
            machine
        })
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Checked {
        self.start().finish()
    }

    /// Starts it.
    pub(crate) fn start(self) -> Running {
        let disguise = Disguise::new(&self.machine).unwrap();
        let mut command = self.lab.client().command_in(&disguise, GREENROOM);
        for (name, _) in std::env::vars_os() {
            if !KEPT_VARIABLES.iter().any(|kept| name == *kept) {
                command.env_remove(name);
            }
        }
        command
            .args(&self.arguments)
            .envs(self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let began = Instant::now();
        let mut process = Process::start(&mut command).unwrap();
        let stdout = read_all(process.child().stdout.take().unwrap());
        let stderr = read_all(process.child().stderr.take().unwrap());
        Running {
            process,
            stdout,
            stderr,
            began,
            disguise,
        }
    }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// A check that runs.
#[derive(Debug)]
pub(crate) struct Running {
    process: Process,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    began: Instant,
    /// Of the client's machine; must outlive the process.
    pub(crate) disguise: Disguise,
}

impl Running {
    /// Sends a signal, `SIGINT`.
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name.parse().unwrap());
    }

    /// Waits for the end and reads the report.
    pub(crate) fn finish(self) -> Checked {
        let ended = self.end();
        let report = greenroom::schema::read_report(&ended.stdout);
        Checked {
            report: report
                .unwrap_or_else(|error| panic!("{error}\n{}\n{}", ended.stdout, ended.stderr)),
            exit_code: ended.exit_code,
            elapsed: ended.elapsed,
        }
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        let status = self.process.wait_timeout(END_TIMEOUT).unwrap();
        let elapsed = self.began.elapsed();
        let Some(status) = status else {
            drop(self.process);
            panic!(
                "the check did not end within {END_TIMEOUT:?}: {}",
                self.stderr.join().unwrap()
            );
        };
        Ended {
            stdout: self.stdout.join().unwrap(),
            stderr: self.stderr.join().unwrap(),
            exit_code: status.code(),
            elapsed,
        }
    }
}

/// A check that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// `None` when a signal killed it.
    pub(crate) exit_code: Option<i32>,
    pub(crate) elapsed: Duration,
}

/// A check that gave a report.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) report: Report,
    pub(crate) exit_code: Option<i32>,
    pub(crate) elapsed: Duration,
}

impl Checked {
    /// The path, in full or in part.
    pub(crate) fn path(&self) -> &PathSection {
        let path = self.report.path.data();
        path.unwrap_or_else(|| panic!("no path was measured: {}", self.describe()))
    }

    /// What the link carries, in full or in part.
    pub(crate) fn throughput(&self) -> &ThroughputSection {
        let throughput = self.report.throughput.data();
        throughput.unwrap_or_else(|| panic!("no rate was measured: {}", self.describe()))
    }

    /// The first finding in a word.
    pub(crate) fn first(&self) -> &str {
        let first = self.report.findings.first();
        first.map_or("no finding", |finding| &finding.id)
    }

    /// Nothing is wrong, and the check says so.
    pub(crate) fn assert_healthy(&self) {
        assert!(self.report.findings.is_empty(), "{}", self.describe());
        assert_eq!(self.exit_code, Some(0), "{}", self.describe());
        assert_eq!(self.report.ending, Ending::Finished, "{}", self.describe());
    }

    /// The fault is named: its finding is the first, every other one is told as a consequence of it and is among
    /// `consequences`, and the exit code is this.
    pub(crate) fn assert_named(&self, id: &str, consequences: &[&str], exit_code: i32) {
        let [first, others @ ..] = &self.report.findings[..] else {
            panic!("{id} is not found: {}", self.describe());
        };
        assert_eq!(first.id, id, "{}", self.describe());
        assert_eq!(first.consequence_of, None, "{}", self.describe());
        for other in others {
            let told = other.consequence_of.as_deref() == Some(id);
            assert!(
                told && consequences.contains(&other.id.as_str()),
                "{} stands beside {id}: {}",
                other.id,
                self.describe()
            );
        }
        assert_eq!(self.exit_code, Some(exit_code), "{}", self.describe());
    }

    /// Prints the report as a person gets it, for who reads the log of the tests.
    pub(crate) fn show(&self) {
        let style = greenroom::render::Style::default();
        println!("{}", greenroom::render::text(&self.report, style));
    }

    /// Everything that helps to see why a test failed.
    pub(crate) fn describe(&self) -> String {
        let findings: Vec<String> = self
            .report
            .findings
            .iter()
            .map(|f| {
                format!(
                    "{:?} {} of {:?}: {:?}",
                    f.severity, f.id, f.consequence_of, f.evidence
                )
            })
            .collect();
        format!(
            "\n  exit {:?} after {:?}: {}\n  findings {:#?}\n  system {:?}\n  discovery {:?}\n  path {:#?}\n  throughput {:#?}",
            self.exit_code,
            self.elapsed,
            self.report.verdict.headline,
            findings,
            self.report.system,
            self.report.discovery,
            self.report.path,
            self.report.throughput,
        )
    }
}
