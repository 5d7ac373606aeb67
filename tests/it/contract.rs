//! The contract of sessions: every statement of docs/sessions.md names the tests that hold it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Where tests stand, below the root.
const SOURCES: [&str; 6] = [
    "protocol/src",
    "server/src",
    "server/tests",
    "session/src",
    "session/tests",
    "tests",
];

/// Ids in a test's name: `s85_s86_…` are two, `s82_to_s87_…` is all between.
fn ids(name: &str) -> Vec<u32> {
    let mut found: Vec<u32> = Vec::new();
    let mut range = false;
    for part in name.split('_') {
        let number = part
            .strip_prefix('s')
            .and_then(|digits| digits.parse::<u32>().ok());
        match number {
            Some(last) if range => {
                let first = found.last().map_or(last, |first| first + 1);
                found.extend(first..=last);
                range = false;
            }
            Some(id) => found.push(id),
            None if part == "to" && !found.is_empty() && !range => range = true,
            None => break,
        }
    }
    found
}

/// Tests by id, as `crate-or-folder: name`.
fn tests() -> BTreeMap<u32, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for source in SOURCES {
        let mut folders = vec![root.join(source)];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries.flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    read(&text, source, &mut tests);
                }
            }
        }
    }
    for names in tests.values_mut() {
        names.sort();
        names.dedup();
    }
    tests
}

/// A test is a function under an attribute that ends in `test]`, or in a block of proptest.
fn read(text: &str, source: &str, tests: &mut BTreeMap<u32, Vec<String>>) {
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            marked |= line.contains("test]") || line.contains("test(");
            continue;
        }
        let Some((_, rest)) = line.split_once("fn ") else {
            marked &= line.is_empty() || line.starts_with("//");
            continue;
        };
        let name: String = rest
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        if marked {
            for id in ids(&name) {
                let entry = tests.entry(id).or_default();
                entry.push(format!("`{source}` {name}"));
            }
        }
        marked = false;
    }
}

#[test]
fn contract_every_statement_has_its_tests() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sessions.md");
    let before = std::fs::read_to_string(&path).unwrap();
    let tests = tests();
    let mut after = String::new();
    let mut untested = Vec::new();
    for line in before.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let id = cells
            .first()
            .and_then(|cell| cell.strip_prefix('S')?.parse::<u32>().ok());
        let (Some(id), true) = (id, line.starts_with("| S")) else {
            after.push_str(line);
            after.push('\n');
            continue;
        };
        let statement = cells
            .get(1)
            .copied()
            .unwrap_or_default()
            .trim_end_matches(" |")
            .trim();
        let said = cells.get(2).copied().unwrap_or_default();
        let held = match tests.get(&id) {
            Some(names) => names.join("<br>"),
            None if said.starts_with("none: ") => said.to_owned(),
            None => {
                untested.push(id);
                String::new()
            }
        };
        writeln!(after, "| S{id} | {statement} | {held} |").unwrap();
    }
    if std::env::var_os("UPDATE_CONTRACT").is_some() {
        std::fs::write(&path, &after).unwrap();
    }
    assert!(
        untested.is_empty(),
        "neither a test nor `none: why`: {untested:?}"
    );
    assert!(
        after == std::fs::read_to_string(&path).unwrap(),
        "docs/sessions.md is out of date: UPDATE_CONTRACT=1 cargo test --test it contract"
    );
}

#[test]
fn ids_are_read_from_names() {
    assert_eq!(ids("s48_topic"), [48]);
    assert_eq!(ids("s49_s62_s64_the_token"), [49, 62, 64]);
    assert_eq!(ids("s82_to_s85_one"), [82, 83, 84, 85]);
    assert_eq!(ids("session_ids_differ"), Vec::<u32>::new());
    assert_eq!(ids("s3_to_be"), [3]);
}
