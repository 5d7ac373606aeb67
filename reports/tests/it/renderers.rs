//! What people see.

use greenroom_reports::model::microphone::{ClockDrift, MainsHum};
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::report::Report;
use greenroom_reports::model::speaker::LoopResult;
use greenroom_reports::render::{self, Style};
use greenroom_reports::samples::{self, PathModel};
use greenroom_reports::units::{Dbfs, Millis, Ratio};
use greenroom_reports::verdict::assemble::Run;
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
fn what_a_call_could_carry_is_not_told_where_none_can_be_joined() {
    let mut run = samples::run_over(&PathModel::default(), 1);
    let told = |run: &Run| {
        let report = Report::assemble(run.clone(), Profile::default_profile());
        let text = render::text(&report, Style::default());
        text.contains("screen share fine")
            || render::markdown(&report).contains("screen share fine")
    };
    assert!(told(&run));
    run.path = Outcome::Partial {
        data: run.path.data().unwrap().clone(),
        reason: Reason::new(ReasonCode::ServerVanished, "no answer since 2.0 s"),
    };
    assert!(!told(&run));
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
    let mut model = PathModel::default();
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

/// The line of a device in a report whose run was changed so.
fn device_line(name: &str, change: impl FnOnce(&mut Run)) -> String {
    let mut run = samples::run_over(&PathModel::default(), 1);
    change(&mut run);
    let report = Report::assemble(run, Profile::default_profile());
    let style = Style {
        width: 200,
        ..Style::default()
    };
    let text = render::text(&report, style);
    let mut lines = text.split("\nYour devices\n").nth(1).unwrap().lines();
    let line = lines.find_map(|line| line.trim().strip_prefix(name));
    line.unwrap().trim().to_owned()
}

#[test]
fn each_device_has_a_line_that_says_what_it_does() {
    let camera = |change: fn(&mut Run)| device_line("camera", change);
    let fine = camera(|_| {});
    assert_eq!(fine, "HD Pro Webcam C920, 1280x720 at 30.0 fps");
    let none = camera(|run| run.camera = samples::blocked(ReasonCode::NoDevice, "no"));
    assert_eq!(none, "none on this machine");
    let left_out = camera(|run| {
        run.camera = Outcome::not_run(ReasonCode::NotSelected, "left out by the user");
    });
    assert_eq!(left_out, "not checked: left out by the user");
    let made = camera(|run| {
        let camera = run.camera.data_mut().unwrap();
        camera.device.is_synthetic = true;
        camera.frame_rate = None;
    });
    assert_eq!(made, "HD Pro Webcam C920 (made by this program), 1280x720");
    let gone = camera(|run| {
        run.camera = Outcome::Partial {
            data: samples::camera(),
            reason: Reason::new(ReasonCode::DeviceVanished, "C920 went away"),
        };
    });
    assert_eq!(
        gone,
        "HD Pro Webcam C920, 1280x720 at 30.0 fps; C920 went away"
    );
    let muted = device_line("microphone", |run| {
        let mixer = run.microphone.data_mut().unwrap().mixer.as_mut();
        mixer.unwrap().is_muted = true;
    });
    assert_eq!(muted, "Yeti Stereo Microphone, muted");
    let unheard = device_line("speaker", |run| {
        let speaker = run.speaker.data_mut().unwrap();
        speaker.acoustic_loop.as_mut().unwrap().result = LoopResult::NotHeard;
    });
    assert_eq!(
        unheard,
        "Built-in Audio Analog Stereo, not heard by the microphone"
    );
}

#[test]
fn a_report_from_before_devices_has_no_lines_for_them() {
    let run = samples::run_over(&PathModel::default(), 1);
    let run = samples::before_devices(run);
    let report = Report::assemble(run, Profile::default_profile());
    let text = render::text(&report, Style::default());
    assert!(!text.contains("Your devices") && !text.contains("\nCamera\n"));
}

/// Every finding about devices as a person reads it, with its evidence.
#[test]
fn device_findings() {
    let mut run = samples::run_over(&PathModel::default(), 1);
    let camera = run.camera.data_mut().unwrap();
    camera.frames_corrupt = 9;
    camera.picture.as_mut().unwrap().is_blurred = Some(true);
    camera.picture.as_mut().unwrap().sharpness = Some(0.012);
    camera.picture.as_mut().unwrap().is_frozen = Some(true);
    let microphone = run.microphone.data_mut().unwrap();
    microphone.clipped_runs = 214;
    microphone.clipped_ratio = Ratio::new(0.021);
    microphone.speech_level_dbfs = Dbfs::new(-7.9);
    microphone.hum = Some(MainsHum {
        fundamental_hz: 50.0,
        level_dbfs: Dbfs::new(-41.3).unwrap(),
        above_surroundings_db: 27.2,
    });
    microphone.snr_db = Some(11.4);
    microphone.dc_offset = Some(0.043);
    microphone.is_narrow_band = Some(true);
    microphone.dead_channels = vec![1];
    microphone.stream.xruns = 40;
    microphone.stream.longest_gap_ms = Millis::new(730.0);
    microphone.drift = Some(ClockDrift {
        drift_ppm: -81_240.0,
        low_ppm: -81_400.0,
        high_ppm: -81_080.0,
    });
    let speaker = run.speaker.data_mut().unwrap();
    speaker.mixer.as_mut().unwrap().is_muted = true;
    speaker.acoustic_loop.as_mut().unwrap().result = samples::heard(240.0, 3.2);
    let report = Report::assemble(run, Profile::default_profile());
    let text = render::text(&report, Style::default());
    let first_screens = text.split("\nNetwork path\n").next().unwrap();
    insta::assert_snapshot!("device_faults.txt", first_screens);
}
