//! Specificity and sensitivity: healthy paths and faults of the path, measured in virtual time by the whole protocol and
//! judged by the default profile.

use greenroom::Mode;

use crate::harness::faults::{Fault, false_alarms, faults};
use crate::row::Row;

const CLEAN_RUNS: u64 = 1000;
const FAULT_RUNS: u64 = 200;

pub(crate) fn measure() -> Vec<Row> {
    let alarms = false_alarms(CLEAN_RUNS);
    let said: Vec<&str> = alarms.iter().map(|(_, what)| what.as_str()).collect();
    let clean = Row::judged(
        format!("findings in {CLEAN_RUNS} seeded clean runs"),
        "0",
        format!("{} {}", alarms.len(), said.join(", ")).trim_end(),
        alarms.is_empty(),
    );
    std::iter::once(clean)
        .chain(faults().iter().map(row))
        .collect()
}

fn row(fault: &Fault) -> Row {
    let found = fault.sensitivity(FAULT_RUNS);
    let depth = match fault.mode {
        Mode::Full => "full",
        Mode::Quick => "quick",
    };
    Row::judged(
        format!(
            "{depth}: {} ⇒ `{}` first, nothing else",
            fault.magnitude, fault.id
        ),
        format!("≥ {} %", fault.least_percent),
        format!(
            "{:.1} % of {}{}",
            found.percent(),
            found.runs,
            found.confusion_in_words()
        ),
        found.percent() >= fault.least_percent,
    )
}
