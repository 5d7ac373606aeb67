//! The join, and the way back: what session control answers, and the user list it tells.

use std::sync::Arc;
use std::time::{Duration, Instant};

use greenroom_protocol::session::message::{
    Admitted, Change, ClientMessage, JoinRequest, Notice, Refusal, RefusalCode, ServerMessage,
    Snapshot,
};
use greenroom_protocol::session::{EndReason, Roster};

use super::{
    ANSWER_TIMEOUT, Active, Admission, Control, Engine, JOIN_TIMEOUT, Machine, Output,
    SERVER_SILENCE, STABLE,
};
use crate::client::error::SessionError;
use crate::client::event::{Failure, SessionEvent, SessionState};

/// Bounds of what a server may ask for.
const HEARTBEATS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
const REMOVALS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

impl Machine {
    /// Begins to join.
    ///
    /// # Errors
    /// When the client is not initialized, or in a session.
    pub(in crate::client) fn join(
        &mut self,
        request: JoinRequest,
        now: Instant,
    ) -> Result<(), SessionError> {
        if self.active.is_some() {
            return Err(SessionError::DuplicateJoin);
        }
        if self.state == SessionState::Idle {
            return Err(SessionError::NotInitialized { what: "join" });
        }
        self.active = Some(Box::new(Active {
            request,
            joining: true,
            join_by: now + JOIN_TIMEOUT,
            admission: None,
            control: Control::Opening,
            engine: Engine::None,
            tries: 0,
            last_trouble: String::new(),
            lost_since: None,
            rejoined_at: None,
            roster: Arc::default(),
            stale_since: None,
            pending: std::collections::BTreeMap::new(),
            closing: None,
        }));
        self.out(Output::OpenControl);
        self.enter(SessionState::Joining);
        Ok(())
    }

    pub(super) fn control_opened(&mut self, now: Instant) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        if active.control != Control::Opening {
            return;
        }
        active.control = Control::Asking { since: now };
        let message = match &active.admission {
            Some(admission) => ClientMessage::Resume {
                ticket: admission.ticket.clone(),
            },
            None => ClientMessage::Join(active.request.clone()),
        };
        self.send(message);
    }

    pub(super) fn control_message(&mut self, message: ServerMessage, now: Instant) {
        if self.is_closing() {
            self.message_while_leaving(&message);
            return;
        }
        match message {
            ServerMessage::Admitted(admitted) => self.admitted(*admitted, now),
            ServerMessage::Refused { error } => self.refused(error, now),
            ServerMessage::Changed { revision, change } => self.changed(revision, change, now),
            ServerMessage::Snapshot(snapshot) => self.replace_list(snapshot),
            ServerMessage::Done { request } => self.answered(request, None),
            ServerMessage::Denied { request, error } => self.answered(request, Some(error)),
            ServerMessage::Notice(notice) => self.tell(event_of(notice)),
            ServerMessage::Ended { reason, text } => self.ended(reason, text),
        }
    }

    fn admitted(&mut self, admitted: Admitted, now: Instant) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        if !matches!(active.control, Control::Asking { .. }) {
            return;
        }
        let heartbeat = milliseconds(admitted.heartbeat_ms, HEARTBEATS);
        active.admission = Some(Admission {
            identity: admitted.identity,
            ticket: admitted.ticket,
            heartbeat,
            removed_after: milliseconds(admitted.removed_after_ms, REMOVALS),
        });
        active.control = Control::Open {
            heard: now,
            next_beat: now + heartbeat,
        };
        let alone = matches!(active.engine, Engine::None | Engine::Ended { .. });
        if alone {
            active.engine = Engine::Joining;
        }
        self.replace_list(admitted.snapshot);
        if alone {
            self.out(Output::ConnectEngine(admitted.engine));
        }
        self.look(now);
    }

    fn refused(&mut self, refusal: Refusal, now: Instant) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        if !matches!(active.control, Control::Asking { .. }) {
            return;
        }
        let wait = refusal.retry_after_ms.map(|ms| milliseconds(ms, REMOVALS));
        if active.joining {
            let what = "let this user join";
            self.fail_join(SessionError::Refused { what, refusal });
            return;
        }
        active.last_trouble.clone_from(&refusal.message);
        match refusal.code {
            RefusalCode::RemovedFromSession => self.ended(EndReason::Removed, None),
            RefusalCode::UnknownTicket if active.may_rejoin(now) => self.join_anew(now),
            RefusalCode::RateLimited
            | RefusalCode::ServerShutdown
            | RefusalCode::EngineFailed
            | RefusalCode::CapacityExceeded => self.try_later(wait, now),
            _ => self.fail(Failure::Refused(refusal)),
        }
    }

    /// The server knows the user no more: it was started anew, or gave them up. They join as they did
    /// before, once.
    fn join_anew(&mut self, now: Instant) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        active.admission = None;
        active.rejoined_at = Some(now);
        active.join_by = now + JOIN_TIMEOUT;
        active.engine = Engine::None;
        active.control = Control::Opening;
        self.out(Output::CloseEngine);
        self.out(Output::CloseControl);
        self.out(Output::OpenControl);
    }

    fn changed(&mut self, revision: u64, change: Change, now: Instant) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        match Arc::make_mut(&mut active.roster).apply(revision, &change) {
            Ok(true) => self.tell(event_of_change(change)),
            Ok(false) => {}
            // The server sends the whole list to who missed something.
            Err(_gap) => {
                active.stale_since.get_or_insert(now);
            }
        }
    }

    fn replace_list(&mut self, snapshot: Snapshot) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        active.stale_since = None;
        let roster = Roster::from_snapshot(snapshot);
        if *active.roster != roster {
            active.roster = Arc::new(roster);
            self.tell(SessionEvent::ListReplaced);
        }
    }

    pub(super) fn tick_join(&mut self, now: Instant) {
        let Some(active) = self.active.as_ref() else {
            return;
        };
        if active.joining && now >= active.join_by {
            let what = "join";
            let after = JOIN_TIMEOUT;
            self.fail_join(SessionError::Timeout { what, after });
            return;
        }
        if let Control::Asking { since } = active.control
            && now >= since + ANSWER_TIMEOUT
        {
            let seconds = ANSWER_TIMEOUT.as_secs();
            let why = format!("session control did not answer within {seconds} s");
            self.out(Output::CloseControl);
            self.control_lost(&why, now);
        }
    }

    /// Changes are missing and no list came: a new connection brings one.
    pub(super) fn tick_list(&mut self, now: Instant) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        let stale = active.stale_since;
        if stale.is_some_and(|since| now >= since + SERVER_SILENCE) {
            active.stale_since = None;
            self.out(Output::CloseControl);
            self.control_lost("changes of the user list are missing", now);
        }
    }
}

impl Active {
    fn may_rejoin(&self, now: Instant) -> bool {
        self.rejoined_at.is_none_or(|at| now >= at + STABLE)
    }
}

fn milliseconds(given: u32, (least, most): (Duration, Duration)) -> Duration {
    Duration::from_millis(given.into()).clamp(least, most)
}

fn event_of(notice: Notice) -> SessionEvent {
    match notice {
        Notice::MutedBy { by } => SessionEvent::MutedBy { by },
        Notice::UnmuteAsked { by } => SessionEvent::UnmuteAsked { by },
        Notice::UnmuteAnswered { identity, accepted } => {
            SessionEvent::UnmuteAnswered { identity, accepted }
        }
        Notice::ShareStopped { by } => SessionEvent::ShareStopped { by },
    }
}

fn event_of_change(change: Change) -> SessionEvent {
    match change {
        Change::UserJoined { user } => SessionEvent::UserJoined { user },
        Change::UserChanged { user } => SessionEvent::UserChanged { user },
        Change::UserLeft { identity, reason } => SessionEvent::UserLeft { identity, reason },
        Change::ShareLocked { locked, by } => SessionEvent::ShareLocked { locked, by },
    }
}
