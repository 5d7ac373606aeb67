//! `greenroom schema`.

use greenroom_reports::schema::report_schema;
use greenroom_reports::verdict::exit_code;

use super::output;

/// Prints the schema.
pub(super) fn run() -> anyhow::Result<u8> {
    let schema = serde_json::to_string_pretty(&report_schema())?;
    output::print(&format!("{schema}\n"))?;
    Ok(exit_code::READY)
}
