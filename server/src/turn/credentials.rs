//! Who may have an allocation, and whom it may reach.

use std::fmt;

use greenroom_protocol::turn::credential::{TimeLimited, expiry_of};
use stun_types::message::{IntegrityAlgorithm, IntegrityKey, LongTermKeyCredentials};

/// Begins the name behind the expiry in credentials that the discovery document gives to
/// everybody.
const PUBLIC_PREFIX: &str = "public-";
/// Longest user name that is read, in bytes (RFC 8489 §14.3: less than 509).
const MAX_NAME_BYTES: usize = 508;

/// Whom an allocation may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Relay addresses of this server and its measure port: for everybody.
    Own,
    /// What the policy permits, too: for those to whom the operator gave credentials.
    Peers,
}

/// A user that proved itself.
#[derive(Debug)]
pub(crate) struct User {
    /// The whole name, expiry included.
    pub(crate) name: String,
    /// When the name expires, in seconds since 1970 (UTC).
    pub(crate) expires_unix_s: u64,
    /// Whom it may reach.
    pub(crate) reach: Reach,
    /// What its messages are signed with.
    pub(crate) key: IntegrityKey,
}

/// Makes and knows time-limited credentials by one secret.
#[derive(Clone)]
pub(crate) struct Credentials {
    secret: Vec<u8>,
    realm: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Credentials by this secret within this realm.
    pub(crate) fn new(secret: Vec<u8>, realm: String) -> Self {
        Self { secret, realm }
    }

    /// The realm.
    pub(crate) fn realm(&self) -> &str {
        &self.realm
    }

    /// Credentials for anybody, good until `expires_unix_s`.
    pub(crate) fn public(&self, random: u64, expires_unix_s: u64) -> TimeLimited {
        let name = format!("{PUBLIC_PREFIX}{random:016x}");
        TimeLimited::new(&self.secret, &name, expires_unix_s)
    }

    /// The user that would have this name; `None` for a name that carries no expiry. The caller
    /// checks integrity and expiry.
    pub(crate) fn user(&self, name: &str) -> Option<User> {
        if name.len() > MAX_NAME_BYTES {
            return None;
        }
        let expires_unix_s = expiry_of(name)?;
        let made = TimeLimited::of_name(&self.secret, name.to_owned());
        let is_public = name.split(':').any(|part| part.starts_with(PUBLIC_PREFIX));
        let long_term =
            LongTermKeyCredentials::new(made.username, made.password, self.realm.clone());
        Some(User {
            name: name.to_owned(),
            expires_unix_s,
            reach: if is_public { Reach::Own } else { Reach::Peers },
            key: long_term.make_key(IntegrityAlgorithm::Sha1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_names_reach_this_server_alone() {
        let credentials = Credentials::new(b"secret".to_vec(), "r".to_owned());
        let public = credentials.public(5, 1_700_000_000).username;
        assert_eq!(public, "1700000000:public-0000000000000005");
        let reach = |name: &str| credentials.user(name).map(|user| user.reach);
        assert_eq!(reach(&public), Some(Reach::Own));
        assert_eq!(reach("public-x:1700000000"), Some(Reach::Own));
        assert_eq!(reach("1700000000:alice"), Some(Reach::Peers));
        assert_eq!(reach("1700000000"), Some(Reach::Peers));
        assert_eq!(reach("alice"), None);
        assert_eq!(reach(&format!("1700000000:{}", "x".repeat(600))), None);
    }

    #[test]
    fn debug_shows_no_secret() {
        let credentials = Credentials::new(b"hunter2".to_vec(), "r".to_owned());
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
