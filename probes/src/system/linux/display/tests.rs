//! The display reader against real servers: Xvfb, and a portal on a bus of its own.
//!
//! They need the programs `Xvfb` and `dbus-daemon`.

use greenroom_reports::model::system::{DisplayServer, ScreenCapture};
use zbus::connection::Builder;

use super::super::super::probe::SystemConfig;
use super::super::super::root::Environment;
use super::super::servers::{start, start_bus};
use super::portal::ask_portal;
use super::read_display;

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

async fn asked(address: &str) -> ScreenCapture {
    let environment = [("DBUS_SESSION_BUS_ADDRESS", address)]
        .into_iter()
        .collect();
    ask_portal(&environment, std::time::Duration::from_secs(5)).await
}

#[tokio::test]
async fn a_portal_tells_by_its_version_that_it_captures_the_screen() {
    let bus = start_bus();
    let told = asked(&bus.address).await;
    assert!(
        matches!(&told, ScreenCapture::Unavailable { reason } if reason.contains("not installed")),
        "{told:?}"
    );

    let portal = Builder::address(bus.address.as_str())
        .name("org.freedesktop.portal.Desktop")
        .serve_at("/org/freedesktop/portal/desktop", Poor)
        .build()
        .await
        .unwrap();
    let told = asked(&bus.address).await;
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
        asked(&bus.address).await,
        ScreenCapture::Available { interface }
    );
}
