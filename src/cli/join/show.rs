//! What happens in a session, in words for a terminal or in fields for a script.

use std::fmt::Write as _;

use greenroom_protocol::session::message::{Change, Notice};
use greenroom_protocol::session::{
    AudioState, ConnectionState, EndReason, Identity, LeaveReason, Role, Roster, User,
};
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
            || format!("You are in {topic:?} as {}. /help tells what you can do.", role(me.role)),
            &["joined", me.identity.as_str(), me.role.name(), name(me)],
        )
    }

    /// A change of the list. `before` is the list without it, `after` with it.
    pub(super) fn change(self, change: &Change, before: &Roster, after: &Roster) -> String {
        match change {
            Change::UserJoined { user } => self.line(
                || format!("{} joined as {}", who(after, &user.identity), role(user.role)),
                &["user_joined", user.identity.as_str(), user.role.name(), name(user)],
            ),
            Change::UserChanged { user } => self.changed(user, before, after),
            Change::UserLeft { identity, reason } => self.line(
                || format!("{} {}", who(before, identity), left(*reason)),
                &["user_left", identity.as_str(), &wire(reason)],
            ),
            Change::ShareLocked { locked, by } => {
                let by = by.as_ref();
                self.line(
                    || {
                        let what = if *locked { "locked" } else { "unlocked" };
                        let by = by.map(|by| format!(" by {}", who(after, by)));
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

    /// Who speaks changes all the time: that is for scripts alone.
    fn changed(self, user: &User, before: &Roster, after: &Roster) -> String {
        if !self.terminal {
            return self.line(
                String::new,
                &[
                    "user_changed",
                    user.identity.as_str(),
                    user.role.name(),
                    &wire(&user.audio),
                    if user.video { "video" } else { "-" },
                    if user.sharing { "sharing" } else { "-" },
                    if user.speaking { "speaking" } else { "-" },
                    &wire(&user.connection),
                    name(user),
                ],
            );
        }
        let Some(old) = before.get(&user.identity) else {
            return String::new();
        };
        let differences = differences(old, user);
        if differences.is_empty() {
            return String::new();
        }
        // The name by which they were known so far, so that a new one can be told.
        let known = who(before, &user.identity);
        let _same_list_but_for_this = after;
        format!("{}\n", plain(&format!("{known} {}", differences.join(", "))))
    }

    /// Something for oneself.
    pub(super) fn notice(self, notice: &Notice, roster: &Roster) -> String {
        match notice {
            Notice::MutedBy { by } => self.line(
                || format!("{} muted you", who(roster, by)),
                &["muted_by", by.as_str()],
            ),
            Notice::UnmuteAsked { by } => self.line(
                || format!("{} asks you to unmute: /accept or /decline", who(roster, by)),
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
                || format!("{} locked screen sharing; yours was stopped", who(roster, by)),
                &["share_stopped", by.as_str()],
            ),
        }
    }

    /// A text that somebody wrote.
    pub(super) fn chat(self, from: &Identity, to_me: bool, text: &str, roster: &Roster) -> String {
        self.line(
            || {
                let alone = if to_me { " (to you)" } else { "" };
                format!("{}{alone}: {text}", who(roster, from))
            },
            &["chat", from.as_str(), if to_me { "me" } else { "all" }, text],
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

    /// How the connection is.
    pub(super) fn connection(self, state: &str, sentence: &str) -> String {
        self.line(|| sentence.to_owned(), &["state", state])
    }

    /// Why it is over.
    pub(super) fn ended(self, reason: EndReason, text: Option<&str>) -> String {
        self.line(
            || {
                let said = text.map(|text| format!(": {text}"));
                format!("It is over: {}{}", reason.explanation(), said.unwrap_or_default())
            },
            &["ended", &wire(&reason), text.unwrap_or_default()],
        )
    }

    /// Who is there: a line a user.
    pub(super) fn users(self, roster: &Roster, me: &Identity) -> String {
        let mut lines = String::new();
        for user in roster.users() {
            let line = self.line(
                || {
                    let you = if user.identity == *me { ", you" } else { "" };
                    format!("  {}: {}{you}", who_with_identity(user), traits(user))
                },
                &[
                    "user",
                    user.identity.as_str(),
                    user.role.name(),
                    &wire(&user.audio),
                    if user.video { "video" } else { "-" },
                    if user.sharing { "sharing" } else { "-" },
                    if user.speaking { "speaking" } else { "-" },
                    &wire(&user.connection),
                    name(user),
                ],
            );
            lines.push_str(&line);
        }
        lines
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
            let _a_string_takes_all =
                write!(line, "{comma} {} ({})", who(roster, &user.identity), traits(user));
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

const fn role(role: Role) -> &'static str {
    match role {
        Role::Host => "host",
        Role::Manager => "manager",
        Role::Participant => "participant",
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
    let mut traits = vec![role(user.role)];
    traits.push(match user.audio {
        AudioState::None => "no microphone",
        AudioState::Muted => "muted",
        AudioState::On => "microphone on",
    });
    for (has, what) in [
        (user.video, "video"),
        (user.sharing, "shares the screen"),
        (user.speaking, "speaks"),
        (user.connection == ConnectionState::Reconnecting, "reconnecting"),
    ] {
        traits.extend(has.then_some(what));
    }
    traits.join(", ")
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
        told.push(format!("is {} now", role(new.role)));
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
        (old.video, new.video, "can be seen", "cannot be seen any more"),
        (old.sharing, new.sharing, "shares the screen", "shares the screen no longer"),
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
