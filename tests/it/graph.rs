//! The tower of crates, over `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Crates from the top down: each may depend on those behind it.
const TOWER: [&str; 6] = [
    "greenroom",
    "greenroom-probes",
    "greenroom-session",
    "greenroom-devices",
    "greenroom-protocol",
    "greenroom-reports",
];

/// Everything that the pure crates reach: data, maths and text. Whoever adds a line has looked
/// whether the crate opens sockets or devices, starts threads, reads clocks or draws entropy.
/// Macros and what they need run in the compiler and are not meant. `aws-lc-rs` can draw entropy;
/// the one thing that is asked of it here, the HMAC of a token, does not. `chrono` is built without
/// its clock.
const PURE: &[&str] = &[
    "approx",
    "aws-lc-rs",
    "aws-lc-sys",
    "base64",
    "block-buffer",
    "bytes",
    "cfg-if",
    "chrono",
    "cmov",
    "const-oid",
    "cpufeatures",
    "crypto-common",
    "ctutils",
    "digest",
    "dyn-clone",
    "hmac",
    "hybrid-array",
    "itoa",
    "jsonwebtoken",
    "libm",
    "livekit-protocol",
    "memchr",
    "num-traits",
    "pbjson",
    "pbjson-types",
    "prost",
    "ref-cast",
    "schemars",
    "serde",
    "serde_core",
    "serde_json",
    "serde_path_to_error",
    "serde_spanned",
    "sha1",
    "sha2",
    "signature",
    "statrs",
    "thiserror",
    "tinyvec",
    "toml",
    "toml_datetime",
    "toml_parser",
    "toml_writer",
    "typenum",
    "unicode-normalization",
    "untrusted",
    "winnow",
    "zeroize",
    "zmij",
];

struct Graph {
    /// Packages by id.
    names: BTreeMap<String, String>,
    /// Normal and build dependencies by package id.
    needs: BTreeMap<String, BTreeSet<String>>,
    /// Dependencies for tests alone, by package id.
    dev_only: BTreeMap<String, BTreeSet<String>>,
    members: BTreeSet<String>,
}

impl Graph {
    fn read() -> Self {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--offline"])
            .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
            .arg("--all-features")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Self::parse(&serde_json::from_slice(&output.stdout).unwrap())
    }

    fn parse(metadata: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |value: &Value| value.as_array().unwrap().clone();
        let packages = list(&metadata["packages"]);
        let names = packages
            .iter()
            .map(|p| (text(&p["id"]), text(&p["name"])))
            .collect();
        let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut dev_only: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            for dependency in list(&node["deps"]) {
                let kinds = list(&dependency["dep_kinds"]);
                let dev = kinds.iter().all(|kind| kind["kind"] == "dev");
                let into = if dev { &mut dev_only } else { &mut needs };
                into.entry(text(&node["id"]))
                    .or_default()
                    .insert(text(&dependency["pkg"]));
            }
        }
        let members = list(&metadata["workspace_members"])
            .iter()
            .map(text)
            .collect();
        Self {
            names,
            needs,
            dev_only,
            members,
        }
    }

    fn id(&self, name: &str) -> &String {
        self.members
            .iter()
            .find(|id| self.names[*id] == name)
            .unwrap_or_else(|| panic!("no crate {name}"))
    }

    /// The crates of this workspace that a crate needs.
    fn needs_of_ours(&self, name: &str) -> BTreeSet<&str> {
        let needs = self.needs.get(self.id(name)).into_iter().flatten();
        needs
            .map(|id| self.names[id].as_str())
            .filter(|n| n.starts_with("greenroom"))
            .collect()
    }
}

/// Everything that a package is linked with, transitively, when it is built with these features.
fn linked_with(package: &str, features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", package])
        .args(["--edges", "normal,no-proc-macro", "--prefix", "none"])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .args(["--format", "{p}", "--locked", "--offline"])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).unwrap();
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn crates_depend_downwards_only() {
    let graph = Graph::read();
    for (floor, name) in TOWER.iter().enumerate() {
        for needed in graph.needs_of_ours(name) {
            let below = TOWER.iter().position(|other| *other == needed);
            let allowed = below.is_some_and(|below| below > floor)
                || (*name == "greenroom" && needed == "greenroom-server");
            assert!(allowed, "{name} must not depend on {needed}");
        }
    }
    let server = graph.needs_of_ours("greenroom-server");
    assert!(server.is_subset(&BTreeSet::from(["greenroom-protocol", "greenroom-reports"])));
}

#[test]
fn only_the_root_needs_the_server_and_only_tests_need_the_lab() {
    let graph = Graph::read();
    for id in &graph.members {
        let name = graph.names[id].as_str();
        let ours = graph.needs_of_ours(name);
        assert!(!ours.contains("greenroom-lab"), "{name} needs the lab");
        assert!(
            name == "greenroom" || !ours.contains("greenroom-server"),
            "{name}"
        );
    }
    assert!(graph.needs_of_ours("greenroom-lab").is_empty());
    let users = graph
        .dev_only
        .iter()
        .filter(|(_, needs)| needs.iter().any(|id| graph.names[id] == "greenroom-lab"));
    assert!(users.count() > 0, "no test uses the lab");
}

#[test]
fn the_ground_floors_are_pure() {
    let reports = linked_with("greenroom-reports", &["--all-features"]);
    let protocol = linked_with("greenroom-protocol", &["--all-features"]);
    let reached: BTreeSet<&str> = reports
        .union(&protocol)
        .map(String::as_str)
        .filter(|name| !name.starts_with("greenroom-"))
        .collect();
    let known: BTreeSet<&str> = PURE.iter().copied().collect();
    let new: Vec<_> = reached.difference(&known).collect();
    assert!(new.is_empty(), "are these pure? then list them: {new:?}");
    let gone: Vec<_> = known.difference(&reached).collect();
    assert!(gone.is_empty(), "these are no longer needed: {gone:?}");
}

#[test]
fn the_library_alone_has_no_command_line_server_or_devices() {
    let names = linked_with("greenroom", &["--no-default-features"]);
    assert!(names.contains("greenroom-probes"));
    for absent in [
        "anyhow",
        "axum",
        "clap",
        "cpal",
        "eframe",
        "egui",
        "greenroom-devices",
        "greenroom-lab",
        "greenroom-server",
        "indicatif",
        "nokhwa",
        "prometheus-client",
        "rcgen",
        "tracing-subscriber",
    ] {
        assert!(!names.contains(absent), "{absent} is in the library alone");
    }
}

#[test]
fn inner_crates_are_not_published() {
    for folder in [
        "reports", "protocol", "devices", "session", "probes", "server", "lab",
    ] {
        let path = format!("{}/{folder}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
        let manifest = std::fs::read_to_string(&path).unwrap();
        assert!(manifest.contains("publish = false"), "{path}");
        assert!(manifest.contains("version = \"0.0.0\""), "{path}");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{path}");
    }
}
