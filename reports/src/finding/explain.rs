//! From a complaint to the findings behind it.

use crate::model::finding::{Complaint, Finding};
use crate::model::report::Report;

/// The findings of a report that explain a complaint, worst first.
pub fn explain(report: &Report, complaint: Complaint) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| finding.complaints.contains(&complaint))
        .collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}
