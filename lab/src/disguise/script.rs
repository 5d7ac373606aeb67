//! The shell script that puts a disguise on.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::overlay::Plan;
use crate::error::LabError;
use crate::sandbox;

/// A directory for stand-ins; inside a sandbox it is on the sandbox's own file system and vanishes with it.
pub(super) fn scratch() -> Result<TempDir, LabError> {
    let parent = if sandbox::is_inside() {
        PathBuf::from("/run")
    } else {
        std::env::temp_dir()
    };
    TempDir::with_prefix_in("greenroom-disguise-", parent)
        .map_err(LabError::io("make a directory for a disguise"))
}

/// Where the script of a disguise is.
pub(super) fn path(scratch: &Path) -> PathBuf {
    scratch.join("wear.sh")
}

/// Writes the script; it runs in a mount namespace of its own and ends by becoming the program.
pub(super) fn write(plan: &Plan, scratch: &Path) -> Result<(), LabError> {
    let mut script = String::new();
    for (source, target) in &plan.binds {
        let _ = writeln!(script, "mount --rbind {} {}", quote(source), quote(target));
    }
    script.push_str("exec \"$@\"\n");
    let path = path(scratch);
    std::fs::write(&path, script).map_err(LabError::io(format!("write {}", path.display())))
}

fn quote(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
