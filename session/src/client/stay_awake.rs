//! Keeps the machine awake while a session lasts (S56).

/// The machine may fall asleep, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this machine may fall asleep in the session: {why}")]
pub struct NotKeptAwake {
    /// Why, and what can be done.
    pub why: String,
}

impl NotKeptAwake {
    fn because(why: impl Into<String>) -> Self {
        Self { why: why.into() }
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::Inhibitor;
#[cfg(not(target_os = "linux"))]
pub(super) use other::Inhibitor;

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    use zbus::connection::Builder;
    use zbus::{DBusError as _, fdo};

    use super::NotKeptAwake;

    /// Longest wait for logind, which answers in milliseconds.
    const PATIENCE: Duration = Duration::from_secs(2);
    /// Source: systemd, `org.freedesktop.login1(5)`, method `Inhibit`.
    const NAME: &str = "org.freedesktop.login1";
    const OBJECT: &str = "/org/freedesktop/login1";
    const INTERFACE: &str = "org.freedesktop.login1.Manager";

    /// Holds a lock of systemd-logind: no sleep, no action for being idle. Dropping it gives it back.
    #[derive(Debug)]
    pub(in crate::client) struct Inhibitor {
        _lock: zbus::OwnedFd,
    }

    impl Inhibitor {
        /// Takes the lock.
        ///
        /// # Errors
        /// When there is no logind, or it says no.
        ///
        /// # Cancel safety
        /// Dropping the future takes no lock.
        pub(in crate::client) async fn take() -> Result<Self, NotKeptAwake> {
            Self::take_on(Builder::system()).await
        }

        /// Takes the lock of a logind on another bus.
        pub(super) async fn take_on(bus: Builder<'_>) -> Result<Self, NotKeptAwake> {
            let asking = async {
                // How it fails differs from bus to bus, and means the same.
                let Ok(connection) = bus.build().await else {
                    return Ok(None);
                };
                let what = ("idle:sleep", "Greenroom", "A session is under way", "block");
                let reply = connection
                    .call_method(Some(NAME), OBJECT, Some(INTERFACE), "Inhibit", &what)
                    .await?;
                reply.body().deserialize().map(Some)
            };
            match tokio::time::timeout(PATIENCE, asking).await {
                Ok(Ok(Some(lock))) => Ok(Self { _lock: lock }),
                Ok(Ok(None)) => Err(NotKeptAwake::because(
                    "the system bus, by which systemd-logind is asked, is not there",
                )),
                Ok(Err(error)) => Err(NotKeptAwake::because(explain(&error))),
                Err(_elapsed) => Err(NotKeptAwake::because(
                    "systemd-logind does not answer on the system bus",
                )),
            }
        }
    }

    fn explain(error: &zbus::Error) -> String {
        match error {
            zbus::Error::MethodError(name, ..) => explain_refusal(name.as_str()),
            zbus::Error::FDO(error) => match &**error {
                fdo::Error::ZBus(inner) => explain(inner),
                named => explain_refusal(named.name().as_str()),
            },
            _ => "systemd-logind cannot be asked over the system bus".to_owned(),
        }
    }

    fn explain_refusal(name: &str) -> String {
        let short = name.rsplit('.').next().unwrap_or(name);
        match short {
            "ServiceUnknown" | "NameHasNoOwner" => {
                "systemd-logind does not run on this machine".to_owned()
            }
            "AccessDenied" | "InteractiveAuthorizationRequired" => {
                "systemd-logind does not let this user keep the machine awake".to_owned()
            }
            _ => format!("systemd-logind refused ({short})"),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[tokio::test]
        async fn s56_without_a_bus_it_is_told_and_nothing_waits() {
            let nowhere = Builder::address("unix:path=/nonexistent/greenroom/bus");
            let error = Inhibitor::take_on(nowhere).await.unwrap_err();
            let text = error.to_string();
            assert!(text.contains("may fall asleep"), "{text}");
            assert!(text.contains("not there"), "{text} {error:?}");
        }

        #[test]
        fn s56_refusals_are_told_apart() {
            for (name, words) in [
                ("org.freedesktop.DBus.Error.ServiceUnknown", "does not run"),
                ("org.freedesktop.DBus.Error.AccessDenied", "does not let"),
                (
                    "org.freedesktop.login1.OperationInProgress",
                    "OperationInProgress",
                ),
            ] {
                assert!(explain_refusal(name).contains(words), "{name}");
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use super::NotKeptAwake;

    /// Nothing that is known here.
    #[derive(Debug)]
    pub(in crate::client) struct Inhibitor;

    impl Inhibitor {
        /// Tells that it cannot be done.
        #[expect(clippy::unused_async, reason = "the same call as on Linux")]
        pub(in crate::client) async fn take() -> Result<Self, NotKeptAwake> {
            Err(NotKeptAwake::because(
                "keeping a machine awake is supported on Linux alone; turn its sleep off for the call",
            ))
        }
    }
}
