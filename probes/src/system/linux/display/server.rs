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
    let (environment, timeout) = (config.environment.clone(), config.server_timeout);
    let found = tokio::task::spawn_blocking(move || find_server(&environment, timeout)).await;
    let found =
        found.unwrap_or_else(|_defect| Found::None(vec!["looking for it failed".to_owned()]));
    let portal = || portal::ask_portal(&config.environment, config.portal_timeout);
    match found {
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

enum Found {
    Wayland,
    X11 {
        capture: Result<(), String>,
    },
    /// What was tried, and how each failed.
    None(Vec<String>),
}

/// Wayland first: a Wayland desktop runs an X11 server beside it, which sees only its own windows.
fn find_server(environment: &Environment, timeout: Duration) -> Found {
    let mut attempts = Vec::new();
    match wayland::socket_path(environment) {
        None => attempts.push("WAYLAND_DISPLAY is not set".to_owned()),
        Some(path) => match wayland::round_trip(&path, timeout) {
            Ok(()) => return Found::Wayland,
            Err(error) => attempts.push(format!("Wayland: {error}")),
        },
    }
    match environment.get("DISPLAY") {
        None => attempts.push("DISPLAY is not set".to_owned()),
        Some(name) => match x11::connect_and_read(name, Instant::now() + timeout) {
            Ok(capture) => return Found::X11 { capture },
            Err(reason) => attempts.push(format!("X11: {reason}")),
        },
    }
    Found::None(attempts)
}
