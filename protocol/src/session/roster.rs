//! The user list, kept current by events: the same on every client after any sequence of them.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::message::{Change, Snapshot};
use super::user::{Identity, User};

/// Why a change cannot be applied; a new snapshot mends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// Changes in between are missing.
    #[error("change {got} came after {have}: those in between are missing")]
    Gap {
        /// The last one applied.
        have: u64,
        /// The one that came.
        got: u64,
    },
}

/// All users of a session, after the changes up to a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    revision: u64,
    users: BTreeMap<Identity, User>,
    share_locked: bool,
}

impl Roster {
    /// As a snapshot tells it.
    pub fn from_snapshot(snapshot: Snapshot) -> Self {
        let users = snapshot.users.into_iter();
        Self {
            revision: snapshot.revision,
            users: users.map(|user| (user.identity.clone(), user)).collect(),
            share_locked: snapshot.share_locked,
        }
    }

    /// As a snapshot that others can begin with.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            revision: self.revision,
            share_locked: self.share_locked,
            users: self.users.values().cloned().collect(),
        }
    }

    /// Applies the change of `revision`. One that the list already holds changes nothing, and returns
    /// `false`.
    ///
    /// # Errors
    /// When changes before it are missing.
    pub fn apply(&mut self, revision: u64, change: &Change) -> Result<bool, RosterError> {
        if revision <= self.revision {
            return Ok(false);
        }
        if revision != self.revision + 1 {
            return Err(RosterError::Gap {
                have: self.revision,
                got: revision,
            });
        }
        self.revision = revision;
        match change {
            Change::UserJoined { user } | Change::UserChanged { user } => {
                self.users.insert(user.identity.clone(), user.clone());
            }
            Change::UserLeft { identity, .. } => {
                self.users.remove(identity);
            }
            Change::ShareLocked { locked, .. } => self.share_locked = *locked,
        }
        Ok(true)
    }

    /// Which changes it holds.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// How many users.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// One user.
    pub fn get(&self, identity: &Identity) -> Option<&User> {
        self.users.get(identity)
    }

    /// All users, by identity.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &User> {
        self.users.values()
    }

    /// Whether participants may not share their screens.
    pub const fn share_locked(&self) -> bool {
        self.share_locked
    }

    /// A digest of the whole list, by which two clients see whether they hold the same.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for user in self.users.values() {
            // A user is plain data, which always becomes JSON.
            hash.update(serde_json::to_vec(user).unwrap_or_default());
            hash.update([0]);
        }
        hash.update([u8::from(self.share_locked)]);
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::reason::LeaveReason;
    use super::super::{AudioState, Role, UserName};
    use super::*;
    use proptest::prelude::*;

    fn user(number: u8, name: &str) -> User {
        User {
            identity: Identity(format!("u{number}")),
            name: UserName::new(name),
            role: Role::Participant,
            audio: AudioState::None,
            video: false,
            sharing: false,
            speaking: false,
            connection: super::super::ConnectionState::Connected,
            joined_unix_ms: 0,
        }
    }

    fn any_change() -> impl Strategy<Value = Change> {
        prop_oneof![
            (0_u8..6).prop_map(|n| Change::UserJoined { user: user(n, "") }),
            (0_u8..6, "[a-c]").prop_map(|(n, name)| Change::UserChanged {
                user: user(n, &name)
            }),
            (0_u8..6).prop_map(|n| Change::UserLeft {
                identity: Identity(format!("u{n}")),
                reason: LeaveReason::Left
            }),
            any::<bool>().prop_map(|locked| Change::ShareLocked { locked, by: None }),
        ]
    }

    proptest! {
        /// S134: a client that comes in the middle, and one that reads some changes twice, end with
        /// the same list as one that saw everything.
        #[test]
        fn s134_every_client_ends_with_the_same_list(
            changes in prop::collection::vec(any_change(), 1..60),
            late in 0_usize..60,
        ) {
            let mut whole = Roster::default();
            let mut late_one = None;
            for (index, change) in changes.iter().enumerate() {
                if index == late.min(changes.len() - 1) {
                    late_one = Some(Roster::from_snapshot(whole.snapshot()));
                }
                let revision = index as u64 + 1;
                prop_assert_eq!(whole.apply(revision, change), Ok(true));
                prop_assert_eq!(whole.apply(revision, change), Ok(false));
                if let Some(other) = &mut late_one {
                    other.apply(revision, change).unwrap();
                }
            }
            prop_assert_eq!(late_one.unwrap().digest(), whole.digest());
        }
    }

    #[test]
    fn a_gap_is_told() {
        let mut roster = Roster::default();
        let change = Change::ShareLocked {
            locked: true,
            by: None,
        };
        assert_eq!(
            roster.apply(2, &change),
            Err(RosterError::Gap { have: 0, got: 2 })
        );
        assert!(!roster.share_locked());
    }
}
