//! The desktop's portal for screen capture, on the session bus.

use std::time::Duration;

use greenroom_reports::model::system::ScreenCapture;
use zbus::connection::Builder;
use zbus::{DBusError, fdo};

use super::super::super::root::Environment;

/// The well-known name of the portal and its object, and the interface that captures the screen.
///
/// Source: XDG Desktop Portal documentation, `org.freedesktop.portal.ScreenCast`.
const NAME: &str = "org.freedesktop.portal.Desktop";
const OBJECT: &str = "/org/freedesktop/portal/desktop";
const INTERFACE: &str = "org.freedesktop.portal.ScreenCast";

/// Asks the portal for the version of its screen-capture interface, which shows no dialog.
///
/// `Unknown` when the bus takes the question but no answer comes in time: it may just be starting
/// the portal.
pub(super) async fn ask_portal(environment: &Environment, timeout: Duration) -> ScreenCapture {
    let Some(address) = bus_address(environment) else {
        return unavailable("no screen-capture portal: no session bus");
    };
    match tokio::time::timeout(timeout, read_version(&address)).await {
        Ok(Ok(version)) => ScreenCapture::Available {
            interface: format!("xdg-desktop-portal ScreenCast {version}"),
        },
        Ok(Err(error)) => unavailable(&explain(&error)),
        Err(_elapsed) => ScreenCapture::Unknown,
    }
}

fn unavailable(reason: &str) -> ScreenCapture {
    ScreenCapture::Unavailable {
        reason: reason.to_owned(),
    }
}

/// `DBUS_SESSION_BUS_ADDRESS`, or systemd's user bus if it is there.
fn bus_address(environment: &Environment) -> Option<String> {
    if let Some(address) = environment.get("DBUS_SESSION_BUS_ADDRESS") {
        return Some(address.to_owned());
    }
    let path = std::path::Path::new(environment.get("XDG_RUNTIME_DIR")?).join("bus");
    path.exists()
        .then(|| format!("unix:path={}", path.display()))
}

async fn read_version(address: &str) -> zbus::Result<u32> {
    let connection = Builder::address(address).build().await?;
    let reply = connection
        .call_method(
            Some(NAME),
            OBJECT,
            Some("org.freedesktop.DBus.Properties"),
            "Get",
            &(INTERFACE, "version"),
        )
        .await?;
    let version: zbus::OwnedVariant = reply.body().deserialize()?;
    u32::try_from(version)
}

/// The reason in our words: the bus's own may name paths and users.
fn explain(error: &zbus::Error) -> String {
    match error {
        zbus::Error::MethodError(name, ..) => explain_method_error(name.as_str()),
        zbus::Error::FDO(error) => match &**error {
            fdo::Error::ZBus(inner) => explain(inner),
            named => explain_method_error(named.name().as_str()),
        },
        zbus::Error::InputOutput(error) => {
            format!(
                "no screen-capture portal: the session bus does not answer: {}",
                error.kind()
            )
        }
        _ => "no screen-capture portal: cannot talk to the session bus".to_owned(),
    }
}

fn explain_method_error(name: &str) -> String {
    let short = name
        .strip_prefix("org.freedesktop.DBus.Error.")
        .unwrap_or(name);
    match short {
        "ServiceUnknown" | "NameHasNoOwner" => {
            "no screen-capture portal: xdg-desktop-portal is not installed".to_owned()
        }
        "UnknownInterface" | "UnknownProperty" | "UnknownMethod" | "UnknownObject"
        | "InvalidArgs" => {
            "the desktop's portal offers no screen capture: no backend for this desktop".to_owned()
        }
        _ if short.starts_with("Spawn.") => {
            format!("no screen-capture portal: xdg-desktop-portal does not start ({short})")
        }
        _ => format!("the screen-capture portal refused: {short}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(capture: ScreenCapture) -> String {
        match capture {
            ScreenCapture::Unavailable { reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn without_a_session_bus_the_reason_says_so() {
        let told = ask_portal(&Environment::default(), Duration::from_secs(5)).await;
        assert_eq!(reason(told), "no screen-capture portal: no session bus");
    }

    #[tokio::test]
    async fn a_bus_that_is_gone_is_told_without_its_path() {
        let gone = [(
            "DBUS_SESSION_BUS_ADDRESS",
            "unix:path=/nonexistent/alice/bus",
        )];
        let told = ask_portal(&gone.into_iter().collect(), Duration::from_secs(5)).await;
        assert!(!reason(told).contains("alice"));
    }

    #[tokio::test]
    async fn a_bus_that_stays_silent_leaves_it_unknown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bus");
        let _silent = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let address = format!("unix:path={}", path.display());
        let environment = [("DBUS_SESSION_BUS_ADDRESS", address)]
            .into_iter()
            .collect();
        let told = ask_portal(&environment, Duration::from_millis(50)).await;
        assert_eq!(told, ScreenCapture::Unknown);
    }

    #[test]
    fn the_bus_s_errors_are_put_into_words() {
        let explained = explain_method_error("org.freedesktop.DBus.Error.ServiceUnknown");
        assert!(explained.contains("not installed"));
        let explained = explain_method_error("org.freedesktop.DBus.Error.InvalidArgs");
        assert!(explained.contains("no backend"));
        let explained = explain_method_error("org.freedesktop.DBus.Error.Spawn.ChildExited");
        assert!(explained.contains("does not start (Spawn.ChildExited)"));
    }
}
