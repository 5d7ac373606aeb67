//! Entry points for fuzzing: none may panic, whatever the bytes.

use crate::render::{self, Style};
use crate::schema::read_report;
use crate::verdict::profile::Profile;

/// Reads a report, and judges, redacts and renders it when it is one.
pub fn report_json(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(report) = read_report(text) {
        let report = report.judged_by(report.profile.clone()).redacted();
        render::text(&report, Style::default());
        render::markdown(&report);
        render::json(&report);
    }
}

/// Reads a profile.
pub fn profile_toml(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        // Only that it returns matters.
        let _ = Profile::from_toml(text);
    }
}
