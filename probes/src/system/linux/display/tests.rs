//! The display reader against real servers: Xvfb, and a portal on a bus of its own.
//!
//! They need the programs `Xvfb` and `dbus-daemon`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use greenroom_reports::model::system::{DisplayServer, ScreenCapture};
use zbus::connection::Builder;

use super::super::super::probe::SystemConfig;
use super::super::super::root::Environment;
use super::portal::ask_portal;
use super::read_display;

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server and returns the line by which it says that it is ready.
fn start(program: &str, arguments: &[&str]) -> (Server, String) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("this test needs the program {program}: {error}"));
    let output = child.stdout.take().unwrap();
    let server = Server(child);
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).unwrap();
    (server, line.trim().to_owned())
}

fn config(environment: Environment) -> SystemConfig {
    SystemConfig {
        environment,
        ..SystemConfig::default()
    }
}

#[tokio::test]
async fn an_x11_server_shows_its_screen() {
    let (_server, number) = start("Xvfb", &["-ac", "-nolisten", "tcp", "-displayfd", "1"]);
    let environment = [("DISPLAY", format!(":{number}"))].into_iter().collect();
    let display = read_display(config(environment)).await;
    assert_eq!(display.server, DisplayServer::X11);
    assert!(
        matches!(display.screen_capture, ScreenCapture::Available { .. }),
        "{display:?}"
    );
}

#[tokio::test]
async fn an_x11_server_that_turns_us_away_is_there_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let cookies = directory.path().join("cookies");
    // One entry for every display, which we do not have: family, address, number, name, data.
    let mut entry = vec![0xff, 0xff];
    for field in [&b""[..], b"", b"MIT-MAGIC-COOKIE-1", b"sixteen bytes of"] {
        entry.extend(u16::try_from(field.len()).unwrap().to_be_bytes());
        entry.extend(field);
    }
    std::fs::write(&cookies, entry).unwrap();
    let cookies = cookies.to_str().unwrap();
    let (_server, number) = start(
        "Xvfb",
        &["-auth", cookies, "-nolisten", "tcp", "-displayfd", "1"],
    );
    let environment = [("DISPLAY", format!(":{number}"))].into_iter().collect();
    let display = read_display(config(environment)).await;
    assert_eq!(display.server, DisplayServer::X11, "{display:?}");
    assert!(
        matches!(display.screen_capture, ScreenCapture::Unavailable { .. }),
        "{display:?}"
    );
}

/// A portal with what we ask of it: its version.
struct Portal(u32);

#[zbus::interface(name = "org.freedesktop.portal.ScreenCast")]
impl Portal {
    #[zbus(property, name = "version")]
    fn version(&self) -> u32 {
        self.0
    }
}

/// A portal without screen capture.
struct Poor;

#[zbus::interface(name = "org.freedesktop.portal.Settings")]
impl Poor {}

/// A session bus without services to start.
fn start_bus() -> (Server, String, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let rules = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"#;
    let file = directory.path().join("bus.conf");
    std::fs::write(&file, rules).unwrap();
    let file = format!("--config-file={}", file.display());
    let (server, address) = start("dbus-daemon", &[&file, "--nofork", "--print-address"]);
    (server, address, directory)
}

async fn asked(address: &str) -> ScreenCapture {
    let environment = [("DBUS_SESSION_BUS_ADDRESS", address)]
        .into_iter()
        .collect();
    ask_portal(&environment, std::time::Duration::from_secs(5)).await
}

#[tokio::test]
async fn a_portal_tells_by_its_version_that_it_captures_the_screen() {
    let (_server, address, _directory) = start_bus();
    let told = asked(&address).await;
    assert!(
        matches!(&told, ScreenCapture::Unavailable { reason } if reason.contains("not installed")),
        "{told:?}"
    );

    let portal = Builder::address(address.as_str())
        .name("org.freedesktop.portal.Desktop")
        .serve_at("/org/freedesktop/portal/desktop", Poor)
        .build()
        .await
        .unwrap();
    let told = asked(&address).await;
    assert!(
        matches!(&told, ScreenCapture::Unavailable { reason } if reason.contains("no backend")),
        "{told:?}"
    );

    portal
        .object_server()
        .at("/org/freedesktop/portal/desktop", Portal(5))
        .await
        .unwrap();
    let interface = "xdg-desktop-portal ScreenCast 5".to_owned();
    assert_eq!(
        asked(&address).await,
        ScreenCapture::Available { interface }
    );
}
