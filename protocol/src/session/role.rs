//! Roles, and what each may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a user is in a session.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everybody else.
    Participant,
    /// Helps the host.
    Manager,
    /// One at most at any time.
    Host,
}

impl Role {
    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Participant => "participant",
            Self::Manager => "manager",
            Self::Host => "host",
        }
    }
}

/// What not everybody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Privilege {
    /// Rename another user.
    RenameOthers,
    /// Mute another user's microphone.
    MuteOthers,
    /// Ask another user to unmute.
    AskToUnmute,
    /// Remove a user.
    Remove,
    /// Lock screen sharing.
    LockShare,
    /// Make another user host.
    TransferHost,
    /// Make and revoke managers.
    ChangeManagers,
    /// Start and stop a live stream.
    LiveStream,
    /// End the session for all.
    End,
}

/// Who would have been allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Forbidden {
    /// The host alone.
    #[error("only the host may do that")]
    HostRequired,
    /// Host and managers.
    #[error("only the host and managers may do that")]
    HostOrManagerRequired,
}

impl Privilege {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::RenameOthers,
        Self::MuteOthers,
        Self::AskToUnmute,
        Self::Remove,
        Self::LockShare,
        Self::TransferHost,
        Self::ChangeManagers,
        Self::LiveStream,
        Self::End,
    ];

    /// The lowest role that has it.
    const fn needs(self) -> Role {
        match self {
            Self::RenameOthers
            | Self::MuteOthers
            | Self::AskToUnmute
            | Self::Remove
            | Self::LockShare => Role::Manager,
            Self::TransferHost | Self::ChangeManagers | Self::LiveStream | Self::End => Role::Host,
        }
    }

    /// Whether `role` has it.
    ///
    /// # Errors
    /// Who would have it.
    pub fn check(self, role: Role) -> Result<(), Forbidden> {
        if role >= self.needs() {
            return Ok(());
        }
        Err(match self.needs() {
            Role::Host => Forbidden::HostRequired,
            Role::Manager | Role::Participant => Forbidden::HostOrManagerRequired,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s100_to_s123_the_table_of_roles() {
        use Forbidden::{HostOrManagerRequired as Manager, HostRequired as Host};
        let table = [
            (Privilege::RenameOthers, Ok(()), Err(Manager)),
            (Privilege::MuteOthers, Ok(()), Err(Manager)),
            (Privilege::AskToUnmute, Ok(()), Err(Manager)),
            (Privilege::Remove, Ok(()), Err(Manager)),
            (Privilege::LockShare, Ok(()), Err(Manager)),
            (Privilege::TransferHost, Err(Host), Err(Host)),
            (Privilege::ChangeManagers, Err(Host), Err(Host)),
            (Privilege::LiveStream, Err(Host), Err(Host)),
            (Privilege::End, Err(Host), Err(Host)),
        ];
        assert_eq!(table.map(|row| row.0), Privilege::ALL);
        for (privilege, manager, participant) in table {
            assert_eq!(privilege.check(Role::Host), Ok(()), "{privilege:?}");
            assert_eq!(privilege.check(Role::Manager), manager, "{privilege:?}");
            assert_eq!(
                privilege.check(Role::Participant),
                participant,
                "{privilege:?}"
            );
        }
    }
}
