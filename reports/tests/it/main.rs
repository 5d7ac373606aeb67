//! Whole reports: faults and findings, verdicts, redaction, renderers, schema.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::float_cmp,
    clippy::field_reassign_with_default,
    reason = "tests: helpers may fail, print shares, and state one change to a default"
)]

mod faults;
mod redaction;
mod renderers;
mod schema;
mod verdicts;
