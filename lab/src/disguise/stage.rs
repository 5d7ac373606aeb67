//! What to pretend, and the running of programs that are to believe it.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::overlay::Plan;
use super::script;
use crate::error::LabError;

/// Where Debian's package `faketime` puts its library, below `/usr/lib` and the architecture.
const FAKETIME_LIBRARY: &str = "faketime/libfaketime.so.1";

/// What a program is to believe. The default pretends nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DisguiseConfig {
    /// Files with their content; they and the directories above need not exist.
    pub files: Vec<(PathBuf, String)>,
    /// Files and directories that are not to exist.
    pub absent: Vec<PathBuf>,
    /// Directories that are to contain nothing but what [`files`](Self::files) puts there.
    pub emptied: Vec<PathBuf>,
    /// CPUs to run on, counted from 0; empty for all.
    pub cpus: Vec<usize>,
    /// What the wall clock is ahead in milliseconds; `None` leaves the clock alone. The monotonic clock stays true.
    pub clock_offset_ms: Option<i64>,
}

impl DisguiseConfig {
    /// Pretends nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a file this content.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>, content: impl Into<String>) -> Self {
        self.files.push((path.into(), content.into()));
        self
    }

    /// Hides a file or directory.
    #[must_use]
    pub fn absent(mut self, path: impl Into<PathBuf>) -> Self {
        self.absent.push(path.into());
        self
    }

    /// Empties a directory but for files given with [`file`](Self::file).
    #[must_use]
    pub fn emptied(mut self, path: impl Into<PathBuf>) -> Self {
        self.emptied.push(path.into());
        self
    }

    /// Restricts the program to these CPUs, counted from 0.
    #[must_use]
    pub fn cpus(mut self, cpus: &[usize]) -> Self {
        self.cpus = cpus.to_vec();
        self
    }

    /// Sets the wall clock ahead, or back if negative.
    #[must_use]
    pub fn clock_offset_ms(mut self, offset_ms: i64) -> Self {
        self.clock_offset_ms = Some(offset_ms);
        self
    }
}

/// A prepared disguise; keep it until the programs that wear it ended.
#[derive(Debug)]
pub struct Disguise {
    scratch: TempDir,
    plan: Plan,
    cpus: Vec<usize>,
    faketime: Option<PathBuf>,
}

impl Disguise {
    /// Prepares a disguise.
    ///
    /// # Errors
    ///
    /// [`LabError::MissingProgram`] for a clock offset without the package `faketime`, [`LabError::Disguise`] for paths
    /// that cannot be replaced, else what the system says.
    pub fn new(config: &DisguiseConfig) -> Result<Self, LabError> {
        let scratch = script::scratch()?;
        let plan = Plan::new(config, scratch.path())?;
        script::write(&plan, scratch.path())?;
        let faketime = config
            .clock_offset_ms
            .map(|_| find_faketime())
            .transpose()?;
        let disguise = Self {
            scratch,
            plan,
            cpus: config.cpus.clone(),
            faketime,
        };
        disguise.set_clock_offset_ms(config.clock_offset_ms.unwrap_or_default())?;
        Ok(disguise)
    }

    /// A command on the network of this process; for one in a lab see [`Host::command_in`](crate::Host::command_in).
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let words = self.words();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(program);
        command
    }

    /// Changes a file given with [`DisguiseConfig::file`], also for programs already running.
    ///
    /// # Errors
    ///
    /// [`LabError::Disguise`] for a path that was not given, else what the system says.
    pub fn rewrite(&self, path: impl AsRef<Path>, content: &str) -> Result<(), LabError> {
        let path = path.as_ref();
        let stand_in = self.plan.stand_in(path).ok_or_else(|| LabError::Disguise {
            path: path.display().to_string(),
            reason: "it is not among the files of this disguise",
        })?;
        // In place, since a bind mount holds on to the file itself.
        std::fs::write(stand_in, content)
            .map_err(LabError::io(format!("write {}", stand_in.display())))
    }

    /// Steps the wall clock, also for programs already running; the disguise needs a clock offset from the start.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_clock_offset_ms(&self, offset_ms: i64) -> Result<(), LabError> {
        let sign = if offset_ms < 0 { '-' } else { '+' };
        let (whole_s, rest_ms) = (
            offset_ms.unsigned_abs() / 1000,
            offset_ms.unsigned_abs() % 1000,
        );
        // Replaced as a whole, since programs read it at every look at the clock.
        let (new, file) = (self.scratch.path().join("clock.new"), self.clock_file());
        std::fs::write(&new, format!("{sign}{whole_s}.{rest_ms:03}\n"))
            .and_then(|()| std::fs::rename(&new, &file))
            .map_err(LabError::io(format!("write {}", file.display())))
    }

    /// Appends what goes before the program.
    pub(crate) fn extend(&self, command: &mut Command) {
        command.args(self.words());
    }

    fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> =
            ["unshare", "--mount", "--propagation", "private", "sh", "-e"]
                .map(Into::into)
                .into();
        words.push(script::path(self.scratch.path()).into());
        if !self.cpus.is_empty() {
            words.extend([
                "taskset".into(),
                "--cpu-list".into(),
                cpu_list(&self.cpus).into(),
            ]);
        }
        if let Some(library) = &self.faketime {
            // Only the program itself: the tools before it need no false clock.
            words.extend(["env".into(), assignment("LD_PRELOAD", library)]);
            words.push(assignment("FAKETIME_TIMESTAMP_FILE", &self.clock_file()));
            words.extend(
                [
                    "FAKETIME_NO_CACHE=1",
                    "FAKETIME_DONT_FAKE_MONOTONIC=1",
                    "DONT_FAKE_MONOTONIC=1",
                ]
                .map(Into::into),
            );
        }
        words
    }

    fn clock_file(&self) -> PathBuf {
        self.scratch.path().join("clock")
    }
}

fn assignment(name: &str, path: &Path) -> OsString {
    let mut text = OsString::from(name);
    text.push("=");
    text.push(path);
    text
}

fn cpu_list(cpus: &[usize]) -> String {
    let mut list = String::new();
    for cpu in cpus {
        let separator = if list.is_empty() { "" } else { "," };
        let _ = write!(list, "{separator}{cpu}");
    }
    list
}

fn find_faketime() -> Result<PathBuf, LabError> {
    let entries = std::fs::read_dir("/usr/lib").map_err(LabError::io("read /usr/lib"))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path().join(FAKETIME_LIBRARY)))
        .find(|library| library.is_file())
        .ok_or(LabError::MissingProgram {
            program: "libfaketime.so.1",
            package: "faketime",
        })
}
