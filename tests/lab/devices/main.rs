//! Cameras, microphones and speakers with known faults, in virtual machines with the kernel's real drivers.
//!
//! A binary of its own, apart from the shaped networks: machines compute, and would be in the way of what keeps time.
//! A tool that is missing fails the tests with the name of its Debian package.
//!
//! The machines run in the lab's sandbox, so that nothing is left of them even if the tests are killed. It has no
//! network, so what they are built from is fetched before.

// The lints recognize tests by the standard harness and take this for an ordinary program.
#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::unwrap_used,
        clippy::panic,
        clippy::print_stderr,
        clippy::disallowed_methods,
        reason = "tests, which drive real programs in real time"
    )
)]

#[cfg(target_os = "linux")]
mod audio;
#[cfg(target_os = "linux")]
mod camera;
#[cfg(target_os = "linux")]
mod checked;
#[cfg(target_os = "linux")]
mod faults_camera;
#[cfg(target_os = "linux")]
mod faults_sound;
#[cfg(target_os = "linux")]
mod hotplug;
#[cfg(target_os = "linux")]
mod listed;
#[cfg(target_os = "linux")]
mod machines;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod recording;
#[cfg(target_os = "linux")]
mod stream;

#[cfg(target_os = "linux")]
fn main() {
    greenroom_lab::vm::serve_guest();
    let mut arguments = libtest_mimic::Arguments::from_args();
    if !arguments.list {
        machines::prepare_or_exit();
        greenroom_lab::enter_or_exit();
    }
    // A machine keeps a processor busy while its programs compute.
    arguments.test_threads.get_or_insert(2);
    let trials = [
        camera::trials(),
        audio::trials(),
        hotplug::trials(),
        program::trials(),
        listed::trials(),
        faults_camera::trials(),
        faults_sound::trials(),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials.into_iter().flatten().collect());
    machines::close();
    conclusion.exit();
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
