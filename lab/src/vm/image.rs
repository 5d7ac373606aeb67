//! What a machine boots, built once and kept beside the build.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::archive::Archive;
use super::error::MachineError;
use super::modules::Modules;
use super::packages::Packages;
use super::{frames, kernel};
use crate::error::LabError;

/// Below the build directory.
const FOLDER: &str = "lab-machine";

/// Files of a build directory; the first is missing where somebody else created it.
const MARKS: [&str; 2] = ["CACHEDIR.TAG", ".rustc_info.json"];

/// Names the image that is in use.
const CURRENT: &str = "current";

/// Held while an image is built.
const LOCK: &str = "lock";

/// Raised whenever an image is built differently, so that older ones are not used.
const RECIPE: u32 = 1;

/// The first program of the guest.
const BOOT: &str = include_str!("../../guest/boot.sh");

/// From the Debian package of the same name; it needs no libraries.
const BUSYBOX: &str = "/bin/busybox";

/// Its commands that the first program calls.
const COMMANDS: [&str; 7] = [
    "sh",
    "cat",
    "insmod",
    "mkdir",
    "mount",
    "poweroff",
    "switch_root",
];

/// Kernel, modules and pictures for machines.
#[derive(Debug, Clone)]
pub struct Image {
    folder: PathBuf,
}

impl Image {
    /// The image for the kernel that the package lists offer; downloads and builds it, in some 15 s, unless that was
    /// done before. Processes that ask at the same time wait for each other. Needs a network and the tools of
    /// `lab/README.md`, but no rights; where there is no network, an older image serves.
    ///
    /// # Errors
    ///
    /// What is missing, and the package that has it.
    pub fn prepare() -> Result<Self, MachineError> {
        let store = store()?;
        fs::create_dir_all(&store).map_err(LabError::io(format!("create {}", store.display())))?;
        let lock = store.join(LOCK);
        let lock = File::create(&lock).map_err(LabError::io(format!("open {}", lock.display())))?;
        lock.lock()
            .map_err(LabError::io("lock the images of virtual machines"))?;
        match (build_current(&store), Self::find()) {
            (Ok(image), _) | (Err(_), Ok(image)) => Ok(image),
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// What [`prepare`](Self::prepare) made, without looking for anything newer: works without a network.
    ///
    /// # Errors
    ///
    /// [`MachineError::NotPrepared`].
    pub fn find() -> Result<Self, MachineError> {
        let store = store()?;
        let name = fs::read_to_string(store.join(CURRENT)).unwrap_or_default();
        let folder = store.join(name.trim());
        if name.ends_with(&suffix()) && folder.is_dir() {
            return Ok(Self { folder });
        }
        Err(MachineError::NotPrepared)
    }

    /// The kernel, for QEMU.
    pub(super) fn kernel(&self) -> PathBuf {
        self.folder.join("vmlinux")
    }

    /// Where modprobe looks for modules.
    pub(super) fn modules(&self) -> Result<PathBuf, MachineError> {
        Ok(Modules::new(&self.folder, &self.release()?).folder())
    }

    /// Pictures that simulated cameras give.
    pub(super) fn frames(&self) -> PathBuf {
        self.folder.join("frames")
    }

    /// The initial file system: what it takes to reach the host's files.
    pub(super) fn initial_files(&self) -> Result<Vec<u8>, MachineError> {
        let mut archive = Archive::default();
        for folder in [
            "bin", "dev", "proc", "sys", "modules", "host", "own", "root",
        ] {
            archive.directory(folder);
        }
        archive.device("dev/console", 5, 1);
        archive.file("init", BOOT.as_bytes());
        archive.file("bin/busybox", &read(Path::new(BUSYBOX))?);
        for command in COMMANDS {
            archive.link(&format!("bin/{command}"), "busybox");
        }
        let mut order = String::new();
        let release = self.release()?;
        for file in Modules::new(&self.folder, &release).for_boot()? {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            archive.file(&format!("modules/{name}"), &read(&file)?);
            order.push_str(&name);
            order.push('\n');
        }
        archive.file("modules/order", order.as_bytes());
        Ok(archive.finish())
    }

    fn release(&self) -> Result<String, MachineError> {
        let bytes = read(&self.folder.join("release"))?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }
}

fn suffix() -> String {
    format!("-recipe{RECIPE}")
}

/// Where images are kept: in the build directory that the running program is from, which Cargo marks by either file.
fn store() -> Result<PathBuf, MachineError> {
    let program = std::env::current_exe().map_err(LabError::io("find the running binary"))?;
    let build = program
        .ancestors()
        .find(|folder| MARKS.iter().any(|mark| folder.join(mark).is_file()));
    build
        .map(|folder| folder.join(FOLDER))
        .ok_or_else(|| MachineError::Unsupported {
            reason: format!("{} is in no build directory of Cargo", program.display()),
        })
}

fn build_current(store: &Path) -> Result<Image, MachineError> {
    check_host()?;
    let scratch = tempfile::Builder::new()
        .prefix("building-")
        .tempdir_in(store)
        .map_err(LabError::io("make a folder to build in"))?;
    let system = Packages::of_system();
    let of_system = system.and_then(|packages| obtain(&packages, store, scratch.path()));
    let folder = of_system.or_else(|_| {
        // Lists that are older than the archive name packages that it no longer has.
        let again = scratch.path().join("again");
        let packages = Packages::fetched(&again.join("lists"))?;
        obtain(&packages, store, &again)
    })?;
    let name = folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    fs::write(store.join(CURRENT), name).map_err(LabError::io("name the image to be used"))?;
    Ok(Image { folder })
}

fn check_host() -> Result<(), MachineError> {
    if std::env::consts::ARCH != "x86_64" {
        return Err(MachineError::Unsupported {
            reason: "the programs of the host run inside, on an x86-64 processor".to_owned(),
        });
    }
    for (program, package) in [
        (BUSYBOX, "busybox-static"),
        ("/usr/bin/apt-get", "apt"),
        ("/usr/bin/xz", "xz-utils"),
        ("/usr/bin/make", "build-essential"),
    ] {
        if !Path::new(program).is_file() {
            return Err(LabError::MissingProgram { program, package }.into());
        }
    }
    Ok(())
}

/// The image of these packages; builds it unless it is there.
fn obtain(packages: &Packages, store: &Path, scratch: &Path) -> Result<PathBuf, MachineError> {
    let folder = store.join(format!("{}{}", packages.version, suffix()));
    if folder.is_dir() {
        return Ok(folder);
    }
    let built = scratch.join("image");
    build(packages, scratch, &built)?;
    // Whoever sees the folder sees it complete.
    fs::rename(&built, &folder).map_err(LabError::io(format!("keep {}", folder.display())))?;
    Ok(folder)
}

fn build(packages: &Packages, scratch: &Path, image: &Path) -> Result<(), MachineError> {
    let release = packages.release.as_str();
    let unpacked = packages.unpack(scratch)?;
    fs::create_dir_all(image).map_err(LabError::io(format!("create {}", image.display())))?;
    let compressed = unpacked.join("boot").join(format!("vmlinuz-{release}"));
    kernel::unpack(&compressed, &image.join("vmlinux"))?;
    let modules = Modules::new(&unpacked, release);
    modules.build_loopback()?;
    modules.copy_needed(image)?;
    frames::write(&image.join("frames"))?;
    fs::write(image.join("release"), release)
        .map_err(LabError::io("write the kernel's release"))?;
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, MachineError> {
    Ok(fs::read(path).map_err(LabError::io(format!("read {}", path.display())))?)
}
