//! Nothing sensitive is left in a report that is meant to be shared.

use greenroom_reports::model::finding::EvidenceValue;
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::report::{Report, Target};
use greenroom_reports::model::sensitive::{Sensitive, SensitiveKind};
use greenroom_reports::model::system::{Proxy, ScreenCapture};
use greenroom_reports::redact::Redactor;
use greenroom_reports::render::{self, Style};
use greenroom_reports::samples::{self, PathModel};
use greenroom_reports::verdict::profile::Profile;

/// A report in which every sensitive value is a marker of its own, quoted in texts as well.
fn marked() -> (Report, Vec<String>) {
    let mut run = samples::run_over(&PathModel::default(), 1);
    run.request.target = Target::Server {
        url: Sensitive::new("https://user:pw@markhost0.example:8443/secret?token=markpath"),
    };
    let system = run.system.data_mut().unwrap();
    system.proxy = Some(Proxy {
        host: Sensitive::new("filled below"),
        port: Some(3128),
        source: "https_proxy".to_owned(),
    });
    let mut report = Report::assemble(run, Profile::default_profile());
    let mut markers = vec!["markhost0.example".to_owned(), "markpath".to_owned()];
    report.visit_sensitive(&mut |kind, value| {
        if kind != SensitiveKind::Url {
            let marker = match kind {
                SensitiveKind::Address => format!("198.51.100.{}", 100 + markers.len()),
                _ => format!("markhost{}.example", markers.len()),
            };
            value.replace(marker.clone());
            markers.push(marker);
        }
    });
    // Judge again, so that evidence quotes the markers; then quote them everywhere.
    let mut report = report.judged_by(Profile::default_profile());
    let quote = markers.join(" and ");
    report.visit_text(&mut |text| *text = format!("{text} near {quote}."));
    (report, markers)
}

fn renderings(report: &Report) -> String {
    let color = Style {
        color: true,
        width: 100,
    };
    render::text(report, Style::default())
        + &render::text(report, color)
        + &render::markdown(report)
        + &render::json(report)
}

#[test]
fn no_sensitive_value_survives_in_any_rendering() {
    let (report, markers) = marked();
    let before = renderings(&report);
    let after = renderings(&report.redacted());
    for marker in markers {
        assert!(
            marker == "markpath" || before.contains(&marker),
            "{marker} was never there"
        );
        assert!(
            marker == "markpath" || !after.contains(&marker),
            "{marker} survived"
        );
    }
    assert!(!after.contains("token=") && !after.contains("user:pw"));
}

#[test]
fn every_text_is_visited() {
    let (mut report, _) = marked();
    report.path = Outcome::Partial {
        data: report.path.data().unwrap().clone(),
        reason: Reason::new(ReasonCode::Cancelled, "stopped at markhost0.example"),
    };
    report.throughput = Outcome::Blocked {
        reason: Reason::new(ReasonCode::NoAnswer, "markhost0.example stayed silent"),
    };
    let system = report.system.data_mut().unwrap();
    system.display.screen_capture = ScreenCapture::Unavailable {
        reason: "markhost0.example".to_owned(),
    };
    system.requirements.video.reasons = vec!["markhost0.example".to_owned()];
    for finding in &mut report.findings {
        finding.evidence[0].value = EvidenceValue::Text("markhost0.example".to_owned());
    }
    let json = render::json(&report.redacted());
    assert!(!json.contains("markhost0"), "{json}");
}

#[test]
fn models_versions_and_the_support_contact_stay() {
    let (report, _) = marked();
    let json = render::json(&report.redacted());
    for kept in [
        "AMD Ryzen 5 PRO 7540U",
        "6.12.9",
        "help@example.org",
        "wlan0",
    ] {
        assert!(json.contains(kept), "{kept}");
    }
}

#[test]
fn one_address_has_one_pseudonym_everywhere() {
    let (_, report) = samples::reports().swap_remove(0);
    let redacted = report.redacted();
    let address = redacted.discovery.data().unwrap().address.clone().unwrap();
    assert_eq!(redacted.path.data().unwrap().remote, address);
    assert!(redacted.redacted);
    assert_eq!(redacted.redacted(), redacted);
}

#[test]
fn a_redacted_report_is_judged_as_it_says() {
    for (name, report) in samples::reports() {
        let redacted = report.redacted();
        let again = redacted.judged_by(redacted.profile.clone());
        assert_eq!(again, redacted, "{name}");
    }
    let (report, _) = marked();
    let report = report.judged_by(Profile::default_profile()).redacted();
    assert_eq!(report.judged_by(report.profile.clone()), report);
}

#[test]
fn a_report_can_share_the_pseudonyms_of_its_events() {
    let (_, report) = samples::reports().swap_remove(0);
    let mut redactor = Redactor::default();
    redactor.learn(SensitiveKind::Address, "192.168.1.23");
    let redacted = report.redacted_with(&mut redactor);
    let system = redacted.system.data().unwrap();
    assert_eq!(system.interfaces[0].addresses[0].as_str(), "addr-1-private");
    assert_eq!(redacted.path.data().unwrap().remote.as_str(), "addr-2");
}

#[test]
fn events_are_redacted_like_the_report() {
    let (_, report) = samples::reports().swap_remove(0);
    let mut redactor = Redactor::collect(&report);
    let mut event = serde_json::json!({
        "kind": "probe_started",
        "message": "asking call.example.org at 203.0.113.9:8443",
    });
    redactor.apply_json(&mut event);
    assert_eq!(event["message"], "asking host-1 at addr-1:8443");
}

#[test]
fn ids_of_devices_become_serials_and_their_names_stay() {
    let (_, report) = samples::reports().swap_remove(0);
    let redacted = report.redacted();
    let json = render::json(&redacted);
    for id in [
        "usb-046d:082d-1A2B3C4D",
        "alsa_input.usb",
        "alsa_output.pci",
    ] {
        assert!(
            render::json(&report).contains(id) && !json.contains(id),
            "{id}"
        );
    }
    for name in [
        "HD Pro Webcam C920",
        "Yeti Stereo Microphone",
        "v4l2",
        "MJPG",
    ] {
        assert!(json.contains(name), "{name}");
    }
    // The microphone that listened to the speaker is the one that was judged.
    let speaker = redacted.speaker.data().unwrap();
    let listener = &speaker.acoustic_loop.as_ref().unwrap().microphone;
    assert_eq!(listener.id, redacted.microphone.data().unwrap().device.id);
}

#[test]
fn what_a_device_says_of_itself_is_visited() {
    let mut run = samples::run_over(&PathModel::default(), 1);
    let camera = run.camera.data_mut().unwrap();
    camera.device.fallback = Some("there is no camera usb-046d:082d-1A2B3C4D".to_owned());
    camera.device.name = "Door camera at 192.0.2.77".to_owned();
    run.microphone = samples::blocked(
        ReasonCode::DeviceBusy,
        "cannot open usb-046d:082d-1A2B3C4D: firefox uses it",
    );
    let report = Report::assemble(run, Profile::default_profile()).redacted();
    let all = renderings(&report);
    assert!(
        !all.contains("1A2B3C4D") && !all.contains("192.0.2.77"),
        "{all}"
    );
    assert_eq!(report.judged_by(report.profile.clone()), report);
}

#[test]
fn an_id_that_is_an_everyday_word_does_not_spoil_texts() {
    let mut run = samples::run_over(&PathModel::default(), 1);
    run.camera.data_mut().unwrap().device.id = Sensitive::new("0");
    run.speaker.data_mut().unwrap().device.id = Sensitive::new("default");
    let report = Report::assemble(run, Profile::default_profile()).redacted();
    let text = render::text(&report, Style::default());
    assert!(text.contains("the system's default"), "{text}");
    assert!(text.contains("0 dropped"), "{text}");
    let ids = [
        &report.camera.data().unwrap().device.id,
        &report.speaker.data().unwrap().device.id,
    ];
    assert!(ids.iter().all(|id| id.as_str().starts_with("serial-")));
}

#[test]
fn devices_in_events_lose_their_ids() {
    let mut event = serde_json::json!({
        "kind": "sample",
        "device": { "id": "default", "name": "C920", "backend": "v4l2" },
        "finding": { "id": "device.camera.black" },
    });
    Redactor::default().apply_json(&mut event);
    assert_eq!(event["device"]["id"], "serial-1");
    assert_eq!(event["device"]["name"], "C920");
    assert_eq!(event["finding"]["id"], "device.camera.black");
}
