//! Asks for the discovery document and maps what came of it.

use greenroom_reports::model::discovery::DiscoverySection;
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::sensitive::Sensitive;
use greenroom_session::dial::base_url::BaseUrl;
use greenroom_session::dial::dialer::Dialer;
use greenroom_session::dial::discovery::Discovered;
use greenroom_session::dial::error::DialError;

use crate::cancel::Cancel;

/// What came of it: the section, and the server for the probes that follow.
#[derive(Debug)]
pub struct Found {
    /// For the report.
    pub outcome: Outcome<DiscoverySection>,
    /// For the probes that measure against the server.
    pub server: Option<Discovered>,
}

/// Asks the server at `base`.
///
/// # Cancel safety
/// On `cancel` it returns at once. Dropping the future closes the connection.
pub async fn run(dialer: &Dialer, base: &BaseUrl, cancel: &Cancel) -> Found {
    let answer = tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        answer = dialer.discover(base) => Some(answer),
    };
    match answer {
        None => Found {
            outcome: Outcome::NotRun {
                reason: cancel.reason(),
            },
            server: None,
        },
        Some(Ok(server)) => Found {
            outcome: Outcome::Measured {
                data: section(base, &server),
            },
            server: Some(server),
        },
        Some(Err(error)) => Found {
            outcome: Outcome::Blocked {
                reason: reason(error),
            },
            server: None,
        },
    }
}

fn section(base: &BaseUrl, server: &Discovered) -> DiscoverySection {
    let preset = server.document.preset.as_ref();
    let direct = server
        .peer
        .filter(|peer| server.measure_addresses.iter().any(|a| a.ip() == peer.ip()));
    DiscoverySection {
        host: Sensitive::new(base.host()),
        port: base.port(),
        address: direct.map(|peer| Sensitive::from(peer.ip())),
        tls: base.is_tls(),
        elapsed_ms: server.elapsed.into(),
        server_version: server.document.version.clone(),
        clock_offset: Some(server.clock_offset),
        preset: preset.map(|preset| preset.name.clone()),
        support_contact: preset.and_then(|preset| preset.support_contact.clone()),
    }
}

fn reason(error: DialError) -> Reason {
    let code = match error.kind {
        // A server that answers with a refusal of HTTP itself is refused all the same.
        ReasonCode::Other => ReasonCode::NotGreenroom,
        code => code,
    };
    Reason::new(code, error.explanation)
}
