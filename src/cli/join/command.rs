//! What a line of input asks for.

use greenroom_protocol::session::{Identity, Roster};

/// What `/help` says.
pub(super) const HELP: &str = "\
text                 to everybody; a line that begins with // is a text with one /
/to ID text          to one user; ID is an identity or a name that no other user has
/users               who is there
/mute, /unmute       your own microphone
/accept, /decline    when host or manager asks you to unmute
/rename NAME         yourself; without a name you have none
/leave               leave; the end of the input and Ctrl-C do the same

Host and managers:
/mute ID             mute a user
/ask-unmute ID       ask a user to unmute
/rename-user ID NAME rename a user
/remove ID           remove a user, who cannot come back into this session
/lock, /unlock       screen sharing of participants

Host:
/host ID             make somebody else host
/manager ID          make a manager
/participant ID      make a manager participant again
/end TEXT            end the session for all; TEXT, if any, is what they read
/reclaim             become host again, when you were the first one
";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Says something to everybody.
    Say(String),
    /// Says something to one user.
    To { whom: String, text: String },
    /// Tells who is there.
    Users,
    /// Tells the commands.
    Help,
    /// Mutes oneself, or says that one is not.
    MuteSelf(bool),
    /// Answers the question to unmute.
    AnswerUnmute(bool),
    /// Renames oneself.
    Rename(String),
    /// Renames somebody else.
    RenameUser { whom: String, name: String },
    /// Mutes somebody else.
    Mute(String),
    /// Asks somebody to unmute.
    AskToUnmute(String),
    /// Removes somebody.
    Remove(String),
    /// Locks screen sharing, or unlocks it.
    LockShare(bool),
    /// Makes somebody host.
    TransferHost(String),
    /// Makes somebody manager.
    MakeManager(String),
    /// Makes a manager participant.
    RevokeManager(String),
    /// Takes the host's role back.
    ReclaimHost,
    /// Leaves.
    Leave,
    /// Ends the session for all.
    End(Option<String>),
}

impl Command {
    /// Reads a line; `None` when it is blank.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub(super) fn parse(line: &str) -> Result<Option<Self>, String> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(None);
        }
        let Some(rest) = line.strip_prefix('/') else {
            return Ok(Some(Self::Say(line.to_owned())));
        };
        if rest.starts_with('/') {
            return Ok(Some(Self::Say(rest.to_owned())));
        }
        let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        Self::read(name, argument.trim()).map(Some)
    }

    fn read(name: &str, argument: &str) -> Result<Self, String> {
        let whom = || {
            if argument.is_empty() {
                return Err(format!(
                    "/{name} takes whom it is about; /users tells who is there"
                ));
            }
            Ok(argument.to_owned())
        };
        match name {
            "to" => two(name, argument, "a text").map(|(whom, text)| Self::To { whom, text }),
            "rename-user" => {
                two(name, argument, "a name").map(|(whom, name)| Self::RenameUser { whom, name })
            }
            "mute" if argument.is_empty() => Ok(Self::MuteSelf(true)),
            "mute" => Ok(Self::Mute(argument.to_owned())),
            "rename" => Ok(Self::Rename(argument.to_owned())),
            "ask-unmute" => whom().map(Self::AskToUnmute),
            "remove" => whom().map(Self::Remove),
            "host" => whom().map(Self::TransferHost),
            "manager" => whom().map(Self::MakeManager),
            "participant" => whom().map(Self::RevokeManager),
            "end" => Ok(Self::End(
                (!argument.is_empty()).then(|| argument.to_owned()),
            )),
            _ => Self::bare(name, argument),
        }
    }

    /// Those that take nothing.
    fn bare(name: &str, argument: &str) -> Result<Self, String> {
        let command = match name {
            "users" => Self::Users,
            "help" => Self::Help,
            "unmute" => Self::MuteSelf(false),
            "accept" => Self::AnswerUnmute(true),
            "decline" => Self::AnswerUnmute(false),
            "lock" => Self::LockShare(true),
            "unlock" => Self::LockShare(false),
            "reclaim" => Self::ReclaimHost,
            "leave" => Self::Leave,
            _ => return Err(format!("there is no /{name}; /help tells what there is")),
        };
        match (name, argument) {
            (_, "") => Ok(command),
            ("unmute", whom) => Err(format!(
                "nobody can unmute somebody else; /ask-unmute {whom} asks"
            )),
            _ => Err(format!("/{name} stands alone; {argument:?} is too much")),
        }
    }
}

fn two(name: &str, argument: &str, second: &str) -> Result<(String, String), String> {
    let parts = argument.split_once(char::is_whitespace);
    let (whom, rest) = parts.ok_or_else(|| {
        format!("/{name} takes an identity and {second}; /users tells who is there")
    })?;
    Ok((whom.to_owned(), rest.trim().to_owned()))
}

/// The user that `text` means: an identity, or a name that one user alone has, in any case.
///
/// # Errors
/// That nobody is meant, or several are.
pub(super) fn resolve(roster: &Roster, text: &str) -> Result<Identity, String> {
    let identity = Identity(text.to_owned());
    if roster.get(&identity).is_some() {
        return Ok(identity);
    }
    let wanted = text.to_lowercase();
    let has_name = |name: Option<&str>| name.is_some_and(|name| name.to_lowercase() == wanted);
    let mut named = roster
        .users()
        .filter(|user| has_name(user.name.as_deref()))
        .map(|user| user.identity.clone());
    match (named.next(), named.next()) {
        (Some(identity), None) => Ok(identity),
        (None, _) => Err(format!(
            "nobody here is {text:?}; /users tells who is there"
        )),
        (Some(first), Some(second)) => Err(format!(
            "{text:?} may be {first} or {second}; give the identity"
        )),
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::session::message::Snapshot;
    use greenroom_protocol::session::{AudioState, ConnectionState, Role, User, UserName};

    use super::*;

    fn read(line: &str) -> Command {
        Command::parse(line).unwrap().unwrap()
    }

    #[test]
    fn a_line_is_said_unless_it_begins_with_a_slash() {
        assert_eq!(read(" hello all\n"), Command::Say("hello all".to_owned()));
        assert_eq!(read("//etc/hosts"), Command::Say("/etc/hosts".to_owned()));
        assert_eq!(Command::parse("  \n"), Ok(None));
    }

    #[test]
    fn every_command_of_the_help_is_one() {
        for line in HELP.lines().filter(|line| line.starts_with('/')) {
            let (commands, _) = line.split_at(21);
            for command in commands.split(',') {
                let command = command.trim();
                assert!(!matches!(read(command), Command::Say(_)), "{command}");
            }
        }
    }

    #[test]
    fn commands_are_read_with_what_they_take() {
        let text = str::to_owned;
        for (line, command) in [
            (
                "/to u1  hello you ",
                Command::To {
                    whom: text("u1"),
                    text: text("hello you"),
                },
            ),
            (
                "/rename-user u1 Bob B.",
                Command::RenameUser {
                    whom: text("u1"),
                    name: text("Bob B."),
                },
            ),
            ("/mute", Command::MuteSelf(true)),
            ("/mute Bob B.", Command::Mute(text("Bob B."))),
            ("/unmute", Command::MuteSelf(false)),
            ("/rename", Command::Rename(String::new())),
            ("/rename Al", Command::Rename(text("Al"))),
            ("/end", Command::End(None)),
            ("/end good bye", Command::End(Some(text("good bye")))),
            ("/participant\tu1", Command::RevokeManager(text("u1"))),
        ] {
            assert_eq!(read(line), command);
        }
    }

    #[test]
    fn mistakes_are_told_with_what_would_be_right() {
        for (line, words) in [
            ("/kick u1", "there is no /kick; /help"),
            ("/", "there is no /;"),
            ("/to u1", "/to takes an identity and a text"),
            ("/remove", "/remove takes whom it is about"),
            ("/lock door", "\"door\" is too much"),
            ("/unmute u1", "/ask-unmute u1 asks"),
        ] {
            let error = Command::parse(line).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn users_are_meant_by_identity_or_by_a_name_of_their_own() {
        let user = |identity: &str, name: &str| User {
            identity: identity.into(),
            name: UserName::new(name),
            role: Role::Participant,
            audio: AudioState::None,
            video: false,
            sharing: false,
            speaking: false,
            connection: ConnectionState::Connected,
            joined_unix_ms: 0,
        };
        let users = vec![
            user("u1", "Bob"),
            user("u2", "Ann"),
            user("u3", "ann"),
            user("Bob", ""),
        ];
        let roster = Roster::from_snapshot(Snapshot {
            users,
            ..Snapshot::default()
        });
        assert_eq!(resolve(&roster, "u2"), Ok("u2".into()));
        assert_eq!(resolve(&roster, "bob"), Ok("u1".into()));
        assert_eq!(resolve(&roster, "Bob"), Ok("Bob".into()));
        let error = resolve(&roster, "ANN").unwrap_err();
        assert!(error.contains("u2 or u3"), "{error}");
        assert!(resolve(&roster, "").unwrap_err().contains("nobody"));
    }
}
