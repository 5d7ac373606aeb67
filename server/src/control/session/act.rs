//! What users want done, and whether they may.

use greenroom_protocol::session::message::{
    Action, Change, MAX_END_TEXT_CHARS, Notice, Refusal, RefusalCode,
};
use greenroom_protocol::session::{
    AudioState, EndReason, Identity, LeaveReason, Privilege, Role, UserName,
};

use super::effect::{Command, Effect, Tell};
use super::join::over;
use super::presence::TrackSource;
use super::{Millis, Session};

/// Whether the engine can stream a session live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LiveStreams {
    /// It has nothing for it.
    NotSupported,
}

impl Session {
    /// Does what a user wants.
    ///
    /// # Errors
    /// Why not. Nothing changed then.
    pub(crate) fn act(
        &mut self,
        actor: &Identity,
        action: Action,
        streams: LiveStreams,
        now: Millis,
    ) -> Result<Vec<Effect>, Refusal> {
        let role = self.role_of(actor)?;
        if let Some(privilege) = privilege(actor, &action) {
            privilege.check(role)?;
        }
        let mut effects = Vec::new();
        let out = &mut effects;
        match action {
            Action::Rename { identity, name } => {
                self.rename(identity.as_ref().unwrap_or(actor), name, out)?;
            }
            Action::Mute { identity } => self.mute(actor, &identity, out)?,
            Action::AskToUnmute { identity } => self.ask_to_unmute(actor, &identity, out)?,
            Action::AnswerUnmute { accepted } => self.answer_unmute(actor, accepted, out)?,
            Action::Remove { identity } => self.remove(actor, &identity, now, out)?,
            Action::LockShare { locked } => self.lock_share(actor, locked, out),
            Action::TransferHost { identity } => self.transfer_host(actor, &identity, out)?,
            Action::ReclaimHost => self.reclaim_host(actor, out)?,
            Action::MakeManager { identity } => self.make_manager(&identity, out)?,
            Action::RevokeManager { identity } => self.revoke_manager(&identity, out)?,
            Action::StartLiveStream { .. } | Action::StopLiveStream => {
                return Err(no_live_stream(streams));
            }
            Action::Leave => self.leave(actor, now, out),
            Action::End { text } => {
                let text = text.map(|text| text.chars().take(MAX_END_TEXT_CHARS).collect());
                self.end(EndReason::EndedByHost, text, out);
            }
        }
        Ok(effects)
    }

    /// Gives up a place, or leaves: what a ticket's holder may always do.
    pub(crate) fn withdraw(
        &mut self,
        identity: &Identity,
        ticket: &[u8; 32],
        now: Millis,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let member = self
            .members
            .get(identity)
            .is_some_and(|one| one.ticket == *ticket);
        if member {
            self.leave(identity, now, &mut effects);
        } else {
            self.give_up(identity, ticket, now, &mut effects);
        }
        effects
    }

    fn role_of(&self, identity: &Identity) -> Result<Role, Refusal> {
        let member = self.members.get(identity);
        member
            .map(|one| one.user.role)
            .ok_or_else(|| unknown_user(identity))
    }

    fn rename(
        &mut self,
        identity: &Identity,
        name: UserName,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let member = self
            .members
            .get_mut(identity)
            .ok_or_else(|| unknown_user(identity))?;
        if member.user.name == name {
            return Ok(());
        }
        member.user.name = name.clone();
        self.tell_user(identity, effects);
        effects.push(Effect::Engine(Command::Rename {
            identity: identity.clone(),
            name,
        }));
        Ok(())
    }

    fn mute(
        &mut self,
        actor: &Identity,
        identity: &Identity,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let member = self
            .members
            .get(identity)
            .ok_or_else(|| unknown_user(identity))?;
        match member.user.audio {
            AudioState::None => return Err(not_possible("this user sends no sound")),
            AudioState::Muted => return Ok(()),
            AudioState::On => {}
        }
        for track in member.live_tracks(TrackSource::Microphone) {
            effects.push(Effect::Engine(Command::Mute {
                identity: identity.clone(),
                track: track.sid.clone(),
            }));
        }
        let by = actor.clone();
        self.notify(identity, Notice::MutedBy { by }, effects);
        Ok(())
    }

    fn ask_to_unmute(
        &mut self,
        actor: &Identity,
        identity: &Identity,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let member = self
            .members
            .get_mut(identity)
            .ok_or_else(|| unknown_user(identity))?;
        if member.user.audio == AudioState::On {
            return Err(not_possible("this user is not muted"));
        }
        member.asked_by = Some(actor.clone());
        let by = actor.clone();
        self.notify(identity, Notice::UnmuteAsked { by }, effects);
        Ok(())
    }

    fn answer_unmute(
        &mut self,
        actor: &Identity,
        accepted: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let member = self
            .members
            .get_mut(actor)
            .ok_or_else(|| unknown_user(actor))?;
        let asked_by = member.asked_by.take();
        let asked_by = asked_by.ok_or_else(|| not_possible("nobody asked you to unmute"))?;
        let identity = actor.clone();
        let notice = Notice::UnmuteAnswered { identity, accepted };
        self.notify(&asked_by, notice, effects);
        Ok(())
    }

    fn notify(&self, identity: &Identity, notice: Notice, effects: &mut Vec<Effect>) {
        self.tell(identity, Tell::Notice(notice), effects);
    }

    fn remove(
        &mut self,
        actor: &Identity,
        identity: &Identity,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if actor == identity {
            return Err(not_possible("you cannot remove yourself; leave instead"));
        }
        let role = self.role_of(identity)?;
        if role == Role::Host {
            return Err(Refusal::new(
                RefusalCode::HostRequired,
                "the host cannot be removed by anybody else",
            ));
        }
        let Some(person) = self.members.get(identity).map(|one| one.person.clone()) else {
            return Err(unknown_user(identity));
        };
        self.banned.insert(person.clone());
        self.reservations.retain(|_, place| {
            let stays = place.person != person;
            if !stays {
                effects.push(over(place.ticket, EndReason::Removed));
            }
            stays
        });
        // All who are here by the same token without a user's key are one person.
        // Never the host, though, nor who removes.
        let same = self.members.iter().filter(|(who, one)| {
            one.person == person && one.user.role != Role::Host && *who != actor
        });
        let same: Vec<Identity> = same.map(|(who, _)| who.clone()).collect();
        for identity in same {
            self.tell_ended(&identity, EndReason::Removed, effects);
            effects.push(Effect::Engine(Command::Remove {
                identity: identity.clone(),
            }));
            self.take_off(&identity, LeaveReason::Removed, now, effects);
        }
        Ok(())
    }

    fn lock_share(&mut self, actor: &Identity, locked: bool, effects: &mut Vec<Effect>) {
        if self.share_locked == locked {
            return;
        }
        self.share_locked = locked;
        let by = Some(actor.clone());
        self.change(Change::ShareLocked { locked, by }, effects);
        let bound = |role| role == Role::Participant;
        let members = self.members.iter().filter(|(_, one)| bound(one.user.role));
        let participants: Vec<Identity> = members.map(|(who, _)| who.clone()).collect();
        for identity in participants {
            // First the share itself, so that its user is told why.
            self.stop_locked_share(&identity, Some(actor), effects);
            effects.push(Effect::Engine(Command::SetRole {
                identity,
                role: Role::Participant,
                may_share: !locked,
            }));
        }
    }

    fn transfer_host(
        &mut self,
        actor: &Identity,
        identity: &Identity,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        self.role_of(identity)?;
        if actor != identity {
            self.step_down(actor, effects);
            self.set_role(identity, Role::Host, effects);
        }
        Ok(())
    }

    /// The host is host no more: manager with a host's token, else participant.
    fn step_down(&mut self, identity: &Identity, effects: &mut Vec<Effect>) {
        let may_host = self.members.get(identity).is_some_and(|one| one.may_host);
        let role = if may_host {
            Role::Manager
        } else {
            Role::Participant
        };
        self.set_role(identity, role, effects);
    }

    fn reclaim_host(&mut self, actor: &Identity, effects: &mut Vec<Effect>) -> Result<(), Refusal> {
        let member = self.members.get(actor).ok_or_else(|| unknown_user(actor))?;
        let first = member.may_host && self.first_host.as_ref() == Some(&member.person);
        if !first {
            return Err(Refusal::new(
                RefusalCode::HostRequired,
                "only the user who was host first may take the role back",
            ));
        }
        let host = self.host().filter(|host| *host != actor).cloned();
        if let Some(host) = host {
            self.step_down(&host, effects);
        }
        self.set_role(actor, Role::Host, effects);
        Ok(())
    }

    fn make_manager(
        &mut self,
        identity: &Identity,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if self.role_of(identity)? == Role::Host {
            return Err(not_possible("this user is the host"));
        }
        self.set_role(identity, Role::Manager, effects);
        Ok(())
    }

    fn revoke_manager(
        &mut self,
        identity: &Identity,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if self.role_of(identity)? != Role::Manager {
            return Err(not_possible("this user is not a manager"));
        }
        self.set_role(identity, Role::Participant, effects);
        Ok(())
    }

    fn leave(&mut self, actor: &Identity, now: Millis, effects: &mut Vec<Effect>) {
        self.tell_ended(actor, EndReason::Left, effects);
        let seen = self.members.get(actor).is_some_and(|one| one.sid.is_some());
        if seen {
            effects.push(Effect::Engine(Command::Remove {
                identity: actor.clone(),
            }));
        }
        self.take_off(actor, LeaveReason::Left, now, effects);
    }
}

/// What an action takes.
fn privilege(actor: &Identity, action: &Action) -> Option<Privilege> {
    Some(match action {
        Action::Rename { identity, .. } => {
            let of_other = identity.as_ref().is_some_and(|whom| whom != actor);
            return of_other.then_some(Privilege::RenameOthers);
        }
        Action::Mute { .. } => Privilege::MuteOthers,
        Action::AskToUnmute { .. } => Privilege::AskToUnmute,
        Action::Remove { .. } => Privilege::Remove,
        Action::LockShare { .. } => Privilege::LockShare,
        Action::TransferHost { .. } => Privilege::TransferHost,
        Action::MakeManager { .. } | Action::RevokeManager { .. } => Privilege::ChangeManagers,
        Action::StartLiveStream { .. } | Action::StopLiveStream => Privilege::LiveStream,
        Action::End { .. } => Privilege::End,
        Action::AnswerUnmute { .. } | Action::ReclaimHost | Action::Leave => return None,
    })
}

fn unknown_user(identity: &Identity) -> Refusal {
    let shown: String = identity.as_str().chars().take(64).collect();
    Refusal::new(
        RefusalCode::UnknownUser,
        format!("no user {shown:?} is in this session"),
    )
}

fn not_possible(words: &str) -> Refusal {
    Refusal::new(RefusalCode::NotPossible, words)
}

fn no_live_stream(streams: LiveStreams) -> Refusal {
    match streams {
        LiveStreams::NotSupported => Refusal::new(
            RefusalCode::NotSupported,
            "this server's engine streams no session live",
        ),
    }
}
