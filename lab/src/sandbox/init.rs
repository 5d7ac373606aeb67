//! The first process of a sandbox: mounts, then reaping.

use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::tools::run_tool;
use crate::error::LabError;

/// File systems that must not be the host's, with the step for the error message.
const MOUNTS: [(&str, &str, &str); 4] = [
    ("proc", "/proc", "mount /proc in the sandbox"),
    ("sysfs", "/sys", "mount /sys in the sandbox"),
    ("tmpfs", "/run", "mount a private /run in the sandbox"),
    (
        "tmpfs",
        "/dev/shm",
        "mount a private /dev/shm in the sandbox",
    ),
];

/// What helps when a container masks parts of `/proc` or `/sys`.
const ADVICE: &str =
    "in a container, start it with --privileged or with --security-opt systempaths=unconfined";

/// Prepares the sandbox, runs `command` in it and exits with its status; returns only on error.
///
/// The command is not itself the first process of the namespace, because the kernel treats that one specially:
/// signals it does not handle are ignored, `abort` included, and orphans are its to reap.
pub(super) fn run(command: &mut Command) -> Result<(), LabError> {
    for (kind, target, step) in MOUNTS {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some(kind), target, Some(kind), flags, None::<&str>).map_err(|error| {
            LabError::Refused {
                step,
                detail: error.to_string(),
                advice: ADVICE,
            }
        })?;
    }
    run_tool(&["ip", "link", "set", "lo", "up"], "")?;
    let child = command
        .spawn()
        .map_err(LabError::io("start the test binary in the sandbox"))?;
    let pid = i32::try_from(child.id()).map(Pid::from_raw).ok();
    std::process::exit(reap_until_end_of(pid));
}

fn reap_until_end_of(child: Option<Pid>) -> i32 {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if Some(pid) == child => return code,
            Ok(WaitStatus::Signaled(pid, signal, _)) if Some(pid) == child => {
                return 128 + signal as i32;
            }
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return 1,
        }
    }
}
