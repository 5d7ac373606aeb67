//! Processes inside a namespace, and their end.

#![expect(
    clippy::disallowed_methods,
    reason = "driver: waits for processes to end"
)]

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::namespace::TAG;

/// How often a wait looks again.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// How long a killed process may take to vanish, e.g. while it writes a core file.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// A running program that is killed and reaped when this is dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts a command.
    ///
    /// # Errors
    ///
    /// As [`Command::spawn`].
    pub fn start(command: &mut Command) -> io::Result<Self> {
        command.spawn().map(Self)
    }

    /// Process id, unless it has been reaped.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// The child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Sends a signal, e.g. `SIGSTOP`; without effect once the process ended.
    pub fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.0.id()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Waits for the end, at most `timeout`; `None` if it still runs then.
    ///
    /// # Errors
    ///
    /// As [`Child::try_wait`].
    pub fn wait_timeout(&mut self, timeout: Duration) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + timeout;
        loop {
            let status = self.0.try_wait()?;
            if status.is_some() || Instant::now() >= deadline {
                return Ok(status);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the process is gone, which is the aim.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Kills and reaps everything that runs in a namespace or was started there.
pub(super) fn end_all(namespace: &str, file: &File) {
    let inode = file.metadata().map(|metadata| metadata.ino()).ok();
    let deadline = Instant::now() + END_TIMEOUT;
    let mut killed = BTreeSet::new();
    while Instant::now() < deadline {
        let members = members(namespace, inode);
        for pid in &members {
            let _ = kill(*pid, Signal::SIGKILL);
        }
        killed.extend(members.iter().copied());
        killed.retain(|pid| is_unreaped_child(*pid));
        if members.is_empty() && killed.is_empty() {
            return;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Reaps a process if it is our child and ended; true if it is our child and has not.
fn is_unreaped_child(pid: Pid) -> bool {
    matches!(
        waitpid(pid, Some(WaitPidFlag::WNOHANG)),
        Ok(WaitStatus::StillAlive)
    )
}

fn members(namespace: &str, inode: Option<u64>) -> Vec<Pid> {
    let own = std::process::id();
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != own && is_member(*pid, namespace, inode))
        .filter_map(|pid| i32::try_from(pid).ok().map(Pid::from_raw))
        .collect()
}

fn is_member(pid: u32, namespace: &str, inode: Option<u64>) -> bool {
    let own_inode = std::fs::metadata(format!("/proc/{pid}/ns/net")).map(|metadata| metadata.ino());
    let is_in_namespace = own_inode.is_ok_and(|own| Some(own) == inode);
    is_in_namespace || is_tagged(pid, namespace)
}

fn is_tagged(pid: u32, namespace: &str) -> bool {
    let tag = format!("{TAG}={namespace}");
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment
        .split(|byte| *byte == 0)
        .any(|variable| variable == tag.as_bytes())
}
