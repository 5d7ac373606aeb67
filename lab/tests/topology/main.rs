//! The lab itself, as root and as an ordinary user.
//!
//! The standard harness starts threads before any of our code runs, and a process with threads cannot move into another
//! user namespace: hence a `main` of our own.

// The lints recognize tests by the standard harness and take this for an ordinary program.
#![cfg_attr(
    target_os = "linux",
    expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")
)]

#[cfg(target_os = "linux")]
mod cleanup;
#[cfg(target_os = "linux")]
mod disguises;
#[cfg(target_os = "linux")]
mod emulation;
#[cfg(target_os = "linux")]
mod firewall;
#[cfg(target_os = "linux")]
mod machines;
#[cfg(target_os = "linux")]
mod ordinary_user;
#[cfg(target_os = "linux")]
mod udp;

#[cfg(target_os = "linux")]
fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    if !arguments.list
        && let Err(failure) = ordinary_user::repeat()
    {
        eprintln!("as an ordinary user: {failure}");
        std::process::exit(1);
    }
    greenroom_lab::enter_or_exit();
    let trials = [
        cleanup::trials(),
        disguises::trials(),
        emulation::trials(),
        firewall::trials(),
        machines::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

/// A trial that fails when `test` panics.
#[cfg(target_os = "linux")]
fn trial(name: &str, test: fn()) -> libtest_mimic::Trial {
    libtest_mimic::Trial::test(name, move || {
        test();
        Ok(())
    })
}
