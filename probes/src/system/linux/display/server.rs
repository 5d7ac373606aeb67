//! Finds the display server that answers.

#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::time::{Duration, Instant};

use greenroom_reports::model::system::{Display, DisplayServer, ScreenCapture};

use super::super::super::probe::SystemConfig;
use super::super::super::root::Environment;
use super::{portal, wayland, x11};

/// Connects to the display server, and asks it or the desktop's portal whether the screen can be
/// captured.
pub(in crate::system) async fn read_display(config: SystemConfig) -> Display {
    let until = Instant::now() + config.deadline.saturating_sub(RESERVE);
    let portal = || {
        let left = until.saturating_duration_since(Instant::now());
        portal::ask_portal(&config.environment, config.portal_timeout.min(left))
    };
    match find_server_until(&config, until).await {
        Found::Wayland => Display {
            server: DisplayServer::Wayland,
            screen_capture: portal().await,
        },
        Found::X11 { capture: Ok(()) } => Display {
            server: DisplayServer::X11,
            screen_capture: ScreenCapture::Available {
                interface: "X11 root window".to_owned(),
            },
        },
        Found::X11 {
            capture: Err(reason),
        } => Display {
            server: DisplayServer::X11,
            screen_capture: match portal().await {
                ScreenCapture::Unavailable { .. } => ScreenCapture::Unavailable { reason },
                told => told,
            },
        },
        Found::None(attempts) => Display {
            server: DisplayServer::None,
            screen_capture: ScreenCapture::Unavailable {
                reason: format!("no display server answers: {}", attempts.join("; ")),
            },
        },
    }
}

/// What is kept of the deadline for the answer to reach the section.
const RESERVE: Duration = Duration::from_millis(50);

/// Looks for the server on a thread of its own. Each step there is bounded but one: the look-up of
/// a host that `DISPLAY` names.
async fn find_server_until(config: &SystemConfig, until: Instant) -> Found {
    let (environment, timeout) = (config.environment.clone(), config.server_timeout);
    let found = tokio::task::spawn_blocking(move || find_server(&environment, timeout, until));
    match tokio::time::timeout_at(until.into(), found).await {
        Ok(Ok(found)) => found,
        Ok(Err(_panic)) => Found::None(vec!["looking for it broke off".to_owned()]),
        Err(_elapsed) => Found::None(vec!["no answer in time".to_owned()]),
    }
}

enum Found {
    Wayland,
    X11 {
        capture: Result<(), String>,
    },
    /// What was tried, and how each failed.
    None(Vec<String>),
}

/// Wayland first: a Wayland desktop runs an X11 server beside it, which sees only its own windows.
///
/// Each server has `timeout`, and both together until `until`.
fn find_server(environment: &Environment, timeout: Duration, until: Instant) -> Found {
    let mut attempts = Vec::new();
    if let Some(path) = wayland::socket_path(environment) {
        match wayland::round_trip(&path, timeout) {
            Ok(()) => return Found::Wayland,
            Err(error) => attempts.push(format!("Wayland: {error}")),
        }
    }
    if let Some(name) = environment.get("DISPLAY") {
        match x11::connect_and_read(name, until.min(Instant::now() + timeout)) {
            Ok(capture) => return Found::X11 { capture },
            Err(reason) => attempts.push(format!("X11: {reason}")),
        }
    }
    if attempts.is_empty() {
        attempts.push("neither WAYLAND_DISPLAY nor DISPLAY is set".to_owned());
    }
    Found::None(attempts)
}
