//! Who is there: what the engine sees, what session control hears, and what time makes of it.

use greenroom_protocol::session::message::Notice;
use greenroom_protocol::session::{
    ConnectionState, EndReason, Identity, IdleTimeout, LeaveReason, Role,
};
use serde::{Deserialize, Serialize};

use super::effect::{Command, Effect, Tell};
use super::member::Control;
use super::{Millis, Rules, Session};

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TrackSource {
    /// A microphone.
    Microphone,
    /// A camera.
    Camera,
    /// A screen.
    ScreenShare,
    /// The sound of a screen, or anything else.
    Other,
}

/// A track that a user announced to the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Track {
    /// What the engine calls it.
    pub(crate) sid: String,
    /// What it carries.
    pub(crate) source: TrackSource,
    /// Whether it is muted.
    pub(crate) muted: bool,
}

/// A user as the engine sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Who.
    pub(crate) identity: Identity,
    /// What the engine calls this participation.
    pub(crate) sid: String,
    /// What they send.
    pub(crate) tracks: Vec<Track>,
}

/// Why the engine sees a user no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// They said goodbye.
    Left,
    /// They are not heard from, or nobody knows.
    Lost,
}

impl Session {
    /// The engine sees a user, for the first time or as changed.
    pub(crate) fn seen(&mut self, seen: Seen, now: Millis) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Seen {
            identity,
            sid,
            tracks,
        } = seen;
        let known = self.members.get(&identity);
        let same = known.is_some_and(|member| member.sid.as_ref() == Some(&sid));
        if !same {
            self.arrive(&identity, sid, tracks, now, &mut effects);
            return effects;
        }
        if let Some(member) = self.members.get_mut(&identity)
            && member.set_tracks(tracks)
        {
            self.tell_user(&identity, &mut effects);
            if self.share_locked {
                self.stop_locked_share(&identity, None, &mut effects);
            }
        }
        effects
    }

    /// The engine sees a user no more.
    pub(crate) fn gone(
        &mut self,
        identity: &Identity,
        sid: &str,
        why: Gone,
        now: Millis,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(member) = self.members.get_mut(identity) else {
            return effects;
        };
        // Of an earlier participation: the user is here by another one.
        if member.sid.as_deref() != Some(sid) {
            return effects;
        }
        member.sid = None;
        let changed = member.set_tracks(Vec::new());
        if why == Gone::Left {
            self.tell_ended(identity, EndReason::Left, &mut effects);
            self.take_off(identity, LeaveReason::Left, now, &mut effects);
            return effects;
        }
        if changed {
            self.tell_user(identity, &mut effects);
        }
        self.look_at(identity, now, &mut effects);
        effects
    }

    /// Everything that the engine saw when it was asked, where changes may have been missed. Of who came
    /// since then, it says nothing.
    pub(crate) fn reconcile(&mut self, all: Vec<Seen>, asked: Millis, now: Millis) -> Vec<Effect> {
        let mut effects = Vec::new();
        let missing: Vec<(Identity, String)> = self
            .members
            .iter()
            .filter(|(who, one)| {
                one.seen_since < asked && !all.iter().any(|seen| seen.identity == **who)
            })
            .filter_map(|(who, member)| Some((who.clone(), member.sid.clone()?)))
            .collect();
        for (identity, sid) in missing {
            effects.extend(self.gone(&identity, &sid, Gone::Lost, now));
        }
        for seen in all {
            effects.extend(self.seen(seen, now));
        }
        effects
    }

    /// The engine closed the room by itself, such as when it sees nobody for a while: those who are waited
    /// for may come back into a new one.
    pub(crate) fn room_closed(&mut self, now: Millis) -> Vec<Effect> {
        self.reconcile(Vec::new(), Millis::MAX, now)
    }

    /// The holder of a ticket has a connection of session control; an earlier one counts no more.
    pub(crate) fn connected(
        &mut self,
        ticket: &[u8; 32],
        connection: u64,
        now: Millis,
    ) -> Vec<Effect> {
        let mut effects = vec![Effect::Listen { ticket: *ticket }];
        self.connect_reservation(ticket, connection);
        let found = self
            .members
            .iter_mut()
            .find(|(_, one)| one.ticket == *ticket);
        if let Some((identity, member)) = found {
            member.control = Control::Open(now);
            member.connection = connection;
            let identity = identity.clone();
            self.look_at(&identity, now, &mut effects);
        }
        effects
    }

    /// A connection of session control was heard from.
    pub(crate) fn heard(&mut self, who: &Identity, connection: u64, now: Millis) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some(member) = self.members.get_mut(who)
            && member.connection == connection
        {
            member.control = Control::Open(now);
            self.look_at(who, now, &mut effects);
        }
        effects
    }

    /// A connection of session control closed.
    pub(crate) fn disconnected(
        &mut self,
        who: &Identity,
        connection: u64,
        now: Millis,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some(member) = self.members.get_mut(who)
            && member.connection == connection
        {
            member.control = Control::Closed;
            self.look_at(who, now, &mut effects);
        }
        effects
    }

    /// Shows whether a user is heard from, as it is known without regard to silence.
    pub(super) fn look_at(&mut self, identity: &Identity, now: Millis, effects: &mut Vec<Effect>) {
        self.look_at_silence(identity, Millis::MAX, now, effects);
    }

    fn look_at_silence(
        &mut self,
        identity: &Identity,
        silence_ms: Millis,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        let Some(member) = self.members.get_mut(identity) else {
            return;
        };
        let state = if member.is_heard(now, silence_ms) {
            member.reconnecting_since = None;
            ConnectionState::Connected
        } else {
            member.reconnecting_since.get_or_insert(now);
            ConnectionState::Reconnecting
        };
        if member.user.connection != state {
            member.user.connection = state;
            self.tell_user(identity, effects);
        }
    }

    /// What time alone does.
    pub(crate) fn tick(&mut self, rules: &Rules, now: Millis) -> Vec<Effect> {
        let mut effects = Vec::new();
        let everybody: Vec<Identity> = self.members.keys().cloned().collect();
        for identity in everybody {
            self.look_at_silence(&identity, rules.silence_ms, now, &mut effects);
            let lost = self
                .members
                .get(&identity)
                .and_then(|one| one.reconnecting_since);
            if lost.is_some_and(|since| now - since >= rules.removed_after_ms) {
                self.lose(&identity, now, &mut effects);
            }
        }
        self.drop_reservations(now, &mut effects);
        if self.is_idle(now) {
            self.end(EndReason::IdleTimeout, None, &mut effects);
        }
        effects
    }

    fn lose(&mut self, identity: &Identity, now: Millis, effects: &mut Vec<Effect>) {
        self.tell_ended(identity, EndReason::ConnectionLost, effects);
        let seen = self
            .members
            .get(identity)
            .is_some_and(|one| one.sid.is_some());
        if seen {
            effects.push(Effect::Engine(Command::Remove {
                identity: identity.clone(),
            }));
        }
        self.take_off(identity, LeaveReason::ConnectionLost, now, effects);
    }

    pub(super) fn tell_ended(
        &self,
        identity: &Identity,
        reason: EndReason,
        effects: &mut Vec<Effect>,
    ) {
        self.tell(identity, Tell::Ended(reason), effects);
    }

    /// Tells a user something, if they are there.
    pub(super) fn tell(&self, identity: &Identity, tell: Tell, effects: &mut Vec<Effect>) {
        if let Some(member) = self.members.get(identity) {
            let ticket = member.ticket;
            effects.push(Effect::Tell { ticket, tell });
        }
    }

    /// Whether one user was alone for too long. The host's own value counts while the host is alone.
    fn is_idle(&self, now: Millis) -> bool {
        let (Some(since), Some(sole)) = (self.alone_since, self.members.values().next()) else {
            return false;
        };
        let idle = match sole.user.role {
            Role::Host => sole.idle.unwrap_or_default(),
            Role::Manager | Role::Participant => IdleTimeout::default(),
        };
        let longest = Millis::try_from(idle.duration().as_millis()).unwrap_or(Millis::MAX);
        !self.ended && now - since >= longest
    }

    /// Stops a screen share that the lock forbids, and says so to who shares.
    pub(super) fn stop_locked_share(
        &mut self,
        identity: &Identity,
        by: Option<&Identity>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(member) = self.members.get(identity) else {
            return;
        };
        if self.may_share(member.user.role) {
            return;
        }
        let tracks: Vec<String> = member
            .live_tracks(TrackSource::ScreenShare)
            .map(|track| track.sid.clone())
            .collect();
        if tracks.is_empty() {
            return;
        }
        let by = by.or_else(|| self.host()).unwrap_or(identity).clone();
        for track in tracks {
            effects.push(Effect::Engine(Command::Mute {
                identity: identity.clone(),
                track,
            }));
        }
        self.tell(identity, Tell::Notice(Notice::ShareStopped { by }), effects);
    }
}
