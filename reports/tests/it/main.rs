//! Whole reports: faults and findings, verdicts, redaction, renderers, schema.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::float_cmp,
    clippy::field_reassign_with_default,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests: helpers may fail, print shares, and state one change to a default"
)]

mod bandwidth;
mod devices;
mod faults;
mod reachability;
mod redaction;
mod renderers;
mod schema;
mod verdicts;
