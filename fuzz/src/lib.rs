//! One function for each decoder. None may panic or loop, whatever the bytes.

use std::fs;

use greenroom_probes::event::Event;
use greenroom_probes::fold::Fold;
use greenroom_protocol::discovery::Discovery;
use greenroom_reports::render::{self, Style};
use greenroom_server::{ServeConfig, ServeOverrides};
use greenroom_session::dial::base_url::BaseUrl;

pub use greenroom_protocol::fuzzing::{
    client_input as client, datagram, responder_input as responder,
};
pub use greenroom_reports::fuzzing::{profile_toml as profile, report_json as report};

/// A discovery document, as a client reads it and asks for the URLs in it.
pub fn discovery(bytes: &[u8]) {
    let Ok(document) = serde_json::from_slice::<Discovery>(bytes) else {
        return;
    };
    if let Ok(base) = BaseUrl::parse("https://probe.example/below") {
        let joined = base.join(&document.measure.websocket_path);
        assert_eq!(joined.host_str(), Some("probe.example"));
    }
    let again = serde_json::to_vec(&document).unwrap_or_default();
    assert_eq!(
        serde_json::from_slice::<Discovery>(&again).ok(),
        Some(document)
    );
}

/// A recorded stream of events, one a line, as a replay folds and shows it.
pub fn events(bytes: &[u8]) {
    let mut fold = Fold::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(event) = serde_json::from_slice::<Event>(line) {
            fold.apply(&event);
        }
    }
    if let Some(report) = fold.report() {
        render::text(&report, Style::default());
        render::json(&report.redacted());
    }
}

/// A server's configuration file.
pub fn serve_config(bytes: &[u8]) {
    // Other files that it names are not the fuzzer's to choose.
    let names_a_file = bytes.windows(12).any(|word| word == b"profile_file");
    let Ok(file) = tempfile::NamedTempFile::new() else {
        return;
    };
    if !names_a_file
        && fs::write(file.path(), bytes).is_ok()
        && let Err(error) = ServeConfig::resolve(Some(file.path()), ServeOverrides::default())
    {
        assert!(!error.to_string().is_empty());
    }
}
