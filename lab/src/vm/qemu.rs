//! The emulator's command line.

use std::path::Path;
use std::process::{Command, Stdio};

use super::error::MachineError;
use super::image::Image;
use crate::error::LabError;

const PROGRAM: &str = "qemu-system-x86_64";

/// No compressed kernel to unpack, no timers to calibrate, no mitigations that only cost time here; a panic ends the
/// emulator instead of starting over.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 quiet panic=-1 nokaslr mitigations=off tsc=reliable no_timer_check \
    rdinit=/init";

/// Where the guest's console is written, in the share.
pub(super) const CONSOLE: &str = "console.log";

/// The guest's initial file system, in the share.
pub(super) const INITIAL_FILES: &str = "initial.cpio";

/// The emulator for a machine whose second serial port is its standard input and output. The kernel ends it with the
/// thread that starts it.
pub(super) fn command(image: &Image, share: &Path, memory_mib: u32) -> Command {
    let share_text = share.display();
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", PROGRAM])
        .args([
            "-machine",
            "q35",
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
        ])
        .args(["-m", &memory_mib.to_string()])
        .args([
            "-display",
            "none",
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
        ])
        .arg("-kernel")
        .arg(image.kernel())
        .arg("-initrd")
        .arg(share.join(INITIAL_FILES))
        .args(["-append", KERNEL_ARGUMENTS])
        .args(["-serial", &format!("file:{share_text}/{CONSOLE}")])
        .args([
            "-chardev",
            "stdio,id=agent,signal=off",
            "-serial",
            "chardev:agent",
        ])
        .args([
            "-fsdev",
            "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
        ])
        .args(["-device", "virtio-9p-pci,fsdev=host,mount_tag=host"])
        .args([
            "-fsdev",
            &format!("local,id=share,path={share_text},security_model=none,multidevs=remap"),
        ])
        .args(["-device", "virtio-9p-pci,fsdev=share,mount_tag=share"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Fails if the emulator or a tool of the guest is not installed.
pub(super) fn check_installed() -> Result<(), MachineError> {
    for (program, package) in [
        ("/usr/bin/qemu-system-x86_64", "qemu-system-x86"),
        ("/sbin/modprobe", "kmod"),
        ("/usr/bin/v4l2-ctl", "v4l-utils"),
        ("/usr/bin/arecord", "alsa-utils"),
        ("/usr/bin/setpriv", "util-linux"),
    ] {
        if !Path::new(program).exists() {
            return Err(LabError::MissingProgram { program, package }.into());
        }
    }
    Ok(())
}
