//! Programs of the system that tests use.

use std::path::Path;
use std::process::Command;

/// Where Debian puts programs; an ordinary user's `PATH` may lack some.
const DIRECTORIES: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// The path of a program.
///
/// # Panics
///
/// It is not installed; the message names its Debian package.
pub(crate) fn find(program: &str, package: &str) -> String {
    let candidates = DIRECTORIES.map(|directory| format!("{directory}/{program}"));
    let found = candidates.into_iter().find(|path| Path::new(path).exists());
    found.unwrap_or_else(|| {
        panic!("{program} is missing; install the Debian package `{package}`: apt-get install {package}")
    })
}

/// Runs a command to its end and gives what it printed.
///
/// # Panics
///
/// It cannot be started or fails.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
