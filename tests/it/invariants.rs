//! Invariants of ARCHITECTURE.md that the text of the sources shows.

use std::fs;
use std::path::{Path, PathBuf};

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [
        "src", "reports", "protocol", "devices", "session", "probes", "server",
    ];
    let mut open: Vec<PathBuf> = folders
        .iter()
        .map(|f| root.join(f))
        .map(|f| {
            if f.join("src").is_dir() {
                f.join("src")
            } else {
                f
            }
        })
        .collect();
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 80, "only {} sources were found", found.len());
    found
}

#[test]
fn the_pure_floors_read_no_clock_and_open_nothing() {
    for (path, text) in sources() {
        let shown = path.display().to_string();
        if !(shown.contains("/reports/src/") || shown.contains("/protocol/src/")) {
            continue;
        }
        for banned in [
            "Instant::now",
            "SystemTime::now",
            "std::net::UdpSocket",
            "TcpStream",
            "std::thread",
        ] {
            assert!(!text.contains(banned), "{shown} uses {banned}");
        }
        assert!(
            !text.contains("driver: owns the clock"),
            "{shown} is a driver"
        );
    }
}

#[test]
fn only_the_command_line_prints() {
    for (path, text) in sources() {
        let shown = path.display().to_string();
        let prints =
            text.contains("println!(") || text.contains("eprint!(") || text.contains(" print!(");
        let is_test = shown.contains("test");
        // Doc examples print.
        let in_docs = text
            .lines()
            .filter(|l| l.contains("println!("))
            .all(|l| l.trim_start().starts_with("//"));
        assert!(
            !prints || in_docs || is_test || shown.contains("/src/cli/"),
            "{shown} prints"
        );
    }
}

#[test]
fn nothing_is_unfinished_or_switched_off() {
    // Put together, so that this file does not hold what it looks for.
    let banned = [
        ["todo", "!("].concat(),
        ["unimplemented", "!("].concat(),
        ["#[ign", "ore"].concat(),
    ];
    for (path, text) in sources() {
        for word in &banned {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn who_touches_time_says_so_at_the_top() {
    let clocks = [
        "Instant::now",
        "SystemTime::now",
        "time::sleep",
        "thread::sleep",
    ];
    for (path, text) in sources() {
        let shown = path.display().to_string();
        // Tests at the end of a file may read clocks.
        let code = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap_or_default();
        let code = code.lines().filter(|l| !l.trim_start().starts_with("//"));
        let touches = code
            .into_iter()
            .any(|l| clocks.iter().any(|c| l.contains(c)));
        let says = text
            .lines()
            .take(12)
            .any(|l| l.contains("reason = \"driver: "));
        let is_test = shown.ends_with("tests.rs") || shown.contains("/tests/");
        assert!(!touches || says || is_test, "{shown} touches time unsaid");
    }
}
