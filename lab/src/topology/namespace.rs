//! One network namespace.

use std::fs::File;
use std::process::Command;

use nix::sched::{CloneFlags, setns};

use super::process;
use crate::error::LabError;
use crate::sandbox::run_tool;

/// Where `ip netns` keeps its handles.
const NETNS_DIR: &str = "/run/netns";

/// Set in the environment of everything started in a namespace, so that it is found even if it changed namespaces.
pub(super) const TAG: &str = "GREENROOM_LAB_NETNS";

/// A named network namespace; dropping it ends the processes in it and removes it.
#[derive(Debug)]
pub(super) struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    pub(super) fn new(name: String) -> Result<Self, LabError> {
        run_tool(&["ip", "netns", "add", &name], "")?;
        let path = format!("{NETNS_DIR}/{name}");
        let file = File::open(&path).map_err(LabError::io(format!("open {path}")))?;
        Ok(Self { name, file })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Runs `work` on a thread that is inside the namespace. Sockets it opens stay there, programs it starts too.
    pub(super) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        let thread = || setns(&self.file, CloneFlags::CLONE_NEWNET).map(|()| work());
        match std::thread::scope(|scope| scope.spawn(thread).join()) {
            Ok(result) => {
                result.map_err(LabError::io(format!("enter the namespace {}", self.name)))
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Runs a system tool inside the namespace.
    pub(super) fn tool(&self, words: &[&str], input: &str) -> Result<String, LabError> {
        self.within(|| run_tool(words, input))?
    }

    /// Runs `ip` commands, one a line, inside the namespace.
    pub(super) fn ip(&self, commands: &str) -> Result<(), LabError> {
        self.tool(&["ip", "-batch", "-"], commands).map(drop)
    }

    /// Sets network parameters, given below `/proc/sys/net`.
    pub(super) fn set_parameters(&self, parameters: &[(&str, &str)]) -> Result<(), LabError> {
        let set = || {
            parameters.iter().try_for_each(|(name, value)| {
                let path = format!("/proc/sys/net/{name}");
                std::fs::write(&path, value)
                    .map_err(LabError::io(format!("write {value} to {path}")))
            })
        };
        self.within(set)?
    }

    /// A command inside the namespace, where `/sys` shows its interfaces.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name])
            .env(TAG, &self.name);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        process::end_all(&self.name, &self.file);
        // Drop cannot report; what is left vanishes with the sandbox.
        let _ = run_tool(&["ip", "netns", "delete", &self.name], "");
    }
}
