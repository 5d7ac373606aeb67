//! The report for programs.

use crate::model::report::Report;

/// The report as indented JSON with keys in the order of the schema, and a newline at the end.
pub fn json(report: &Report) -> String {
    // The model has neither maps with foreign keys nor numbers that JSON lacks.
    let text = serde_json::to_string_pretty(report).unwrap_or_default();
    text + "\n"
}
