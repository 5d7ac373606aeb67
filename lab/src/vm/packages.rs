//! The Debian packages a machine is built from.

use std::path::{Path, PathBuf};

use super::error::MachineError;
use crate::error::LabError;
use crate::sandbox::run_tool;

/// Depends on the current kernel.
const KERNEL: &str = "linux-image-amd64";

/// Source of the loopback camera, which Debian's kernel does not have.
const LOOPBACK: &str = "v4l2loopback-dkms";

/// What the system's package lists offer.
#[derive(Debug)]
pub(super) struct Packages {
    /// The kernel's release, `6.1.0-56-amd64`.
    pub(super) release: String,
    /// Version of the kernel's package.
    pub(super) version: String,
    names: Vec<String>,
    options: Vec<String>,
}

impl Packages {
    /// Reads the system's lists.
    pub(super) fn of_system() -> Result<Self, MachineError> {
        Self::read(Vec::new())
    }

    /// Fetches lists of one's own into a folder, for where the system's are missing or name what is no longer there.
    /// Needs no rights.
    pub(super) fn fetched(into: &Path) -> Result<Self, MachineError> {
        for folder in ["state/lists/partial", "cache/archives/partial"] {
            let path = into.join(folder);
            std::fs::create_dir_all(&path)
                .map_err(LabError::io(format!("create {}", path.display())))?;
        }
        let options = vec![
            format!("-oDir::State={}", into.join("state").display()),
            "-oDir::State::status=/var/lib/dpkg/status".to_owned(),
            format!("-oDir::Cache={}", into.join("cache").display()),
        ];
        // Otherwise it is content with lists that it could not fetch.
        let strict = "-oAPT::Update::Error-Mode=any";
        tool("apt-get", &options, &["-q", strict, "update"])?;
        Self::read(options)
    }

    fn read(options: Vec<String>) -> Result<Self, MachineError> {
        let image = dependencies(&options, KERNEL)?
            .into_iter()
            .find(|name| name.starts_with("linux-image-"))
            .ok_or_else(|| unsupported("the package lists have no kernel; run `apt-get update`"))?;
        let release = image.trim_start_matches("linux-image-").to_owned();
        let headers = format!("linux-headers-{release}");
        let shown = tool(
            "apt-cache",
            &options,
            &["show", "--no-all-versions", &image],
        )?;
        let version = shown
            .lines()
            .find_map(|line| line.strip_prefix("Version: "))
            .ok_or_else(|| unsupported("the package lists do not tell the kernel's version"))?
            .to_owned();
        let parts = dependencies(&options, &headers)?;
        let mut names = vec![image, headers, LOOPBACK.to_owned()];
        names.extend(parts.into_iter().filter(|name| {
            name.starts_with("linux-headers-") || name.starts_with("linux-kbuild-")
        }));
        Ok(Self {
            release,
            version,
            names,
            options,
        })
    }

    /// Downloads and unpacks all into a folder; installs nothing.
    pub(super) fn unpack(&self, scratch: &Path) -> Result<PathBuf, MachineError> {
        let (packed, unpacked) = (scratch.join("packed"), scratch.join("unpacked"));
        for folder in [&packed, &unpacked] {
            std::fs::create_dir_all(folder)
                .map_err(LabError::io(format!("create {}", folder.display())))?;
        }
        self.download(&packed)?;
        let entries = std::fs::read_dir(&packed).map_err(LabError::io("list the packages"))?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let (from, to) = (path.display().to_string(), unpacked.display().to_string());
            run_tool(&["dpkg-deb", "-x", &from, &to], "")?;
        }
        Ok(unpacked)
    }

    fn download(&self, into: &Path) -> Result<(), MachineError> {
        // `apt-get download` puts them where it runs.
        let into = into.display().to_string();
        let mut words = vec!["env", "-C", &into, "LC_ALL=C", "apt-get", "-q"];
        words.extend(self.options.iter().map(String::as_str));
        words.push("download");
        words.extend(self.names.iter().map(String::as_str));
        run_tool(&words, "")?;
        Ok(())
    }
}

/// Names of the packages that a package depends on.
fn dependencies(options: &[String], package: &str) -> Result<Vec<String>, MachineError> {
    let shown = tool("apt-cache", options, &["depends", package])?;
    let names = shown
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "));
    Ok(names.map(str::to_owned).collect())
}

fn tool(program: &str, options: &[String], arguments: &[&str]) -> Result<String, MachineError> {
    let mut words = vec!["env", "LC_ALL=C", program];
    words.extend(options.iter().map(String::as_str));
    words.extend(arguments);
    Ok(run_tool(&words, "")?)
}

fn unsupported(reason: &str) -> MachineError {
    MachineError::Unsupported {
        reason: reason.to_owned(),
    }
}
