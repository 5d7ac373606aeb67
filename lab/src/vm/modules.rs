//! The kernel's modules: those that a machine may load, and one that Debian leaves out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::MachineError;
use crate::error::LabError;
use crate::sandbox::run_tool;

/// What the first stage of the boot loads to reach the host's files.
const FOR_BOOT: [&str; 3] = ["9pnet_virtio", "9p", "overlay"];

/// The bus of the devices above, where the kernel has it as a module.
const BUS: &str = "virtio_pci";

/// Drivers of the devices that tests plug.
const DEVICES: [&str; 8] = [
    "vivid",
    "v4l2loopback",
    "uvcvideo",
    "vhci-hcd",
    "snd-aloop",
    "snd-dummy",
    "snd-usb-audio",
    "snd-hrtimer",
];

/// The modules of one kernel, below a folder as below `/`.
#[derive(Debug)]
pub(super) struct Modules<'a> {
    root: &'a Path,
    release: &'a str,
}

impl<'a> Modules<'a> {
    pub(super) fn new(root: &'a Path, release: &'a str) -> Self {
        Self { root, release }
    }

    /// Where modprobe looks for them.
    pub(super) fn folder(&self) -> PathBuf {
        self.root.join("lib/modules").join(self.release)
    }

    /// Builds the loopback camera from the unpacked sources and puts it beside the kernel's own modules.
    pub(super) fn build_loopback(&self) -> Result<(), MachineError> {
        self.find_below_lib()?;
        let sources = self.root.join("usr/src");
        let headers = sources.join(format!("linux-headers-{}", self.release));
        point_headers_at(&sources, &headers.join("Makefile"))?;
        let source = loopback_source(&sources)?;
        let build = format!("M={}", source.display());
        run_tool(
            &[
                "make",
                "-s",
                "-C",
                &headers.display().to_string(),
                &build,
                "modules",
            ],
            "",
        )?;
        let extra = self.folder().join("extra");
        create(&extra)?;
        copy(
            &source.join("v4l2loopback.ko"),
            &extra.join("v4l2loopback.ko"),
        )?;
        self.index()
    }

    /// Copies those that machines need, with what they depend on, below another folder.
    pub(super) fn copy_needed(&self, to: &Path) -> Result<(), MachineError> {
        let copied = Modules::new(to, self.release);
        let mut files = BTreeSet::new();
        for name in FOR_BOOT.iter().chain(&[BUS]).chain(&DEVICES) {
            files.extend(self.files_of(name)?);
        }
        for file in files {
            let Ok(relative) = file.strip_prefix(self.folder()) else {
                continue;
            };
            copy_uncompressed(&file, &copied.folder().join(relative))?;
        }
        for list in [
            "modules.order",
            "modules.builtin",
            "modules.builtin.modinfo",
        ] {
            copy(&self.folder().join(list), &copied.folder().join(list))?;
        }
        copied.index()
    }

    /// Files that the first stage of the boot loads, in their order.
    pub(super) fn for_boot(&self) -> Result<Vec<PathBuf>, MachineError> {
        let mut ordered: Vec<PathBuf> = Vec::new();
        for name in [BUS].iter().chain(&FOR_BOOT) {
            for file in self.files_of(name)? {
                if !ordered.contains(&file) {
                    ordered.push(file);
                }
            }
        }
        Ok(ordered)
    }

    /// A module's file after those it depends on; empty if the kernel has it built in.
    fn files_of(&self, name: &str) -> Result<Vec<PathBuf>, MachineError> {
        let root = self.root.display().to_string();
        let shown = run_tool(
            &[
                "modprobe",
                "-d",
                &root,
                "-S",
                self.release,
                "--show-depends",
                name,
            ],
            "",
        )?;
        let files = shown
            .lines()
            .filter_map(|line| line.strip_prefix("insmod "));
        Ok(files.map(|file| PathBuf::from(file.trim())).collect())
    }

    fn index(&self) -> Result<(), MachineError> {
        let root = self.root.display().to_string();
        run_tool(&["depmod", "-b", &root, self.release], "")?;
        Ok(())
    }

    /// Newer packages have modules below `/usr/lib` alone.
    fn find_below_lib(&self) -> Result<(), MachineError> {
        let lib = self.root.join("lib");
        if !lib.join("modules").exists() {
            std::os::unix::fs::symlink("usr/lib", &lib)
                .map_err(LabError::io(format!("link {}", lib.display())))?;
        }
        Ok(())
    }
}

/// The headers name their common part by its path on a system that installed them.
fn point_headers_at(sources: &Path, makefile: &Path) -> Result<(), MachineError> {
    let text = fs::read_to_string(makefile)
        .map_err(LabError::io(format!("read {}", makefile.display())))?;
    let text = text.replace("/usr/src/", &format!("{}/", sources.display()));
    fs::write(makefile, text).map_err(LabError::io(format!("write {}", makefile.display())))?;
    Ok(())
}

fn loopback_source(sources: &Path) -> Result<PathBuf, MachineError> {
    let entries = fs::read_dir(sources).map_err(LabError::io("list the kernel's sources"))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.join("v4l2loopback.c").is_file())
        .ok_or_else(|| MachineError::Unsupported {
            reason: "the package v4l2loopback-dkms holds no source".to_owned(),
        })
}

/// Copies a module; the first stage of the boot reads none that are compressed.
fn copy_uncompressed(from: &Path, to: &Path) -> Result<(), MachineError> {
    if from.extension().is_none_or(|extension| extension != "xz") {
        return copy(from, to);
    }
    let to = to.with_extension("");
    if let Some(folder) = to.parent() {
        create(folder)?;
    }
    let (from, to) = (from.display().to_string(), to.display().to_string());
    run_tool(&["sh", "-c", r#"xz -dc "$1" >"$2""#, "sh", &from, &to], "")?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), MachineError> {
    if let Some(folder) = to.parent() {
        create(folder)?;
    }
    fs::copy(from, to).map_err(LabError::io(format!("copy {}", from.display())))?;
    Ok(())
}

fn create(folder: &Path) -> Result<(), MachineError> {
    fs::create_dir_all(folder).map_err(LabError::io(format!("create {}", folder.display())))?;
    Ok(())
}
