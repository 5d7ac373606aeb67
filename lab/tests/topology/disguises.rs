//! False machines.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use greenroom_lab::{Disguise, DisguiseConfig, Lab, Process};
use libtest_mimic::Trial;

use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_disguise_shows_files_that_do_not_exist", new_files),
        trial("a_disguise_replaces_empties_and_hides", replaced_files),
        trial("a_disguise_limits_the_cpus", cpus),
        trial("a_disguise_steps_the_wall_clock_only", clock),
        trial("a_disguise_refuses_what_it_cannot_do", refusal),
    ]
}

const BATTERY: &str = "/sys/class/power_supply/BAT0";

fn text(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn new_files() {
    let lab = Lab::new().unwrap();
    let throttle = "/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count";
    let paths = [
        &format!("{BATTERY}/status"),
        "/sys/firmware/acpi/platform_profile",
        throttle,
        "/sys/class/greenroom/a/b",
    ];
    let config = paths.iter().fold(DisguiseConfig::new(), |config, path| {
        config.file(path, format!("{path}\n"))
    });
    let disguise = Disguise::new(&config).unwrap();
    for path in paths {
        assert_eq!(
            text(lab.client().command_in(&disguise, "cat").arg(path)),
            path
        );
    }
    // The neighbors are still there, links included.
    assert_eq!(
        text(
            lab.client()
                .command_in(&disguise, "cat")
                .arg("/sys/class/net/eth0/mtu")
        ),
        "1500"
    );
    text(
        lab.client()
            .command_in(&disguise, "ls")
            .arg("/sys/devices/system/cpu/cpu0/topology/core_id"),
    );
    // And outside, nothing has changed.
    assert!(!std::fs::exists(throttle).unwrap());
    disguise.rewrite(throttle, "7\n").unwrap();
    assert_eq!(text(disguise.command("cat").arg(throttle)), "7");
}

fn replaced_files() {
    let config = DisguiseConfig::new()
        .file("/proc/sys/kernel/ostype", "Plan 9\n")
        .emptied("/sys/class/net")
        .file("/sys/class/net/wlan0/type", "1\n")
        .absent("/sys/class/tty")
        .file("/etc/resolv.conf", "nameserver 203.0.113.10\n");
    let disguise = Disguise::new(&config).unwrap();
    assert_eq!(
        text(disguise.command("cat").arg("/proc/sys/kernel/ostype")),
        "Plan 9"
    );
    assert_eq!(text(disguise.command("ls").arg("/sys/class/net")), "wlan0");
    assert_eq!(
        text(disguise.command("cat").arg("/etc/resolv.conf")),
        "nameserver 203.0.113.10"
    );
    let classes = text(disguise.command("ls").arg("/sys/class"));
    assert!(
        classes.lines().any(|class| class == "mem") && !classes.lines().any(|class| class == "tty"),
        "{classes}"
    );
}

fn cpus() {
    let disguise = Disguise::new(&DisguiseConfig::new().cpus(&[0])).unwrap();
    assert_eq!(text(&mut disguise.command("nproc")), "1");
}

fn clock() {
    let disguise = Disguise::new(&DisguiseConfig::new().clock_offset_ms(-3_600_500)).unwrap();
    // Tells the time twice, the second time when told to.
    let script = r#"$| = 1; print time, "\n"; <STDIN>; print time, "\n""#;
    let mut command = disguise.command("perl");
    command
        .args(["-e", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut process = Process::start(&mut command).unwrap();
    let mut answers = BufReader::new(process.child().stdout.take().unwrap()).lines();
    let mut n_ahead_s = || answers.next().unwrap().unwrap().parse::<i64>().unwrap() - true_s();
    assert!((-3602..=-3599).contains(&n_ahead_s()));
    disguise.set_clock_offset_ms(120_000).unwrap();
    process
        .child()
        .stdin
        .take()
        .unwrap()
        .write_all(b"\n")
        .unwrap();
    assert!((118..=121).contains(&n_ahead_s()));
}

fn true_s() -> i64 {
    text(Command::new("date").arg("+%s")).parse().unwrap()
}

fn refusal() {
    assert!(Disguise::new(&DisguiseConfig::new().file("/proc/greenroom", "")).is_err());
    assert!(Disguise::new(&DisguiseConfig::new().file("/sys", "")).is_err());
    let disguise = Disguise::new(&DisguiseConfig::new()).unwrap();
    assert!(disguise.rewrite("/etc/passwd", "").is_err());
}
