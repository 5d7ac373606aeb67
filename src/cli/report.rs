//! `greenroom report`.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::Context;
use greenroom_reports::finding::explain;
use greenroom_reports::model::finding::Complaint;
use greenroom_reports::model::report::Report;
use greenroom_reports::render::markdown::markdown;
use greenroom_reports::render::text::{findings, text};
use greenroom_reports::schema::read_report;
use greenroom_reports::verdict::exit_code;

use super::args::ReportCommand;
use super::output;

/// Runs one of the commands.
pub(super) fn run(command: ReportCommand) -> anyhow::Result<u8> {
    match command {
        ReportCommand::Show {
            file,
            markdown,
            profile,
        } => show(&file, markdown, profile.as_deref()),
        ReportCommand::Validate { file } => validate(&file),
        ReportCommand::Explain { file, complaint } => explain_complaint(&file, complaint.into()),
    }
}

fn load(file: &Path) -> anyhow::Result<Report> {
    let text = output::read(file)?;
    read_report(&text).with_context(|| output::name(file))
}

fn show(file: &Path, as_markdown: bool, profile: Option<&str>) -> anyhow::Result<u8> {
    let mut report = load(file)?;
    if let Some(name) = profile {
        report = report.judged_by(output::load_profile(name)?);
    }
    let style = output::style(std::io::stdout().is_terminal());
    let shown = if as_markdown {
        markdown(&report)
    } else {
        text(&report, style)
    };
    output::print(&shown)?;
    Ok(report.verdict.answer.exit_code())
}

/// Valid means: it can be read, and its verdict and findings are those of its figures and profile.
fn validate(file: &Path) -> anyhow::Result<u8> {
    let report = load(file)?;
    let again = report.judged_by(report.profile.clone());
    if again.verdict == report.verdict && again.findings == report.findings {
        let version = report.schema_version;
        output::print(&format!(
            "valid: schema version {version}, verdict follows from the figures\n"
        ))?;
        return Ok(exit_code::READY);
    }
    output::print(&format!(
        "not valid: the report says {:?}, its figures and profile give {:?}. It was edited, or \
         written by {} {}, which judges otherwise than this program.\n",
        report.verdict.headline, again.verdict.headline, report.tool.name, report.tool.version
    ))?;
    Ok(exit_code::FAILURE)
}

fn explain_complaint(file: &Path, complaint: Complaint) -> anyhow::Result<u8> {
    let report = load(file)?;
    let found = explain(&report, complaint);
    if found.is_empty() {
        output::print("Nothing in this report explains the complaint.\n")?;
        return Ok(exit_code::READY);
    }
    let style = output::style(std::io::stdout().is_terminal());
    output::print(&findings(&found, style))?;
    Ok(exit_code::READY)
}
