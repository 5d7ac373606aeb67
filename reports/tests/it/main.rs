//! Whole reports: faults and findings, verdicts, redaction, renderers, schema.

mod faults;
mod redaction;
mod renderers;
mod schema;
mod verdicts;
