//! Why a lab cannot be set up.

use std::io;

/// Why a lab cannot be set up or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// The process does not run inside a sandbox.
    #[error(
        "cannot build a lab outside its sandbox: call greenroom_lab::enter() first thing in main"
    )]
    NotEntered,
    /// A program is not installed.
    #[error("cannot find the program {program}: install the Debian package {package}")]
    MissingProgram {
        /// Name of the program.
        program: &'static str,
        /// Debian package that has it.
        package: &'static str,
    },
    /// The kernel, or a container around us, refuses a part of the sandbox.
    #[error("cannot {step}: {detail}; {advice}")]
    Refused {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        detail: String,
        /// What the user can do about it.
        advice: &'static str,
    },
    /// A system tool failed.
    #[error("cannot run `{command}`: {detail}")]
    Tool {
        /// The command line.
        command: String,
        /// Its exit status and error output.
        detail: String,
    },
    /// The system refused an operation.
    #[error("cannot {operation}")]
    Io {
        /// What was tried, with the object.
        operation: String,
        /// The reason.
        source: io::Error,
    },
    /// A path cannot be replaced.
    #[error("cannot disguise {path}: {reason}")]
    Disguise {
        /// The path.
        path: String,
        /// The reason.
        reason: &'static str,
    },
}

impl LabError {
    /// For `map_err`: says what was tried.
    pub(crate) fn io<E: Into<io::Error>>(operation: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            operation: operation.into(),
            source: source.into(),
        }
    }
}
