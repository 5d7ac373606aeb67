//! Admission, and the actual join.

use greenroom_protocol::session::message::{Change, Refusal, RefusalCode};
use greenroom_protocol::session::{
    ConnectionState, EndReason, Identity, IdleTimeout, LeaveReason, Passcode, Role, User, UserName,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::effect::{Command, Effect, Tell};
use super::member::{Control, Member, Person};
use super::presence::Track;
use super::{Millis, Rules, Session};

/// Places that one token holds at a time.
const MAX_PLACES_A_TOKEN: usize = 32;

/// A place that is kept until the actual join.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Reservation {
    until: Millis,
    pub(super) role: Role,
    name: UserName,
    pub(super) person: Person,
    pub(super) ticket: [u8; 32],
    may_host: bool,
    idle: Option<IdleTimeout>,
    /// Hash of the passcode that was given: the session's, should this join begin it.
    passcode: Option<[u8; 32]>,
    /// Whether their engine token lets them share a screen.
    may_share: bool,
    /// Connection of session control, when there is one already.
    control: Option<u64>,
}

/// Who asks to join, with a token that was verified.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    /// Who they will be. The same for the same `user_key`, new for each join without one.
    pub(crate) identity: Identity,
    /// `user_key` of the token.
    pub(crate) user_key: Option<String>,
    /// SHA-256 of the token.
    pub(crate) token: [u8; 32],
    /// Whether the token is of a host.
    pub(crate) may_host: bool,
    /// What they are called.
    pub(crate) name: UserName,
    /// The passcode they gave.
    pub(crate) passcode: Option<Passcode>,
    /// Idle timeout they gave.
    pub(crate) idle: Option<IdleTimeout>,
    /// SHA-256 of the ticket that they are given.
    pub(crate) ticket: [u8; 32],
}

impl Asking {
    fn person(&self) -> Person {
        match &self.user_key {
            Some(key) => Person::User(key.clone()),
            None => Person::Token(self.token),
        }
    }
}

impl Session {
    /// Keeps a place for who asks, and says as what. To be called after [`Session::tick`].
    ///
    /// # Errors
    /// Why they may not join.
    pub(crate) fn admit(
        &mut self,
        asking: Asking,
        rules: &Rules,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Result<Role, Refusal> {
        let person = asking.person();
        if self.banned.contains(&person) {
            return Err(Refusal::new(
                RefusalCode::RemovedFromSession,
                "you were removed from this session and cannot come back into it",
            ));
        }
        let passcode = asking.passcode.as_ref().map(|one| self.passcode_hash(one));
        self.check_passcode(passcode)?;
        self.check_places(&person)?;
        let known = self.members.contains_key(&asking.identity)
            || self.reservations.contains_key(&asking.identity);
        if !known && self.n_places() >= rules.max_users {
            return Err(Refusal::new(
                RefusalCode::CapacityExceeded,
                format!("the session is full: it takes {} users", rules.max_users),
            ));
        }
        let role = self.role_for(&asking);
        let reservation = Reservation {
            until: now + rules.reservation_ms,
            role,
            name: asking.name,
            person,
            ticket: asking.ticket,
            may_host: asking.may_host,
            idle: asking.idle,
            passcode,
            may_share: self.may_share(role),
            control: None,
        };
        effects.push(Effect::Listen {
            ticket: asking.ticket,
        });
        let before = self.reservations.insert(asking.identity, reservation);
        if let Some(before) = before {
            effects.push(over(before.ticket, EndReason::DuplicateIdentity));
        }
        Ok(role)
    }

    /// Users who are there or about to come.
    fn n_places(&self) -> usize {
        let coming = self
            .reservations
            .keys()
            .filter(|who| !self.members.contains_key(*who));
        self.members.len() + coming.count()
    }

    /// One token without a user's key is a new user each time: it must not take all places.
    fn check_places(&self, person: &Person) -> Result<(), Refusal> {
        let held = self
            .reservations
            .values()
            .filter(|one| one.person == *person);
        if held.count() < MAX_PLACES_A_TOKEN {
            return Ok(());
        }
        let words = "too many joins with this token are under way; try again in a few seconds";
        Err(Refusal::new(RefusalCode::RateLimited, words))
    }

    /// The passcode of the user whose join begins the session is the session's; before that there is
    /// none.
    fn check_passcode(&self, given: Option<[u8; 32]>) -> Result<(), Refusal> {
        let Some(right) = self.passcode else {
            return Ok(());
        };
        // Compared also when none was given, so that both take the same time.
        let good = bool::from(right.ct_eq(&given.unwrap_or_default()));
        if good && given.is_some() {
            return Ok(());
        }
        Err(wrong_passcode(given.is_some()))
    }

    fn passcode_hash(&self, passcode: &Passcode) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.id.as_bytes());
        hash.update([0]);
        hash.update(passcode.expose().as_bytes());
        hash.finalize().into()
    }

    /// The first with a host's token becomes host, later ones managers. Who comes a second time stays
    /// what they are.
    fn role_for(&self, asking: &Asking) -> Role {
        if let Some(member) = self.members.get(&asking.identity) {
            return member.user.role;
        }
        if !asking.may_host {
            return Role::Participant;
        }
        let others = self
            .reservations
            .iter()
            .filter(|(who, _)| **who != asking.identity);
        let mut roles = others.map(|(_, one)| one.role);
        if self.host().is_some() || roles.any(|role| role == Role::Host) {
            return Role::Manager;
        }
        Role::Host
    }

    /// The engine sees a user: who has a place comes onto the list. Anybody else is to go.
    pub(super) fn arrive(
        &mut self,
        identity: &Identity,
        sid: String,
        tracks: Vec<Track>,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        let place = self.reservations.remove(identity);
        let place = place.filter(|place| !self.banned.contains(&place.person));
        let Some(reservation) = place else {
            self.come_back(identity, sid, tracks, now, effects);
            return;
        };
        if !self.begun {
            self.begin(reservation.passcode, effects);
        }
        let mut role = reservation.role;
        if let Some(before) = self.members.get(identity) {
            // The role as it is now, which may have changed since the place was kept.
            role = before.user.role;
            self.replace(identity, effects);
        } else if role == Role::Host && self.host().is_some() {
            role = Role::Manager;
        }
        let mut member = Member {
            user: User {
                identity: identity.clone(),
                name: reservation.name,
                role,
                audio: greenroom_protocol::session::AudioState::None,
                video: false,
                sharing: false,
                speaking: false,
                connection: ConnectionState::Connected,
                joined_unix_ms: now,
            },
            person: reservation.person,
            ticket: reservation.ticket,
            may_host: reservation.may_host,
            order: self.revision,
            idle: reservation.idle,
            sid: Some(sid),
            seen_since: now,
            tracks: Vec::new(),
            control: match reservation.control {
                Some(_) => Control::Open(now),
                None => Control::Never,
            },
            connection: reservation.control.unwrap_or_default(),
            reconnecting_since: None,
            asked_by: None,
        };
        member.set_tracks(tracks);
        if role == Role::Host && self.first_host.is_none() {
            self.first_host = Some(member.person.clone());
        }
        let user = member.user.clone();
        self.members.insert(identity.clone(), member);
        if role != reservation.role || self.may_share(role) != reservation.may_share {
            self.assert_role(identity, effects);
        }
        self.change(Change::UserJoined { user }, effects);
        self.count_alone(now);
        if self.share_locked {
            self.stop_locked_share(identity, None, effects);
        }
    }

    /// The first user is there: their passcode holds, also for who was given a place before.
    fn begin(&mut self, passcode: Option<[u8; 32]>, effects: &mut Vec<Effect>) {
        self.begun = true;
        self.passcode = passcode;
        let Some(right) = passcode else {
            return;
        };
        self.reservations.retain(|_, place| {
            let fits = place
                .passcode
                .is_some_and(|given| bool::from(given.ct_eq(&right)));
            if !fits {
                effects.push(Effect::Tell {
                    ticket: place.ticket,
                    tell: Tell::Refused(wrong_passcode(place.passcode.is_some())),
                });
            }
            fits
        });
    }

    /// Tells the engine what a user is and may: their token may say otherwise by now.
    fn assert_role(&self, identity: &Identity, effects: &mut Vec<Effect>) {
        if let Some(member) = self.members.get(identity) {
            let role = member.user.role;
            effects.push(Effect::Engine(Command::SetRole {
                identity: identity.clone(),
                role,
                may_share: self.may_share(role),
            }));
        }
    }

    /// The same user from another place: the earlier one is told and goes.
    fn replace(&mut self, identity: &Identity, effects: &mut Vec<Effect>) {
        self.tell_ended(identity, EndReason::DuplicateIdentity, effects);
        self.members.remove(identity);
        self.change(
            Change::UserLeft {
                identity: identity.clone(),
                reason: LeaveReason::DuplicateIdentity,
            },
            effects,
        );
    }

    /// A user of the list whom the engine sees anew; a stranger is sent away.
    fn come_back(
        &mut self,
        identity: &Identity,
        sid: String,
        tracks: Vec<Track>,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        let Some(member) = self.members.get_mut(identity) else {
            effects.push(Effect::Engine(Command::Remove {
                identity: identity.clone(),
            }));
            return;
        };
        member.sid = Some(sid);
        member.seen_since = now;
        let changed = member.set_tracks(tracks);
        let name = member.user.name.clone();
        if changed {
            self.tell_user(identity, effects);
        }
        // By an earlier token: with the name and rights of its time.
        self.assert_role(identity, effects);
        effects.push(Effect::Engine(Command::Rename {
            identity: identity.clone(),
            name,
        }));
        if self.share_locked {
            self.stop_locked_share(identity, None, effects);
        }
        self.look_at(identity, now, effects);
    }

    /// Places that nobody took in time are free again.
    pub(super) fn drop_reservations(&mut self, now: Millis, effects: &mut Vec<Effect>) {
        let before = self.reservations.len();
        self.reservations.retain(|_, one| {
            let holds = one.until > now;
            if !holds {
                effects.push(over(one.ticket, EndReason::ConnectionLost));
            }
            holds
        });
        if self.reservations.len() == before {
            return;
        }
        self.succeed(effects);
        if self.members.is_empty() && self.reservations.is_empty() && self.begun {
            self.ended = true;
            effects.push(Effect::Engine(Command::Close));
        }
    }

    /// Who holds a ticket, given by its hash.
    pub(crate) fn holder(&self, ticket: &[u8; 32]) -> Option<Identity> {
        let members = self.members.iter().map(|(who, one)| (who, &one.ticket));
        let places = self
            .reservations
            .iter()
            .map(|(who, one)| (who, &one.ticket));
        // Hashes of secrets of 256 bits: what an early end of a comparison tells is of no use.
        let mut both = members.chain(places);
        both.find(|(_, held)| *held == ticket)
            .map(|(who, _)| who.clone())
    }

    /// What a user who is there, or about to come, is, and is called.
    pub(crate) fn called(&self, identity: &Identity) -> (Role, UserName) {
        let member = self
            .members
            .get(identity)
            .map(|one| (one.user.role, &one.user.name));
        let place = self
            .reservations
            .get(identity)
            .map(|one| (one.role, &one.name));
        let found = member.or(place).map(|(role, name)| (role, name.clone()));
        found.unwrap_or((Role::Participant, UserName::default()))
    }

    /// Whether somebody of that name is on the list or has a place.
    pub(crate) fn expects(&self, identity: &str) -> bool {
        let identity = Identity::from(identity);
        self.members.contains_key(&identity) || self.reservations.contains_key(&identity)
    }

    /// A place whose holder has a connection of session control.
    pub(super) fn connect_reservation(&mut self, ticket: &[u8; 32], connection: u64) {
        let places = self.reservations.values_mut();
        for place in places.filter(|place| place.ticket == *ticket) {
            place.control = Some(connection);
        }
    }

    /// The place of who left before they came.
    pub(super) fn give_up(
        &mut self,
        identity: &Identity,
        ticket: &[u8; 32],
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(place) = self.reservations.get_mut(identity) else {
            return false;
        };
        if place.ticket != *ticket {
            return false;
        }
        place.until = now;
        effects.push(over(*ticket, EndReason::Left));
        self.drop_reservations(now, effects);
        true
    }
}

/// What the holder of a place is told that is no more.
pub(super) fn over(ticket: [u8; 32], reason: EndReason) -> Effect {
    Effect::Tell {
        ticket,
        tell: Tell::Ended(reason),
    }
}

fn wrong_passcode(given: bool) -> Refusal {
    let words = if given {
        "the passcode is wrong"
    } else {
        "the session has a passcode, and none was given"
    };
    Refusal::new(RefusalCode::WrongPasscode, words)
}
