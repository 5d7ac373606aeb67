//! What people see.

use greenroom_reports::model::report::Report;
use greenroom_reports::render::{self, Style};
use greenroom_reports::samples;
use greenroom_reports::verdict::profile::Profile;

#[test]
fn text() {
    for (name, report) in samples::reports() {
        let text = render::text(&report, Style::default());
        insta::assert_snapshot!(format!("{name}.txt"), text);
    }
}

#[test]
fn markdown() {
    for (name, report) in samples::reports() {
        insta::assert_snapshot!(format!("{name}.md"), render::markdown(&report));
    }
}

#[test]
fn json() {
    for (name, report) in samples::reports() {
        insta::assert_snapshot!(format!("{name}.json"), render::json(&report));
    }
}

#[test]
fn redacted() {
    let (_, report) = samples::reports().swap_remove(0);
    let text = render::text(&report.redacted(), Style::default());
    insta::assert_snapshot!("redacted.txt", text);
}

#[test]
fn the_first_lines_answer() {
    for (name, report) in samples::reports() {
        let text = render::text(&report, Style::default());
        let first: String = text.lines().take(3).collect::<Vec<_>>().join(" ");
        let headline = &report.verdict.headline;
        let start: String = headline.chars().take(40).collect();
        assert!(first.contains(&start), "{name}: {first}");
    }
}

#[test]
fn color_only_adds_escapes() {
    let (_, report) = samples::reports().swap_remove(2);
    let style = Style {
        color: true,
        width: 80,
    };
    let colored = render::text(&report, style);
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, render::text(&report, Style::default()));
}

#[test]
fn a_server_cannot_steer_the_terminal() {
    let (_, mut report) = samples::reports().swap_remove(0);
    report.discovery.data_mut().unwrap().server_version = "\u{1b}[2J| <b>`".to_owned();
    let text = render::text(&report, Style::default());
    assert!(!text.contains('\u{1b}'));
    assert!(!render::markdown(&report).contains(" <b>"));
}

#[test]
fn findings_stand_alone_too() {
    let (_, report) = samples::reports().swap_remove(2);
    let style = Style::default();
    let found: Vec<_> = report.findings.iter().collect();
    let alone = render::text::findings(&found, style);
    assert!(render::text(&report, style).contains(&alone));
}

#[test]
fn text_fits_its_width() {
    for (name, report) in samples::reports() {
        for line in render::text(&report, Style::default()).lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
}

/// The findings of faults that no sample report has, as a person reads them.
#[test]
fn findings() {
    let mut model = samples::PathModel::default();
    model.packets = 250;
    model.up.loss.ratio = 0.08;
    model.up.loss.mean_burst = 5.0;
    model.down.jitter_ms = 220.0;
    model.down.duplicated = 0.1;
    model.up.black_hole_bytes = Some(1000);
    model.outage = Some((60, 40));
    let mut run = samples::run_over(&model, 3);
    run.system.data_mut().unwrap().cpu.usable_cores = 1;
    let report = Report::assemble(run, Profile::default_profile());
    let text = render::text(&report, Style::default());
    let first_screens = text.split("\nNetwork path\n").next().unwrap();
    insta::assert_snapshot!("many_faults.txt", first_screens);
}
