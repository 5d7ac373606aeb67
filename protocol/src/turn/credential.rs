//! Time-limited credentials from a shared secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// A user name that carries the time of its expiry, and the password that goes with it.
///
/// Whoever knows the secret makes them, the TURN server checks them without asking anybody.
///
/// Source: draft-uberti-behave-turn-rest-00 §2.2, `use-auth-secret` of coturn: the name is
/// `expiry:user`, expiry in seconds since 1970 (UTC); the password is
/// `base64(hmac-sha1(secret, name))`.
#[derive(Clone, PartialEq, Eq)]
pub struct TimeLimited {
    /// `expiry:user`.
    pub username: String,
    /// Of this name, by this secret.
    pub password: String,
}

impl TimeLimited {
    /// Credentials of `user` that are good until `expires_unix_s`.
    pub fn new(secret: &[u8], user: &str, expires_unix_s: u64) -> Self {
        Self::of_name(secret, format!("{expires_unix_s}:{user}"))
    }

    /// The credentials of a name that somebody shows, to be compared with what he knows.
    #[expect(clippy::missing_panics_doc, reason = "HMAC takes keys of any length")]
    pub fn of_name(secret: &[u8], username: String) -> Self {
        let mut mac = Hmac::<Sha1>::new_from_slice(secret).expect("HMAC takes keys of any length");
        mac.update(username.as_bytes());
        let password = STANDARD.encode(mac.finalize().into_bytes());
        Self { username, password }
    }
}

/// Without the password.
impl fmt::Debug for TimeLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeLimited")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// When a name expires, in seconds since 1970 (UTC); `None` when it carries no time.
///
/// coturn also takes `user:expiry` and the time alone, so both are read.
pub fn expiry_of(username: &str) -> Option<u64> {
    let (first, last) = username.split_once(':').unwrap_or((username, ""));
    // A name of digits alone may be somebody's number: what is no plausible time is none.
    let plausible = |text: &str| {
        text.parse()
            .ok()
            .filter(|s| (1_000_000_000..=100_000_000_000).contains(s))
    };
    plausible(first).or_else(|| plausible(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `printf '1700000000:alice' | openssl dgst -sha1 -hmac secret -binary | base64`.
    #[test]
    fn password_is_the_one_that_openssl_makes() {
        let made = TimeLimited::new(b"secret", "alice", 1_700_000_000);
        assert_eq!(made.username, "1700000000:alice");
        assert_eq!(made.password, "d8soP47RbdIKLDUOpnJPVQyq5Ts=");
    }

    #[test]
    fn expiry_is_read_from_either_side() {
        assert_eq!(expiry_of("1700000000:alice"), Some(1_700_000_000));
        assert_eq!(expiry_of("alice:1700000000"), Some(1_700_000_000));
        assert_eq!(expiry_of("1700000000"), Some(1_700_000_000));
        for name in ["alice", "4711:alice", ":", "", "99999999999999999999:a"] {
            assert_eq!(expiry_of(name), None, "{name}");
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let made = TimeLimited::new(b"secret", "alice", 1_700_000_000);
        assert!(!format!("{made:?}").contains(&made.password));
    }
}
