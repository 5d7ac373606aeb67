//! The system tools a lab uses.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::LabError;

/// Programs a lab cannot do without, with their Debian packages.
const REQUIRED: [(&str, &str); 6] = [
    ("unshare", "util-linux"),
    ("taskset", "util-linux"),
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("nft", "nftables"),
    ("ethtool", "ethtool"),
];

/// Directories of system tools; ordinary users often lack the `sbin` ones in their `PATH`.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The search path with the directories of system tools appended.
pub(super) fn search_path() -> String {
    match std::env::var("PATH") {
        Ok(path) => format!("{path}:{SYSTEM_PATH}"),
        Err(_) => SYSTEM_PATH.to_owned(),
    }
}

/// Fails for the first missing program.
pub(super) fn check_required() -> Result<(), LabError> {
    let path = search_path();
    let is_installed = |program: &str| {
        path.split(':')
            .any(|dir| Path::new(dir).join(program).is_file())
    };
    match REQUIRED
        .into_iter()
        .find(|(program, _)| !is_installed(program))
    {
        Some((program, package)) => Err(LabError::MissingProgram { program, package }),
        None => Ok(()),
    }
}

/// Runs a tool to its end, feeding it `input`; its output is returned, failure includes its error output.
pub(crate) fn run_tool(words: &[&str], input: &str) -> Result<String, LabError> {
    let failed = |detail: String| LabError::Tool {
        command: words.join(" "),
        detail,
    };
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| failed("empty command".to_owned()))?;
    let mut child = Command::new(program)
        .args(arguments)
        .env("PATH", search_path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that ends before it read everything tells why on its error output.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child
        .wait_with_output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let detail = String::from_utf8_lossy(&output.stderr)
        .trim()
        .replace('\n', "; ");
    Err(failed(format!("{}: {detail}", output.status)))
}
