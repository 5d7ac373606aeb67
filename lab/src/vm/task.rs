//! Commands that run in a machine.

use std::path::PathBuf;
use std::time::Duration;

use super::error::MachineError;
use super::machine::Machine;

/// What a command in a machine left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status, as the shell has it: above 128 for one that a signal killed.
    pub status: i32,
    /// What it printed.
    pub stdout: String,
    /// What it printed on its error output.
    pub stderr: String,
}

/// A command that runs in a machine. Dropping it kills it, with all that it started and that stayed in its process
/// group.
#[derive(Debug)]
pub struct Task<'m> {
    machine: &'m Machine,
    number: u32,
    script: String,
}

impl<'m> Task<'m> {
    pub(super) fn new(machine: &'m Machine, number: u32, script: &str) -> Self {
        Self {
            machine,
            number,
            script: script.to_owned(),
        }
    }

    /// Waits for the end.
    ///
    /// # Errors
    ///
    /// [`MachineError::TimedOut`] if it takes longer than `limit`, [`MachineError::Lost`] if the machine ended.
    pub fn wait(self, limit: Duration) -> Result<Output, MachineError> {
        let status = self.machine.wait_for_end(self.number, limit)?;
        let (stdout, stderr) = (self.stdout(), self.stderr());
        match status {
            Some(status) => Ok(Output {
                status,
                stdout,
                stderr,
            }),
            None => Err(MachineError::TimedOut {
                script: self.script.clone(),
                limit,
                stdout,
                stderr,
                console: self.machine.console(),
            }),
        }
    }

    /// The exit status, if it ended.
    ///
    /// # Errors
    ///
    /// [`MachineError::Lost`] if the machine ended.
    pub fn status(&self) -> Result<Option<i32>, MachineError> {
        self.machine.wait_for_end(self.number, Duration::ZERO)
    }

    /// What it printed so far.
    pub fn stdout(&self) -> String {
        self.read("stdout")
    }

    /// What it printed so far on its error output.
    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    fn read(&self, name: &str) -> String {
        let bytes = std::fs::read(self.folder().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn folder(&self) -> PathBuf {
        self.machine.folder_of(self.number)
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.machine.kill(self.number);
        let _ = std::fs::remove_dir_all(self.folder());
    }
}
