//! Whether the connection is paid for by what it carries, as `NetworkManager` knows it.

use zbus::connection::Builder;

use super::super::probe::SystemConfig;
use super::super::root::{Environment, SystemRoot};

/// `NetworkManager` on the system bus.
///
/// Source: `NetworkManager`'s D-Bus API, `org.freedesktop.NetworkManager`, property `Metered`.
const NAME: &str = "org.freedesktop.NetworkManager";
const OBJECT: &str = "/org/freedesktop/NetworkManager";
/// The bus itself.
const BUS: &str = "org.freedesktop.DBus";
const BUS_OBJECT: &str = "/org/freedesktop/DBus";
/// `NM_METERED_UNKNOWN`, `YES`, `NO`, `GUESS_YES` and `GUESS_NO`.
const UNKNOWN: u32 = 0;
const YES: u32 = 1;
const NO: u32 = 2;
const GUESS_YES: u32 = 3;
const GUESS_NO: u32 = 4;
/// Where the system bus listens, unless a variable says otherwise.
const SOCKET: &str = "run/dbus/system_bus_socket";

/// Asks `NetworkManager`, which guesses for phones' hotspots where nobody told it. `None` when it is
/// not there, does not know, or does not answer in time.
///
/// # Cancel safety
/// Dropping the future closes the connection to the bus.
pub(in crate::system) async fn read_metered(config: SystemConfig) -> Option<bool> {
    let address = bus_address(&config.root, &config.environment)?;
    let told = tokio::time::timeout(config.metered_timeout, read_property(&address)).await;
    match told.ok()?.ok()? {
        YES | GUESS_YES => Some(true),
        NO | GUESS_NO => Some(false),
        _ => None,
    }
}

fn bus_address(root: &SystemRoot, environment: &Environment) -> Option<String> {
    if let Some(address) = environment.get("DBUS_SYSTEM_BUS_ADDRESS") {
        return Some(address.to_owned());
    }
    let socket = root.path(SOCKET);
    socket
        .exists()
        .then(|| format!("unix:path={}", socket.display()))
}

async fn read_property(address: &str) -> zbus::Result<u32> {
    let connection = Builder::address(address).build().await?;
    // Asked by name, the bus may start it; a machine that does without has no use for it.
    let owned = connection
        .call_method(Some(BUS), BUS_OBJECT, Some(BUS), "NameHasOwner", &NAME)
        .await?;
    if !owned.body().deserialize::<bool>()? {
        return Ok(UNKNOWN);
    }
    let properties = Some("org.freedesktop.DBus.Properties");
    let reply = connection
        .call_method(Some(NAME), OBJECT, properties, "Get", &(NAME, "Metered"))
        .await?;
    let value: zbus::OwnedVariant = reply.body().deserialize()?;
    u32::try_from(value)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::root::fixture::Fixture;
    use super::super::servers::start_bus;
    use super::*;

    /// A network manager with what we ask of it.
    struct NetworkManager(u32);

    #[zbus::interface(name = "org.freedesktop.NetworkManager")]
    impl NetworkManager {
        #[zbus(property, name = "Metered")]
        fn metered(&self) -> u32 {
            self.0
        }
    }

    fn config(root: &SystemRoot, environment: Environment) -> SystemConfig {
        SystemConfig {
            root: root.clone(),
            environment,
            metered_timeout: Duration::from_secs(5),
            ..SystemConfig::default()
        }
    }

    async fn asked(address: &str) -> Option<bool> {
        let environment = [("DBUS_SYSTEM_BUS_ADDRESS", address)].into_iter().collect();
        read_metered(config(&SystemRoot::default(), environment)).await
    }

    #[tokio::test]
    async fn network_manager_tells_whether_the_connection_is_metered() {
        let bus = start_bus();
        assert_eq!(asked(&bus.address).await, None, "nobody is there to ask");
        let told = [None, Some(true), Some(false), Some(true), Some(false)];
        for (value, expected) in (0..).zip(told) {
            let _service = Builder::address(bus.address.as_str())
                .name(NAME)
                .serve_at(OBJECT, NetworkManager(value))
                .build()
                .await
                .unwrap();
            assert_eq!(asked(&bus.address).await, expected, "{value}");
        }
    }

    #[tokio::test]
    async fn a_machine_without_a_system_bus_does_not_tell() {
        let root = Fixture::of(&[]);
        let told = read_metered(config(&root, Environment::default()));
        assert_eq!(told.await, None);
    }

    #[tokio::test]
    async fn a_bus_that_stays_silent_does_not_tell_in_time() {
        let root = Fixture::of(&[("run/dbus/marker", "")]);
        let _silent = std::os::unix::net::UnixListener::bind(root.path(SOCKET)).unwrap();
        let told = read_metered(SystemConfig {
            metered_timeout: Duration::from_millis(50),
            ..config(&root, Environment::default())
        });
        assert_eq!(told.await, None);
    }
}
