//! Re-execution of the test binary inside a sandbox.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::{init, tools};
use crate::error::LabError;

/// Marks how far the re-execution got.
const STAGE: &str = "GREENROOM_LAB_STAGE";

/// The stage of a sandbox's first process.
const INIT: &str = "init";

/// The stage of the test binary proper.
const INSIDE: &str = "inside";

/// Namespaces a lab needs, each with the step for the error message.
const NAMESPACES: [(&str, &[&str]); 2] = [
    ("make a user namespace", &["--user", "--map-root-user"]),
    (
        "make network, mount and process namespaces",
        &[
            "--user",
            "--map-root-user",
            "--net",
            "--mount",
            "--pid",
            "--fork",
        ],
    ),
];

/// What helps when a kernel refuses namespaces.
const ADVICE: &str = "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, \
    kernel.apparmor_restrict_unprivileged_userns=0, user.max_user_namespaces above 0) or, in a container, \
    start it with --privileged or with --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
    --security-opt systempaths=unconfined";

/// Moves this process into a sandbox, in which it is root, has no network but what it builds, and whose processes,
/// interfaces and mounts all vanish with it. Call it first thing in `main`; inside the sandbox it does nothing.
///
/// Works for root and for ordinary users alike. It re-executes the binary with the same arguments, so it returns only
/// inside the sandbox or with an error. `/run` and `/dev/shm` are empty in there, `/proc` and `/sys` show the sandbox.
///
/// # Errors
///
/// A missing tool, or a kernel or container that refuses namespaces; the error says what to do.
pub fn enter() -> Result<(), LabError> {
    match std::env::var(STAGE).as_deref() {
        Ok(INSIDE) => Ok(()),
        Ok(INIT) => init::run(again()?.env(STAGE, INSIDE)),
        _ => leave_for_sandbox(),
    }
}

/// [`enter`], but prints the error and exits with status 1.
pub fn enter_or_exit() {
    if let Err(error) = enter() {
        // Standard error may be closed; the exit status says enough then.
        let _ = writeln!(std::io::stderr(), "error: {}", describe(&error));
        std::process::exit(1);
    }
}

/// Whether this process runs inside a sandbox.
pub(crate) fn is_inside() -> bool {
    std::env::var(STAGE).is_ok_and(|stage| stage == INSIDE)
}

fn leave_for_sandbox() -> Result<(), LabError> {
    tools::check_required()?;
    for (step, options) in NAMESPACES {
        probe(step, options)?;
    }
    let again = again()?;
    let error = unshare(NAMESPACES[NAMESPACES.len() - 1].1)
        .arg("--kill-child")
        .arg(again.get_program())
        .args(again.get_args())
        .env(STAGE, INIT)
        .exec();
    Err(LabError::io("start unshare")(error))
}

/// Tries a set of namespaces on `true`, since a failure of the real run would look like a failed test.
fn probe(step: &'static str, options: &[&str]) -> Result<(), LabError> {
    let output = unshare(options)
        .arg("true")
        .output()
        .map_err(LabError::io("start unshare"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(LabError::Refused {
        step,
        detail: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        advice: ADVICE,
    })
}

fn unshare(options: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(options).env("PATH", tools::search_path());
    command
}

/// This binary with the same arguments.
fn again() -> Result<Command, LabError> {
    let binary = std::env::current_exe().map_err(LabError::io("find the running binary"))?;
    let mut command = Command::new(binary);
    command.args(std::env::args_os().skip(1));
    Ok(command)
}

/// An error with its causes on one line.
fn describe(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
