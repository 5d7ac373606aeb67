//! A machine that runs, and the talk with it.

#![expect(
    clippy::disallowed_methods,
    reason = "driver: waits for a machine to boot and for commands to end"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::error::MachineError;
use super::image::Image;
use super::qemu;
use super::task::{Output, Task};
use crate::error::LabError;
use crate::sandbox;
use crate::topology::Process;

/// The guest's part of the conversation.
const AGENT: &str = include_str!("../../guest/agent.sh");

/// A boot takes 3 s on an idle machine.
const BOOT_LIMIT: Duration = Duration::from_secs(60);

/// For commands that are given no limit of their own.
const RUN_LIMIT: Duration = Duration::from_secs(30);

/// How long a killed command may take to vanish.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// How often a condition in the guest is looked at.
const LOOK_INTERVAL: &str = "0.05";

/// Lines of the console or of the kernel's log that an error repeats.
const N_LINES: usize = 20;

/// What a machine is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineConfig {
    /// Memory in MiB, files in memory included.
    pub memory_mib: u32,
    /// Programs of the host that every user inside finds by this name.
    pub programs: Vec<(String, PathBuf)>,
}

impl Default for MachineConfig {
    fn default() -> Self {
        Self {
            memory_mib: 768,
            programs: Vec::new(),
        }
    }
}

impl MachineConfig {
    /// Makes a program of the host known by this name.
    #[must_use]
    pub fn program(mut self, name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.programs.push((name.into(), path.into()));
        self
    }
}

/// A virtual machine that runs; dropping it ends it and all that runs inside, and leaves nothing.
///
/// The host's files are there, read-only below a layer in memory. [`share`](Self::share) is there as `/mnt/share`.
#[derive(Debug)]
pub struct Machine {
    // In the order in which they are to be dropped: the emulator, then its reader, then what both use.
    emulator: Process,
    to_agent: Mutex<ChildStdin>,
    reader: Option<JoinHandle<()>>,
    board: Arc<Board>,
    next_number: AtomicU32,
    share: TempDir,
}

/// What the guest said so far.
#[derive(Debug, Default)]
struct Board {
    news: Mutex<News>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct News {
    is_ready: bool,
    /// Exit status by number.
    ended: BTreeMap<u32, i32>,
    /// What the emulator said last, once it is gone.
    gone: Option<String>,
}

impl Machine {
    /// Boots a machine.
    ///
    /// # Errors
    ///
    /// A missing tool, with its package, or [`MachineError::Lost`] with the console of one that does not boot.
    pub fn boot(image: &Image, config: &MachineConfig) -> Result<Self, MachineError> {
        qemu::check_installed()?;
        let share = make_share()?;
        write_share(share.path(), image, config)?;
        let board = Arc::new(Board::default());
        let command = qemu::command(image, share.path(), config.memory_mib);
        let (emulator, to_agent, reader) = start(command, Arc::clone(&board))?;
        let machine = Self {
            emulator,
            to_agent: Mutex::new(to_agent),
            reader: Some(reader),
            board,
            next_number: AtomicU32::new(1),
            share,
        };
        match machine
            .board
            .wait(BOOT_LIMIT, |news| news.is_ready.then_some(()))
        {
            Ok(Some(())) => Ok(machine),
            Ok(None) => Err(machine.lost(format!("did not boot within {BOOT_LIMIT:?}"))),
            Err(last_words) => Err(machine.lost(format!("ended while booting: {last_words}"))),
        }
    }

    /// A folder that the guest has as `/mnt/share`, writable from both sides.
    pub fn share(&self) -> &Path {
        self.share.path()
    }

    /// Process id of the emulator.
    pub fn id(&self) -> u32 {
        self.emulator.id()
    }

    /// Runs a shell script as root to its end, for at most 30 s.
    ///
    /// # Errors
    ///
    /// As [`Task::wait`]; a status other than 0 is no error.
    pub fn run(&self, script: &str) -> Result<Output, MachineError> {
        self.start(script)?.wait(RUN_LIMIT)
    }

    /// Runs a shell script that must succeed and gives what it printed. It ends at the first command that fails.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and [`MachineError::Failed`].
    pub fn run_ok(&self, script: &str) -> Result<String, MachineError> {
        let output = self.run(&format!("set -e\n{script}"))?;
        if output.status == 0 {
            return Ok(output.stdout);
        }
        Err(MachineError::Failed {
            script: script.to_owned(),
            status: output.status,
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }

    /// Starts a shell script as root.
    ///
    /// # Errors
    ///
    /// [`MachineError::Lost`] if the machine ended.
    pub fn start(&self, script: &str) -> Result<Task<'_>, MachineError> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder_of(number);
        fs::create_dir(&folder).map_err(LabError::io(format!("create {}", folder.display())))?;
        let path = folder.join("script");
        fs::write(&path, script).map_err(LabError::io(format!("write {}", path.display())))?;
        self.tell(&format!("run {number}"))?;
        Ok(Task::new(self, number, script))
    }

    /// Waits until a shell command succeeds, looking every 50 ms.
    ///
    /// # Errors
    ///
    /// [`MachineError::NoChange`] with the kernel's log if it takes longer than `limit`.
    pub fn wait_until(
        &self,
        what: &str,
        command: &str,
        limit: Duration,
    ) -> Result<(), MachineError> {
        let script = format!("until {command}; do sleep {LOOK_INTERVAL}; done");
        match self.start(&script)?.wait(limit) {
            Ok(_) => Ok(()),
            Err(MachineError::TimedOut { .. }) => Err(MachineError::NoChange {
                what: what.to_owned(),
                limit,
                log: self.run(&format!("dmesg | tail -n {N_LINES}"))?.stdout,
            }),
            Err(error) => Err(error),
        }
    }

    /// The console from a panic on, else its last lines: empty unless the kernel complains.
    pub(super) fn console(&self) -> String {
        let bytes = fs::read(self.share.path().join(qemu::CONSOLE)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let panic = lines.iter().position(|line| line.contains("Kernel panic"));
        let first = panic.unwrap_or_else(|| lines.len().saturating_sub(N_LINES));
        let shown = lines.iter().skip(first).take(N_LINES);
        shown.copied().collect::<Vec<_>>().join("\n")
    }

    pub(super) fn folder_of(&self, number: u32) -> PathBuf {
        self.share.path().join(number.to_string())
    }

    /// Exit status of a command, or `None` if it still runs after `limit`.
    pub(super) fn wait_for_end(
        &self,
        number: u32,
        limit: Duration,
    ) -> Result<Option<i32>, MachineError> {
        self.board
            .wait(limit, |news| news.ended.get(&number).copied())
            .map_err(|last_words| self.lost(format!("ended: {last_words}")))
    }

    /// Kills a command and waits until it is gone.
    pub(super) fn kill(&self, number: u32) {
        // A machine that ended runs nothing.
        if let Ok(None) = self.wait_for_end(number, Duration::ZERO) {
            let _ = self.tell(&format!("kill {number}"));
            let _ = self.wait_for_end(number, KILL_LIMIT);
        }
        self.board.lock().ended.remove(&number);
    }

    fn tell(&self, line: &str) -> Result<(), MachineError> {
        let mut agent = self.to_agent.lock().unwrap_or_else(PoisonError::into_inner);
        agent
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| agent.flush())
            .map_err(|error| self.lost(format!("does not listen: {error}")))
    }

    fn lost(&self, what: String) -> MachineError {
        MachineError::Lost {
            what,
            console: self.console(),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Nothing inside is worth a shutdown.
        let _ = self.emulator.child().kill();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut News)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `look` gives something; `None` after `limit`, an error with the emulator's last words once it is gone.
    fn wait<T>(
        &self,
        limit: Duration,
        look: impl Fn(&News) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let deadline = Instant::now() + limit;
        let mut news = self.lock();
        loop {
            if let Some(found) = look(&news) {
                return Ok(Some(found));
            }
            if let Some(last_words) = &news.gone {
                return Err(last_words.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let waited = self.changed.wait_timeout(news, left);
            news = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// In a sandbox, what a killed test leaves in `/run` vanishes with it.
fn make_share() -> Result<TempDir, MachineError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("lab-machine-");
    let made = if sandbox::is_inside() {
        builder.tempdir_in("/run")
    } else {
        builder.tempdir()
    };
    Ok(made.map_err(LabError::io("make a folder for a virtual machine"))?)
}

fn write_share(share: &Path, image: &Image, config: &MachineConfig) -> Result<(), MachineError> {
    let program = std::env::current_exe().map_err(LabError::io("find the running binary"))?;
    let settings = format!(
        "MODULES='{}'\nPROGRAM='{}'\nFRAMES='{}'\n",
        image.modules()?.display(),
        program.display(),
        image.frames().display()
    );
    let mut programs = String::new();
    for (name, path) in &config.programs {
        let _ = writeln!(programs, "{name} {}", path.display());
    }
    for (name, content) in [
        ("agent.sh", AGENT.as_bytes()),
        ("settings", settings.as_bytes()),
        ("programs", programs.as_bytes()),
        (qemu::INITIAL_FILES, &image.initial_files()?),
    ] {
        fs::write(share.join(name), content).map_err(LabError::io(format!("write {name}")))?;
    }
    Ok(())
}

/// Starts the emulator on a thread that listens to it until it ends.
fn start(
    command: Command,
    board: Arc<Board>,
) -> Result<(Process, ChildStdin, JoinHandle<()>), MachineError> {
    let (tell, told) = mpsc::channel();
    let reader = std::thread::Builder::new()
        .name("lab-machine".to_owned())
        .spawn(move || start_and_listen(command, &tell, &board))
        .map_err(LabError::io("start a thread"))?;
    let started = told
        .recv()
        .unwrap_or_else(|_| Err(std::io::ErrorKind::BrokenPipe.into()));
    let (emulator, to_agent) = started.map_err(LabError::io("start the emulator"))?;
    Ok((emulator, to_agent, reader))
}

type Started = std::io::Result<(Process, ChildStdin)>;

fn start_and_listen(mut command: Command, tell: &Sender<Started>, board: &Board) {
    let mut emulator = match Process::start(&mut command) {
        Ok(emulator) => emulator,
        Err(error) => {
            let _ = tell.send(Err(error));
            return;
        }
    };
    let child = emulator.child();
    let (Some(stdin), Some(stdout), Some(mut stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return;
    };
    if tell.send(Ok((emulator, stdin))).is_err() {
        return;
    }
    listen(stdout, board);
    let mut last_words = String::new();
    let _ = stderr.read_to_string(&mut last_words);
    board.change(|news| news.gone = Some(last_words.trim().to_owned()));
}

fn listen(stdout: ChildStdout, board: &Board) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("ready"), None, None) => board.change(|news| news.is_ready = true),
            (Some("ended"), Some(number), Some(status)) => {
                if let (Ok(number), Ok(status)) = (number.parse(), status.parse()) {
                    board.change(|news| {
                        news.ended.insert(number, status);
                    });
                }
            }
            // A kernel that panics may write here as well; its console tells.
            _ => {}
        }
    }
}
