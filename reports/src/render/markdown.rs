//! The report for a ticket.

use super::details::details;
use super::devices::device_lines;
use super::words;
use crate::model::finding::Finding;
use crate::model::report::Report;

/// The report as Markdown: the answer, what was found, and the figures in tables.
pub fn markdown(report: &Report) -> String {
    let verdict = &report.verdict;
    let mut blocks = vec![format!(
        "# {}\n\n{}",
        words::answer(verdict.answer),
        escaped(&verdict.headline)
    )];
    if let Some(call) = words::call_outlook(report) {
        blocks.push(format!("{}.", escaped(&call.sentence)));
    }
    let devices = device_lines(report);
    if !devices.is_empty() {
        blocks.push(table("Your devices", &devices));
    }
    if !report.findings.is_empty() {
        blocks.push("## What we found".to_owned());
        blocks.extend(report.findings.iter().map(finding));
    }
    let capabilities = verdict.capabilities.iter().map(|c| {
        let note = words::capability_note(c, &verdict.capabilities);
        let name = words::capability(c.capability);
        format!("| {name} | {} | {} |", words::band(c.band), cell(&note))
    });
    let head = "## In the call\n\n| | verdict | why |\n|---|---|---|".to_owned();
    blocks.push(lines([head].into_iter().chain(capabilities)));
    for section in details(report) {
        blocks.push(table(section.title, &section.rows));
    }
    blocks.push(table("This report", &colophon(report)));
    blocks.join("\n\n") + "\n"
}

fn finding(finding: &Finding) -> String {
    let heading = format!(
        "### {}: {} (`{}`)\n",
        words::severity(finding.severity),
        finding.title,
        finding.id
    );
    let evidence = finding.evidence.iter();
    let evidence = evidence.map(|e| format!("- {}", escaped(&words::evidence(e))));
    let advice = match &finding.consequence_of {
        Some(root) => format!("\nFollows from `{root}`."),
        None => format!("\n**Why:** {}\n\n**Do:** {}", finding.cause, finding.remedy),
    };
    lines([heading].into_iter().chain(evidence).chain([advice]))
}

fn colophon(report: &Report) -> Vec<(String, String)> {
    let shared = if report.redacted { "yes" } else { "no" };
    [
        ("id", report.id.clone()),
        ("measured against", words::target(report)),
        ("run", words::run(report)),
        ("started", report.started_at.clone()),
        ("profile", report.profile.name.clone()),
        (
            "program",
            format!("{} {}", report.tool.name, report.tool.version),
        ),
        ("names and addresses replaced", shared.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn table(title: &str, rows: &[(String, String)]) -> String {
    let head = format!("## {title}\n\n| | |\n|---|---|");
    let rows = rows.iter();
    let rows = rows.map(|(name, value)| format!("| {} | {} |", cell(name), cell(value)));
    lines([head].into_iter().chain(rows))
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<String>>().join("\n")
}

/// Text that stays in its table cell.
fn cell(text: &str) -> String {
    escaped(text).replace('\n', " ")
}

/// Text whose characters mean themselves: reports quote servers and systems.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in words::printable(text).chars() {
        if matches!(c, '|' | '<' | '>' | '`' | '*' | '[' | ']' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
