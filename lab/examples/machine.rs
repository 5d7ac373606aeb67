//! Boots the virtual machine of the device tests and runs a shell script inside.
//!
//! `cargo run -p greenroom-lab --example machine -- 'modprobe vivid; v4l2-ctl --list-devices'`

#[cfg(target_os = "linux")]
#[expect(clippy::print_stderr, reason = "an example reports on standard error")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use greenroom_lab::vm::{Image, Machine, MachineConfig, serve_guest};
    use std::time::Duration;

    serve_guest();
    let script = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    if script.is_empty() {
        return Err("give a shell script to be run inside, as one argument".into());
    }
    let machine = Machine::boot(&Image::prepare()?, &MachineConfig::default())?;
    eprintln!("/mnt/share is {}", machine.share().display());
    let output = machine.start(&script)?.wait(Duration::from_secs(600))?;
    print(&output);
    drop(machine);
    std::process::exit(output.status);
}

#[cfg(target_os = "linux")]
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example prints what it ran"
)]
fn print(output: &greenroom_lab::vm::Output) {
    print!("{}", output.stdout);
    eprint!("{}", output.stderr);
}

#[cfg(not(target_os = "linux"))]
fn main() {}
