//! The report as a file: its JSON schema, and reading.

use serde_json::Value;

use crate::model::report::{Report, SCHEMA_VERSION};

/// The JSON schema (draft 2020-12) of the report that this version writes.
pub fn report_schema() -> Value {
    schemars::schema_for!(Report).to_value()
}

/// Why a report cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The text is no JSON.
    #[error("cannot read the report: no valid JSON at line {line}, column {column}: {message}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// The JSON has no `schema_version`.
    #[error("cannot read the report: it has no `schema_version`, so it is no Greenroom report")]
    NoReport,
    /// A later program wrote it.
    #[error(
        "cannot read the report: it has schema version {found}, and this program reads up to \
         {supported}; update this program"
    )]
    Newer {
        /// Version of the report.
        found: u64,
        /// Newest version that this program reads.
        supported: u32,
    },
    /// A value is missing or wrong.
    #[error(
        "cannot read the report: `{path}` at line {line}, column {column} is not as expected: \
         {message}"
    )]
    Malformed {
        /// Path of keys to the value.
        path: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
}

/// Reads a report of this or an earlier schema version; unknown keys are ignored.
///
/// # Errors
///
/// See [`ReadError`].
pub fn read_report(text: &str) -> Result<Report, ReadError> {
    let value: Value = serde_json::from_str(text).map_err(|error| ReadError::Syntax {
        line: error.line(),
        column: error.column(),
        message: without_position(&error),
    })?;
    match value.get("schema_version").and_then(Value::as_u64) {
        None => return Err(ReadError::NoReport),
        Some(found) if found > u64::from(SCHEMA_VERSION) => {
            return Err(ReadError::Newer {
                found,
                supported: SCHEMA_VERSION,
            });
        }
        Some(_) => {}
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        ReadError::Malformed {
            path,
            line: inner.line(),
            column: inner.column(),
            message: without_position(&inner),
        }
    })
}

/// The message alone, since position has fields of its own.
fn without_position(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    message
        .strip_suffix(&position)
        .unwrap_or(&message)
        .to_owned()
}
