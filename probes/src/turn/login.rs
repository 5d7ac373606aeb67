//! Who asks the servers that were named.
#![expect(clippy::disallowed_methods, reason = "driver: reads the wall clock")]

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use greenroom_protocol::turn::credential::TimeLimited;
use greenroom_session::turn::Credentials;

/// How long credentials from a shared secret are good: a check is over long before.
const GOOD_FOR_S: u64 = 600;

/// Who asks the servers that were named.
#[derive(Clone, Default)]
pub enum TurnLogin {
    /// Nobody.
    #[default]
    Nobody,
    /// A user with a password.
    Password {
        /// User name.
        username: String,
        /// Password.
        password: String,
    },
    /// A user with credentials that are made from the secret that the server has too.
    Secret {
        /// User name, behind the time of expiry.
        username: String,
        /// What the server knows too.
        secret: String,
    },
}

/// Without password and secret.
impl fmt::Debug for TurnLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "Nobody",
            Self::Password { .. } => "Password",
            Self::Secret { .. } => "Secret",
        })
    }
}

impl TurnLogin {
    /// The credentials for now.
    pub(super) fn credentials(&self) -> Option<Credentials> {
        match self {
            Self::Nobody => None,
            Self::Password { username, password } => Some(Credentials {
                username: username.clone(),
                password: password.clone(),
            }),
            Self::Secret { username, secret } => {
                let made =
                    TimeLimited::new(secret.as_bytes(), username, unix_time_s() + GOOD_FOR_S);
                Some(Credentials {
                    username: made.username,
                    password: made.password,
                })
            }
        }
    }
}

/// The wall clock, in seconds since 1970.
pub(super) fn unix_time_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let login = TurnLogin::Secret {
            username: "alice".to_owned(),
            secret: "hush".to_owned(),
        };
        assert_eq!(format!("{login:?}"), "Secret");
        let made = login.credentials().unwrap();
        assert!(made.username.ends_with(":alice"));
        assert!(!format!("{made:?}").contains(&made.password));
    }
}
