//! Faults injected into real networks and machines, named by the built program.
//!
//! Each test runs `greenroom serve` and `greenroom check` on the two ends of an emulated link and compares the report
//! with what was injected: the first finding is the fault, every other one is told as its consequence, and the figures
//! are those of the link's packet log. A tool that is missing fails the test with the name of its Debian package.
//!
//! The standard harness starts threads before any of our code runs, and a process with threads cannot move into another
//! user namespace: hence a `main` of our own.

// The lints recognize tests by the standard harness and take this for an ordinary program.
#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::unwrap_used,
        clippy::panic,
        clippy::print_stdout,
        clippy::disallowed_methods,
        reason = "tests, which drive real programs in real time"
    )
)]

#[cfg(target_os = "linux")]
mod bandwidth;
#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod clock;
#[cfg(target_os = "linux")]
mod healthy;
#[cfg(target_os = "linux")]
mod interruption;
#[cfg(target_os = "linux")]
mod intruders;
#[cfg(target_os = "linux")]
mod loss;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod names;
#[cfg(target_os = "linux")]
mod nat;
#[cfg(target_os = "linux")]
mod path;
#[cfg(target_os = "linux")]
mod reach;
#[cfg(target_os = "linux")]
mod scene;
#[cfg(target_os = "linux")]
mod screen;
#[cfg(target_os = "linux")]
mod tls;
#[cfg(target_os = "linux")]
mod tool;
#[cfg(target_os = "linux")]
mod truth;
#[cfg(target_os = "linux")]
mod turn;
#[cfg(target_os = "linux")]
mod udp;
#[cfg(target_os = "linux")]
mod vpn;
#[cfg(target_os = "linux")]
mod web;

#[cfg(target_os = "linux")]
fn main() {
    let mut arguments = libtest_mimic::Arguments::from_args();
    if !arguments.list {
        greenroom_lab::enter_or_exit();
    }
    // Each test keeps a client, a server and a link busy that are to keep time.
    arguments.test_threads.get_or_insert(2);
    let trials = [
        healthy::trials(),
        path::trials(),
        loss::trials(),
        udp::trials(),
        machine::trials(),
        clock::trials(),
        vpn::trials(),
        names::trials(),
        reach::trials(),
        tls::trials(),
        turn::trials(),
        web::trials(),
        nat::trials(),
        interruption::trials(),
        intruders::trials(),
        bandwidth::trials(),
    ];
    let trials = trials.into_iter().flatten().collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    screen::close();
    conclusion.exit();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

/// A trial that fails when `test` panics.
#[cfg(target_os = "linux")]
fn trial(name: impl Into<String>, test: impl FnOnce() + Send + 'static) -> libtest_mimic::Trial {
    libtest_mimic::Trial::test(name, move || {
        test();
        Ok(())
    })
}
