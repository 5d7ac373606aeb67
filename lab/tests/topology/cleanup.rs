//! Nothing stays behind.

use std::fs;
use std::time::Duration;

use greenroom_lab::{Disguise, DisguiseConfig, Lab, Process};
use libtest_mimic::Trial;

use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_dropped_lab_leaves_nothing", dropped),
        trial("a_panic_leaves_nothing", panicked),
        trial("a_dropped_process_is_gone", process),
    ]
}

/// Names of namespaces that start with `prefix`.
fn namespaces(prefix: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir("/run/netns") else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(prefix)).collect()
}

fn exists(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}")).unwrap()
}

fn prefix_of(lab: &Lab) -> String {
    lab.client().netns().trim_end_matches("host1").to_owned()
}

fn dropped() {
    let lab = Lab::new().unwrap();
    let prefix = prefix_of(&lab);
    assert_eq!(namespaces(&prefix).len(), 4);
    let pids = [
        lab.client()
            .command("sleep")
            .arg("1000")
            .spawn()
            .unwrap()
            .id(),
        lab.server()
            .command("setsid")
            .args(["sleep", "1000"])
            .spawn()
            .unwrap()
            .id(),
    ];
    assert!(pids.into_iter().all(exists));
    drop(lab);
    assert_eq!(namespaces(&prefix), Vec::<String>::new());
    assert!(!pids.into_iter().any(exists));
}

fn panicked() {
    let lab = Lab::new().unwrap();
    let prefix = prefix_of(&lab);
    let disguise =
        Disguise::new(&DisguiseConfig::new().file("/sys/kernel/greenroom/x", "1")).unwrap();
    let mut command = lab.client().command_in(&disguise, "sleep");
    let script = command.get_args().last().map(std::path::PathBuf::from);
    let pid = command.arg("1000").spawn().unwrap().id();
    let panic = std::thread::spawn(move || {
        let _owned = (lab, disguise);
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    assert!(panic.join().is_err());
    assert_eq!(namespaces(&prefix), Vec::<String>::new());
    assert!(!exists(pid));
    assert!(script.is_some());
}

fn process() {
    let lab = Lab::new().unwrap();
    let mut process = Process::start(lab.client().command("sleep").arg("1000")).unwrap();
    assert_eq!(
        process.wait_timeout(Duration::from_millis(50)).unwrap(),
        None
    );
    let pid = process.id();
    drop(process);
    assert!(!exists(pid));
}
