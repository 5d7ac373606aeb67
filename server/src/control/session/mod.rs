//! One session: who is there, who may do what, and what follows from what happens. Pure.
//!
//! Everything that happens goes in as a call with the time, what is to be told or done comes out as
//! [`Effect`]s, in order. The whole of it is plain data, so that a store may keep it anywhere.

mod act;
mod effect;
mod join;
mod member;
mod presence;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use greenroom_protocol::session::message::{Change, Snapshot};
use greenroom_protocol::session::{EndReason, Identity, LeaveReason, Role};
use serde::{Deserialize, Serialize};

pub(crate) use act::LiveStreams;
pub(crate) use effect::{Command, Effect, Tell};
pub(crate) use join::Asking;
use join::Reservation;
use member::{Member, Person};
pub(crate) use presence::{Gone, Seen, Track, TrackSource};

/// Wall clock of session control, in milliseconds since 1970 (UTC).
pub(crate) type Millis = i64;

/// What an operator sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Users of one session.
    pub(crate) max_users: usize,
    /// A place is kept for so long between admission and the actual join.
    pub(crate) reservation_ms: Millis,
    /// Silence after which a user shows as reconnecting.
    pub(crate) silence_ms: Millis,
    /// Silence after which a user is removed.
    pub(crate) removed_after_ms: Millis,
}

/// A session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Tells it from an earlier one of the same topic.
    pub(crate) id: String,
    /// Its room in the engine.
    pub(crate) room: String,
    revision: u64,
    share_locked: bool,
    /// SHA-256 of the session's id and its passcode.
    passcode: Option<[u8; 32]>,
    members: BTreeMap<Identity, Member>,
    reservations: BTreeMap<Identity, Reservation>,
    banned: BTreeSet<Person>,
    first_host: Option<Person>,
    /// Since when one user is alone.
    alone_since: Option<Millis>,
    /// Nobody is ever told of a session in which nobody has been.
    begun: bool,
    ended: bool,
}

impl Session {
    /// A session that nobody has joined yet.
    pub(crate) fn new(id: String, room: String) -> Self {
        Self {
            id,
            room,
            revision: 0,
            share_locked: false,
            passcode: None,
            members: BTreeMap::new(),
            reservations: BTreeMap::new(),
            banned: BTreeSet::new(),
            first_host: None,
            alone_since: None,
            begun: false,
            ended: false,
        }
    }

    /// Whether nothing of it is to be kept: it ended, or nobody is there and nobody is about to come.
    pub(crate) fn is_over(&self) -> bool {
        self.ended || (self.members.is_empty() && self.reservations.is_empty())
    }

    /// Users who are there.
    pub(crate) fn n_users(&self) -> usize {
        self.members.len()
    }

    /// The list.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            revision: self.revision,
            share_locked: self.share_locked,
            users: self.members.values().map(|one| one.user.clone()).collect(),
        }
    }

    fn change(&mut self, change: Change, effects: &mut Vec<Effect>) {
        self.revision += 1;
        effects.push(Effect::Changed {
            revision: self.revision,
            change,
        });
    }

    /// Tells everybody how a user is now.
    fn tell_user(&mut self, identity: &Identity, effects: &mut Vec<Effect>) {
        if let Some(member) = self.members.get(identity) {
            let user = member.user.clone();
            self.change(Change::UserChanged { user }, effects);
        }
    }

    fn host(&self) -> Option<&Identity> {
        let host = self
            .members
            .iter()
            .find(|(_, one)| one.user.role == Role::Host);
        host.map(|(identity, _)| identity)
    }

    /// Gives a user a role, with all that hangs on it.
    fn set_role(&mut self, identity: &Identity, role: Role, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(identity) else {
            return;
        };
        if member.user.role == role {
            return;
        }
        member.user.role = role;
        // Their place for another participation must not bring an earlier role back.
        if let Some(place) = self.reservations.get_mut(identity) {
            place.role = role;
        }
        if role == Role::Host && self.first_host.is_none() {
            self.first_host = Some(member.person.clone());
        }
        self.tell_user(identity, effects);
        effects.push(Effect::Engine(Command::SetRole {
            identity: identity.clone(),
            role,
            may_share: self.may_share(role),
        }));
        if self.share_locked {
            self.stop_locked_share(identity, None, effects);
        }
    }

    /// Whether a user of this role may share a screen.
    pub(crate) fn may_share(&self, role: Role) -> bool {
        !self.share_locked || role > Role::Participant
    }

    /// When no host is left: the manager who is there longest becomes host.
    fn succeed(&mut self, effects: &mut Vec<Effect>) {
        let reserved = self.reservations.values().any(|one| one.role == Role::Host);
        if self.host().is_some() || reserved {
            return;
        }
        let managers = self
            .members
            .iter()
            .filter(|(_, one)| one.user.role == Role::Manager);
        let longest = managers
            .min_by_key(|(_, one)| one.order)
            .map(|(who, _)| who.clone());
        if let Some(identity) = longest {
            self.set_role(&identity, Role::Host, effects);
        }
    }

    /// Takes a user off the list, with what follows from it.
    fn take_off(
        &mut self,
        identity: &Identity,
        reason: LeaveReason,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        if self.members.remove(identity).is_none() {
            return;
        }
        let who = identity.clone();
        self.change(
            Change::UserLeft {
                identity: who,
                reason,
            },
            effects,
        );
        self.succeed(effects);
        self.count_alone(now);
        if self.members.is_empty() && self.reservations.is_empty() {
            self.ended = true;
            effects.push(Effect::Engine(Command::Close));
        }
    }

    /// Starts or stops the clock of who is alone.
    fn count_alone(&mut self, now: Millis) {
        self.alone_since = match (self.members.len(), self.alone_since) {
            (1, since) => since.or(Some(now)),
            _ => None,
        };
    }

    /// Ends the session for all.
    fn end(&mut self, reason: EndReason, text: Option<String>, effects: &mut Vec<Effect>) {
        self.ended = true;
        let members = self.members.values().map(|one| one.ticket);
        let places = self.reservations.values().map(|one| one.ticket);
        effects.push(Effect::EndedForAll {
            tickets: members.chain(places).collect(),
            reason,
            text: text.clone(),
        });
        effects.push(Effect::Engine(Command::End { reason, text }));
    }

    /// Ends it since the server stops.
    pub(crate) fn shut_down(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.end(EndReason::ServerShutdown, None, &mut effects);
        effects
    }
}
