//! What happens in a session, in words for a terminal or in fields for a script.

use std::fmt::Write as _;

use greenroom_protocol::session::message::{Change, Notice};
use greenroom_protocol::session::{
    AudioState, ConnectionState, EndReason, Identity, LeaveReason, Roster, User,
};
use greenroom_session::client::{SessionState, UserMessage};
use serde::Serialize;

/// Shows events: sentences for a person at a terminal, else one line of fields with tabs between
/// them, the first of which names the event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Show {
    /// Whether a person reads it.
    pub(super) terminal: bool,
}

impl Show {
    /// A line of both kinds, as far as there is one.
    fn line(self, sentence: impl FnOnce() -> String, fields: &[&str]) -> String {
        if self.terminal {
            return format!("{}\n", plain(&sentence()));
        }
        let fields: Vec<String> = fields.iter().map(|field| plain(field)).collect();
        format!("{}\n", fields.join("\t"))
    }

    /// That oneself is in.
    pub(super) fn joined(self, me: &User, topic: &str) -> String {
        self.line(
            || {
                format!(
                    "You are in {topic:?} as {}. /help tells what you can do.",
                    me.role.name()
                )
            },
            &["joined", me.identity.as_str(), me.role.name(), name(me)],
        )
    }

    /// A change of the list: `roster` has who joined and what was locked already, and still has who left
    /// and what a user was before.
    pub(super) fn change(self, change: &Change, roster: &Roster) -> String {
        match change {
            Change::UserJoined { user } => self.line(
                || {
                    format!(
                        "{} joined as {}",
                        who(roster, &user.identity),
                        user.role.name()
                    )
                },
                &[
                    "user_joined",
                    user.identity.as_str(),
                    user.role.name(),
                    name(user),
                ],
            ),
            Change::UserChanged { user } if self.terminal => changed(user, roster),
            Change::UserChanged { user } => self.fields("user_changed", user),
            Change::UserLeft { identity, reason } => self.line(
                || format!("{} {}", who(roster, identity), left(*reason)),
                &["user_left", identity.as_str(), &wire(reason)],
            ),
            Change::ShareLocked { locked, by } => {
                let by = by.as_ref();
                self.line(
                    || {
                        let what = if *locked { "locked" } else { "unlocked" };
                        let by = by.map(|by| format!(" by {}", who(roster, by)));
                        format!("Screen sharing is {what}{}", by.unwrap_or_default())
                    },
                    &[
                        "share_locked",
                        if *locked { "true" } else { "false" },
                        by.map_or("", Identity::as_str),
                    ],
                )
            }
        }
    }

    /// All of a user, for scripts.
    fn fields(self, event: &str, user: &User) -> String {
        let flag = |has: bool, what: &'static str| if has { what } else { "-" };
        self.line(
            String::new,
            &[
                event,
                user.identity.as_str(),
                user.role.name(),
                &wire(&user.audio),
                flag(user.video, "video"),
                flag(user.sharing, "sharing"),
                flag(user.speaking, "speaking"),
                &wire(&user.connection),
                name(user),
            ],
        )
    }

    /// Something for oneself.
    pub(super) fn notice(self, notice: &Notice, roster: &Roster) -> String {
        match notice {
            Notice::MutedBy { by } => self.line(
                || format!("{} muted you", who(roster, by)),
                &["muted_by", by.as_str()],
            ),
            Notice::UnmuteAsked { by } => self.line(
                || {
                    format!(
                        "{} asks you to unmute: /accept or /decline",
                        who(roster, by)
                    )
                },
                &["unmute_asked", by.as_str()],
            ),
            Notice::UnmuteAnswered { identity, accepted } => self.line(
                || {
                    let answer = if *accepted { "unmutes" } else { "stays muted" };
                    format!("{} {answer}", who(roster, identity))
                },
                &[
                    "unmute_answered",
                    identity.as_str(),
                    if *accepted { "true" } else { "false" },
                ],
            ),
            Notice::ShareStopped { by } => self.line(
                || {
                    format!(
                        "{} locked screen sharing; yours was stopped",
                        who(roster, by)
                    )
                },
                &["share_stopped", by.as_str()],
            ),
        }
    }

    /// A text that somebody wrote: `chat` or `command`.
    pub(super) fn message(self, kind: &str, message: &UserMessage, roster: &Roster) -> String {
        let from = &message.from;
        self.line(
            || {
                let alone = if message.private { " (to you)" } else { "" };
                let command = if kind == "chat" {
                    ""
                } else {
                    " sends a command"
                };
                format!("{}{command}{alone}: {}", who(roster, from), message.text)
            },
            &[
                kind,
                from.as_str(),
                if message.private { "me" } else { "all" },
                &message.text,
            ],
        )
    }

    /// That something was done that shows nowhere else.
    pub(super) fn done(self, what: &str) -> String {
        if self.terminal {
            return String::new();
        }
        self.line(String::new, &["done", what])
    }

    /// That something was not done.
    pub(super) fn refused(self, message: &str) -> String {
        self.line(|| format!("Not done: {message}"), &["error", message])
    }

    /// How the connection is, where a person wants to know.
    pub(super) fn state(self, from: SessionState, to: SessionState) -> String {
        let (word, sentence) = match (from, to) {
            (_, SessionState::Reconnecting) => (
                "reconnecting",
                "The connection is lost and being restored. What you write waits.",
            ),
            (SessionState::Reconnecting, SessionState::Joined) => {
                ("joined", "The connection is back.")
            }
            _ => return String::new(),
        };
        self.line(|| sentence.to_owned(), &["state", word])
    }

    /// That oneself left.
    pub(super) fn left(self) -> String {
        self.line(|| "You left.".to_owned(), &["left"])
    }

    /// Why it is over.
    pub(super) fn ended(self, reason: EndReason, text: Option<&str>) -> String {
        self.line(
            || {
                let said = text.map(|text| format!(": {text}"));
                format!(
                    "It is over: {}{}",
                    reason.explanation(),
                    said.unwrap_or_default()
                )
            },
            &["ended", &wire(&reason), text.unwrap_or_default()],
        )
    }

    /// Who is there: a line a user.
    pub(super) fn users(self, roster: &Roster, me: Option<&Identity>) -> String {
        let mut lines = String::new();
        for user in roster.users() {
            if !self.terminal {
                lines.push_str(&self.fields("user", user));
                continue;
            }
            let you = if Some(&user.identity) == me {
                ", you"
            } else {
                ""
            };
            let line = format!("  {}: {}{you}", who_with_identity(user), traits(user));
            lines.push_str(&plain(&line));
            lines.push('\n');
        }
        lines
    }

    /// Who is there, when changes may have been missed.
    pub(super) fn list_again(self, roster: &Roster, me: Option<&Identity>) -> String {
        let begin = self.line(|| "Who is there now:".to_owned(), &["list"]);
        begin + &self.users(roster, me)
    }

    /// Who is there, in one line that follows each change a person wants to see.
    pub(super) fn headline(self, roster: &Roster) -> String {
        const SHOWN: usize = 8;
        if !self.terminal {
            return String::new();
        }
        let mut line = format!("[{} here:", roster.len());
        for (at, user) in roster.users().take(SHOWN).enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let _a_string_takes_all = write!(
                line,
                "{comma} {} ({})",
                who(roster, &user.identity),
                traits(user)
            );
        }
        if roster.len() > SHOWN {
            let _a_string_takes_all = write!(line, " and {} more", roster.len() - SHOWN);
        }
        format!("{}]\n", plain(&line))
    }
}

fn name(user: &User) -> &str {
    user.name.as_deref().unwrap_or_default()
}

/// A name where there is one that nobody else has, else the identity too.
fn who(roster: &Roster, identity: &Identity) -> String {
    let Some(user) = roster.get(identity) else {
        return identity.to_string();
    };
    let same_name = |other: &User| other.identity != *identity && other.name == user.name;
    match user.name.as_deref() {
        Some(name) if !roster.users().any(same_name) => name.to_owned(),
        _ => who_with_identity(user),
    }
}

fn who_with_identity(user: &User) -> String {
    match user.name.as_deref() {
        Some(name) => format!("{name} <{}>", user.identity),
        None => format!("<{}>", user.identity),
    }
}

const fn left(reason: LeaveReason) -> &'static str {
    match reason {
        LeaveReason::Left => "left",
        LeaveReason::Removed => "was removed",
        LeaveReason::ConnectionLost => "lost the connection",
        LeaveReason::DuplicateIdentity => "joined from another place",
    }
}

/// What somebody is and sends.
fn traits(user: &User) -> String {
    let mut traits = vec![user.role.name()];
    traits.push(match user.audio {
        AudioState::None => "no microphone",
        AudioState::Muted => "muted",
        AudioState::On => "microphone on",
    });
    for (has, what) in [
        (user.video, "video"),
        (user.sharing, "shares the screen"),
        (user.speaking, "speaks"),
        (
            user.connection == ConnectionState::Reconnecting,
            "reconnecting",
        ),
    ] {
        traits.extend(has.then_some(what));
    }
    traits.join(", ")
}

/// What is different about a user, for a person. Who speaks changes all the time and is left out.
fn changed(user: &User, before: &Roster) -> String {
    let Some(old) = before.get(&user.identity) else {
        return String::new();
    };
    let differences = differences(old, user);
    if differences.is_empty() {
        return String::new();
    }
    // The name by which they were known so far, so that a new one can be told.
    let known = who(before, &user.identity);
    format!(
        "{}\n",
        plain(&format!("{known} {}", differences.join(", ")))
    )
}

fn differences(old: &User, new: &User) -> Vec<String> {
    let mut told = Vec::new();
    if old.name != new.name {
        told.push(match new.name.as_deref() {
            Some(name) => format!("is called {name} now"),
            None => "has no name now".to_owned(),
        });
    }
    if old.role != new.role {
        told.push(format!("is {} now", new.role.name()));
    }
    if old.audio != new.audio {
        let audio = match new.audio {
            AudioState::None => "has no microphone on",
            AudioState::Muted => "is muted",
            AudioState::On => "can be heard",
        };
        told.push(audio.to_owned());
    }
    for (before, now, yes, no) in [
        (
            old.video,
            new.video,
            "can be seen",
            "cannot be seen any more",
        ),
        (
            old.sharing,
            new.sharing,
            "shares the screen",
            "shares the screen no longer",
        ),
        (
            old.connection == ConnectionState::Reconnecting,
            new.connection == ConnectionState::Reconnecting,
            "lost the connection and may come back",
            "is back",
        ),
    ] {
        if before != now {
            told.push(if now { yes } else { no }.to_owned());
        }
    }
    told
}

/// The name on the wire, of what is a word there.
fn wire(value: &impl Serialize) -> String {
    let word = serde_json::to_value(value).ok();
    let word = word.as_ref().and_then(serde_json::Value::as_str);
    word.unwrap_or_default().to_owned()
}

/// What others wrote must not steer this terminal, nor break a line of fields.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::session::message::Snapshot;
    use greenroom_protocol::session::{Role, UserName};

    use super::*;

    const PERSON: Show = Show { terminal: true };
    const SCRIPT: Show = Show { terminal: false };

    fn user(identity: &str, name: &str) -> User {
        User {
            identity: identity.into(),
            name: UserName::new(name),
            role: Role::Participant,
            audio: AudioState::None,
            video: false,
            sharing: false,
            speaking: false,
            connection: ConnectionState::Connected,
            joined_unix_ms: 0,
        }
    }

    fn roster(users: &[User]) -> Roster {
        Roster::from_snapshot(Snapshot {
            users: users.to_vec(),
            ..Snapshot::default()
        })
    }

    #[test]
    fn a_join_is_a_sentence_for_people_and_fields_for_scripts() {
        let all = roster(&[user("u1", "Ann")]);
        let change = Change::UserJoined {
            user: user("u1", "Ann"),
        };
        assert_eq!(PERSON.change(&change, &all), "Ann joined as participant\n");
        assert_eq!(
            SCRIPT.change(&change, &all),
            "user_joined\tu1\tparticipant\tAnn\n"
        );
    }

    #[test]
    fn users_of_one_name_are_told_apart() {
        let all = roster(&[user("u1", "Ann"), user("u2", "Ann"), user("u3", "")]);
        assert_eq!(who(&all, &"u1".into()), "Ann <u1>");
        assert_eq!(who(&all, &"u3".into()), "<u3>");
        assert_eq!(who(&all, &"u9".into()), "u9");
    }

    #[test]
    fn what_changed_is_told_to_people_and_the_whole_user_to_scripts() {
        let old = user("u1", "Ann");
        let mut new = user("u1", "Anna");
        new.role = Role::Manager;
        new.audio = AudioState::Muted;
        new.connection = ConnectionState::Reconnecting;
        let before = roster(std::slice::from_ref(&old));
        let change = Change::UserChanged { user: new };
        assert_eq!(
            PERSON.change(&change, &before),
            "Ann is called Anna now, is manager now, is muted, lost the connection and may come \
             back\n"
        );
        assert_eq!(
            SCRIPT.change(&change, &before),
            "user_changed\tu1\tmanager\tmuted\t-\t-\t-\treconnecting\tAnna\n"
        );
        let mut speaking = old.clone();
        speaking.speaking = true;
        let change = Change::UserChanged { user: speaking };
        assert_eq!(PERSON.change(&change, &before), "");
    }

    #[test]
    fn texts_of_others_steer_no_terminal_and_break_no_line() {
        let all = roster(&[user("u1", "Ann")]);
        let text = "a\tb\nc\u{1b}[2J\u{9b}d";
        let message = |private| UserMessage {
            from: "u1".into(),
            text: text.to_owned(),
            private,
        };
        assert_eq!(
            PERSON.message("chat", &message(true), &all),
            "Ann (to you): a b c [2J d\n"
        );
        assert_eq!(
            SCRIPT.message("chat", &message(false), &all),
            "chat\tu1\tall\ta b c [2J d\n"
        );
        let ended = SCRIPT.ended(EndReason::EndedByHost, Some("x\ny"));
        assert_eq!(ended, "ended\tended_by_host\tx y\n");
    }

    #[test]
    fn the_headline_is_short_and_for_people() {
        let many: Vec<User> = (0..12).map(|n| user(&format!("u{n:02}"), "")).collect();
        let headline = PERSON.headline(&roster(&many));
        assert!(headline.starts_with("[12 here: <u00> (participant, no microphone),"));
        assert!(headline.ends_with("<u07> (participant, no microphone) and 4 more]\n"));
        assert_eq!(SCRIPT.headline(&roster(&many)), "");
    }

    #[test]
    fn the_end_is_told_with_its_reason() {
        assert_eq!(
            PERSON.ended(EndReason::EndedByHost, Some("Lunch")),
            "It is over: the host ended the session: Lunch\n"
        );
        assert_eq!(
            SCRIPT.ended(EndReason::IdleTimeout, None),
            "ended\tidle_timeout\t\n"
        );
    }
}
