//! The report for a terminal: the answer first, then what matters, then the figures.

use std::fmt::Write as _;

use super::details::details;
use super::devices::device_lines;
use super::words;
use crate::model::finding::{Finding, Severity};
use crate::model::report::Report;
use crate::model::verdict::{Answer, Band, CapabilityVerdict};

/// How text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// ANSI colors; every colored word says the same without its color.
    pub color: bool,
    /// Columns to wrap at, at least 40.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            color: false,
            width: 80,
        }
    }
}

/// The report as plain text in ASCII, quoted names and units aside, with a newline at the end.
pub fn text(report: &Report, style: Style) -> String {
    let mut page = Page {
        out: String::new(),
        style: Style {
            width: style.width.max(40),
            ..style
        },
    };
    page.answer(report);
    page.devices(report);
    page.findings(report);
    page.capabilities(report);
    for section in details(report) {
        page.heading(section.title);
        page.table(&section.rows);
    }
    page.colophon(report);
    page.out
}

/// These findings alone, as in [`text`].
pub fn findings(findings: &[&Finding], style: Style) -> String {
    let mut page = Page {
        out: String::new(),
        style: Style {
            width: style.width.max(40),
            ..style
        },
    };
    for finding in findings {
        page.finding(finding);
    }
    page.out
}

struct Page {
    out: String,
    style: Style,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    fn paint(&self, color: Color, text: &str) -> String {
        if self.style.color {
            format!("\u{1b}[{}m{text}\u{1b}[0m", color as u8)
        } else {
            text.to_owned()
        }
    }

    fn heading(&mut self, title: &str) {
        self.line("");
        let title = self.paint(Color::Bold, title);
        self.line(&title);
    }

    /// Wrapped text behind a mark, further lines below the text.
    fn hanging(&mut self, mark: &str, indent: usize, text: &str) {
        let text = words::printable(text);
        let width = self.style.width.saturating_sub(indent).max(20);
        let mut lines = wrap(&text, width).into_iter();
        let first = lines.next().unwrap_or_default();
        self.line(&format!("{mark}{first}"));
        for line in lines {
            self.line(&format!("{:indent$}{line}", ""));
        }
    }

    fn answer(&mut self, report: &Report) {
        let answer = report.verdict.answer;
        let color = match answer {
            Answer::Ready => Color::Green,
            Answer::Limited | Answer::Undetermined => Color::Yellow,
            Answer::CannotJoin => Color::Red,
        };
        let word = words::answer(answer);
        let mark = format!("{}  ", self.paint(color, word));
        let indent = word.len() + 2;
        self.hanging(&mark, indent, &report.verdict.headline);
        if let Some(call) = words::call_outlook(report) {
            self.hanging(&" ".repeat(indent), indent, &format!("{}.", call.sentence));
        }
    }

    /// A line for each device.
    fn devices(&mut self, report: &Report) {
        let lines = device_lines(report);
        if !lines.is_empty() {
            self.heading("Your devices");
            self.table(&lines);
        }
    }

    fn findings(&mut self, report: &Report) {
        if report.findings.is_empty() {
            return;
        }
        self.heading("What we found");
        for finding in &report.findings {
            self.finding(finding);
        }
    }

    fn finding(&mut self, finding: &Finding) {
        let color = match finding.severity {
            Severity::Critical => Color::Red,
            Severity::Warning => Color::Yellow,
            Severity::Info => Color::Bold,
        };
        let word = words::severity(finding.severity);
        let mark = format!("  {}{:2$}", self.paint(color, word), "", 9 - word.len());
        self.hanging(&mark, 11, &finding.title);
        for evidence in &finding.evidence {
            self.hanging("           - ", 13, &words::evidence(evidence));
        }
        if let Some(root) = &finding.consequence_of {
            self.hanging("           ", 11, &format!("Follows from {root}."));
        } else {
            self.hanging("           Why: ", 16, &finding.cause);
            self.hanging("           Do:  ", 16, &finding.remedy);
        }
        self.hanging("           ", 11, &format!("[{}]", finding.id));
    }

    fn capabilities(&mut self, report: &Report) {
        self.heading("In the call");
        for verdict in &report.verdict.capabilities {
            let note = words::capability_note(verdict, &report.verdict.capabilities);
            self.capability(verdict, &note);
        }
    }

    fn capability(&mut self, verdict: &CapabilityVerdict, note: &str) {
        let color = match verdict.band {
            Some(Band::Excellent | Band::Good) => Color::Green,
            Some(Band::Fair | Band::Poor) | None => Color::Yellow,
            Some(Band::Fail) => Color::Red,
        };
        let word = words::band(verdict.band);
        let mark = format!(
            "  {:7}{}{:pad$}",
            words::capability(verdict.capability),
            self.paint(color, word),
            "",
            pad = 11 - word.len()
        );
        self.hanging(&mark, 20, note);
    }

    fn table(&mut self, rows: &[(String, String)]) {
        let widest = rows.iter().map(|(name, _)| name.chars().count()).max();
        let column = widest.unwrap_or(0).min(30) + 4;
        for (name, value) in rows {
            self.hanging(&format!("  {name:0$}", column - 2), column, value);
        }
    }

    fn colophon(&mut self, report: &Report) {
        self.heading("This report");
        let shared = if report.redacted {
            "yes, names and addresses are replaced"
        } else {
            "no, it holds names and addresses"
        };
        let mut cost = String::new();
        let (sent, received) = (report.cost.bytes_sent, report.cost.bytes_received);
        // Writing to a string does not fail.
        let _ = write!(
            cost,
            "{}, {sent} sent, {received} received",
            words::run(report)
        );
        let tool = &report.tool;
        let rows = [
            ("id", report.id.clone()),
            ("measured against", words::target(report)),
            ("run", cost),
            ("started", report.started_at.clone()),
            (
                "profile",
                format!("{}: {}", report.profile.name, report.profile.description),
            ),
            ("program", format!("{} {}", tool.name, tool.version)),
            ("safe to share", shared.to_owned()),
        ];
        self.table(&rows.map(|(name, value)| (name.to_owned(), value)));
    }
}

#[derive(Clone, Copy)]
enum Color {
    Bold = 1,
    Red = 31,
    Green = 32,
    Yellow = 33,
}

/// Lines of at most `width` characters where words allow it.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let needed = line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && needed > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wrap_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("", 7), [""]);
        assert_eq!(wrap("unbreakable", 4), ["unbreakable"]);
    }
}
