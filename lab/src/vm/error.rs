//! Why a virtual machine does not do what it was asked to.

use std::time::Duration;

use crate::error::LabError;

/// Why a virtual machine does not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    /// A tool of the host fails or is missing.
    #[error(transparent)]
    Host(#[from] LabError),
    /// The system offers no packages to build a machine from.
    #[error("cannot build a virtual machine: {reason}")]
    Unsupported {
        /// What is missing.
        reason: String,
    },
    /// Nobody built one yet.
    #[error("there is no virtual machine yet: call Image::prepare() while there is a network")]
    NotPrepared,
    /// It does not boot, or ended meanwhile.
    #[error("the virtual machine {what}; the end of its console:\n{console}")]
    Lost {
        /// What happened.
        what: String,
        /// Last lines of the console.
        console: String,
    },
    /// A command takes too long. It has been killed.
    #[error(
        "a command in the virtual machine did not end within {limit:?}: {script}\n{stdout}{stderr}\n{console}"
    )]
    TimedOut {
        /// The command.
        script: String,
        /// What it was given.
        limit: Duration,
        /// What it printed so far.
        stdout: String,
        /// What it printed so far on its error output.
        stderr: String,
        /// Last lines of the console.
        console: String,
    },
    /// A command that must succeed failed.
    #[error(
        "a command in the virtual machine failed with status {status}: {script}\n{stdout}{stderr}"
    )]
    Failed {
        /// The command.
        script: String,
        /// Its exit status.
        status: i32,
        /// What it printed.
        stdout: String,
        /// What it printed on its error output.
        stderr: String,
    },
    /// A device does not become what it was asked to be.
    #[error(
        "{what} did not happen in the virtual machine within {limit:?}; its kernel says:\n{log}"
    )]
    NoChange {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// Last lines of the kernel's log.
        log: String,
    },
}
