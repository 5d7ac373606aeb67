//! The machine itself, and the built program in it.

use std::time::Duration;

use greenroom_lab::vm::{Image, Machine, MachineConfig, MachineError};
use libtest_mimic::Trial;

use crate::{machines, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("the_program_runs_inside_for_everybody", runs),
        trial("commands_give_their_status_and_output", commands),
        trial("a_panic_of_the_kernel_is_told_with_its_console", panicked),
    ]
}

fn runs() {
    let machine = machines::lend();
    let version = machine.run_ok("greenroom --version").unwrap();
    assert!(version.starts_with("greenroom "), "{version}");
    let other = machine
        .run_ok("setpriv --reuid=65534 --regid=65534 --clear-groups greenroom --version")
        .unwrap();
    assert_eq!(other, version);
}

fn commands() {
    let machine = machines::lend();
    let output = machine.run("echo out; echo err >&2; exit 7").unwrap();
    assert_eq!(
        (
            output.status,
            output.stdout.as_str(),
            output.stderr.as_str()
        ),
        (7, "out\n", "err\n")
    );
    let forever = machine.start("echo begun; sleep 1000").unwrap();
    match forever.wait(Duration::from_millis(500)) {
        Err(MachineError::TimedOut { stdout, .. }) => assert_eq!(stdout, "begun\n"),
        other => panic!("{other:?}"),
    }
    let left = machine.run("pgrep -f '[s]leep 1000'").unwrap();
    assert_eq!(left.stdout, "");
}

fn panicked() {
    let machine = Machine::boot(&Image::find().unwrap(), &MachineConfig::default()).unwrap();
    let (pid, share) = (machine.id(), machine.share().to_owned());
    let error = machine
        .run("echo c >/proc/sysrq-trigger; sleep 10")
        .unwrap_err();
    assert!(
        error.to_string().contains("sysrq triggered crash"),
        "{error}"
    );
    drop(machine);
    assert!(!std::fs::exists(format!("/proc/{pid}")).unwrap());
    assert!(!share.exists());
}
