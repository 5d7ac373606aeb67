//! The figures of `docs/accuracy.md`; `script/bench` runs this.
//!
//! Each part sets up what it needs, runs the built programs, compares what they say with the packet log of the
//! emulated link, and prints rows of a Markdown table: what, target, figure, pass or MISS. A missed target is a
//! figure like any other; the program fails only when something could not be measured.

#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::print_stdout,
        clippy::print_stderr,
        clippy::disallowed_methods,
        reason = "a benchmark: drives real programs in real time and prints its figures"
    )
)]

#[cfg(target_os = "linux")]
mod beside;
#[cfg(target_os = "linux")]
mod cost;
#[cfg(target_os = "linux")]
mod devices;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod figures;
#[cfg(target_os = "linux")]
#[path = "../../protocol/tests/harness/mod.rs"]
mod harness;
#[cfg(target_os = "linux")]
mod intervals;
#[cfg(target_os = "linux")]
#[path = "../../protocol/tests/load_harness/mod.rs"]
mod load_harness;
#[cfg(target_os = "linux")]
mod log;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(target_os = "linux")]
mod responder;
#[cfg(target_os = "linux")]
mod round_trip;
#[cfg(target_os = "linux")]
mod row;
#[cfg(target_os = "linux")]
mod scene;
#[cfg(target_os = "linux")]
mod sessions;
#[cfg(target_os = "linux")]
mod throughput;
#[cfg(target_os = "linux")]
mod turn;
#[cfg(target_os = "linux")]
mod variation;
#[cfg(target_os = "linux")]
mod wall_time;

#[cfg(target_os = "linux")]
type Part = (&'static str, fn() -> anyhow::Result<Vec<row::Row>>);

/// Built programs on an emulated link: the figures depend on the machine.
#[cfg(target_os = "linux")]
const IN_REAL_TIME: [Part; 18] = [
    ("time", wall_time::measure),
    ("rtt", round_trip::measure),
    ("variation", variation::measure),
    ("irtt", beside::measure),
    ("responder", responder::measure),
    ("relay", relay::measure),
    ("turn", turn::measure),
    ("sessions", sessions::measure),
    ("cost", cost::measure),
    ("check", throughput::cost),
    ("capacity", throughput::capacity),
    ("lab-rungs", throughput::rungs_on_the_lab_link),
    ("iperf3", throughput::loopback),
    ("devices", devices::time),
    ("sound", devices::sound),
    ("capture", devices::capture),
    ("memory", devices::memory),
    ("pictures", devices::pictures),
];

/// Seeded simulations: the figures are the same everywhere.
#[cfg(target_os = "linux")]
const IN_VIRTUAL_TIME: [Part; 5] = [
    ("intervals", intervals::measure),
    ("faults", || Ok(faults::measure())),
    ("queues", || Ok(throughput::queue())),
    ("rungs", || Ok(throughput::rungs())),
    ("rooms", devices::rooms),
];

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::process::ExitCode;

    // `cargo bench` adds `--bench`.
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let names = [&IN_REAL_TIME[..], &IN_VIRTUAL_TIME].concat();
    let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(&name.as_str())) {
        eprintln!(
            "there is no part {unknown:?}; there are: {}",
            names.join(" ")
        );
        return ExitCode::FAILURE;
    }
    greenroom_lab::enter_or_exit();
    let tables = [
        ("In real time, over an emulated link", &IN_REAL_TIME[..]),
        ("In virtual time, seeded", &IN_VIRTUAL_TIME),
    ];
    let mut everything_measured = true;
    for (title, parts) in tables {
        let mut parts = parts.to_vec();
        parts.retain(|(name, _)| wanted.is_empty() || wanted.iter().any(|part| part == name));
        if !parts.is_empty() {
            everything_measured &= print_table(title, &parts);
        }
    }
    if everything_measured {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Measures and prints; false when a part could not be measured.
#[cfg(target_os = "linux")]
fn print_table(title: &str, parts: &[Part]) -> bool {
    let mut everything_measured = true;
    println!("### {title}\n\n| what | target | figure | |\n|---|---|---|---|");
    for (name, measure) in parts {
        eprintln!("measuring: {name}");
        match measure() {
            Ok(rows) => {
                for row in rows {
                    println!("{row}");
                }
            }
            Err(error) => {
                everything_measured = false;
                eprintln!("cannot measure the part {name}: {error:#}");
            }
        }
    }
    println!();
    everything_measured
}

#[cfg(not(target_os = "linux"))]
fn main() {}
