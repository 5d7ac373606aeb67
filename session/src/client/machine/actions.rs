//! Actions of the user, and their answers.

use std::time::Instant;

use greenroom_protocol::session::message::{
    Action, ClientMessage, MAX_CLIENT_MESSAGE_BYTES, Refusal,
};

use super::{ACTION_TIMEOUT, Control, Engine, MAX_PENDING, Machine, Output, Pending};
use crate::client::error::SessionError;
use crate::client::event::SessionState;

/// Room for what surrounds an action in its message.
const ENVELOPE_BYTES: usize = 256;

impl Machine {
    /// Whether something that takes the session can be asked for.
    fn check_joined(&self, what: &'static str) -> Result<(), SessionError> {
        match self.state {
            SessionState::Joined | SessionState::Reconnecting if !self.is_closing() => Ok(()),
            SessionState::Idle => Err(SessionError::NotInitialized { what }),
            _ => Err(SessionError::NotJoined { what }),
        }
    }

    /// Asks session control for something; the number is that of its answer.
    ///
    /// # Errors
    /// When the client is in no session, its connection is being restored, or the request is too large.
    pub(in crate::client) fn act(
        &mut self,
        action: Action,
        now: Instant,
    ) -> Result<u64, SessionError> {
        let what = words_of(&action);
        self.check_joined(what)?;
        // Plain data, which always becomes JSON.
        let bytes = serde_json::to_vec(&action).unwrap_or_default().len();
        let limit = MAX_CLIENT_MESSAGE_BYTES - ENVELOPE_BYTES;
        if bytes > limit {
            return Err(SessionError::TooLong { what, bytes, limit });
        }
        let Some(active) = self.active.as_mut() else {
            return Err(SessionError::NotJoined { what });
        };
        if !matches!(active.control, Control::Open { .. }) {
            return Err(SessionError::Reconnecting { what });
        }
        let waiting = active.pending.len();
        if waiting >= MAX_PENDING {
            return Err(SessionError::Busy { what, waiting });
        }
        let request = self.next_request;
        self.next_request += 1;
        let until = now + ACTION_TIMEOUT;
        active.pending.insert(request, Pending { what, until });
        self.send(ClientMessage::Act { request, action });
        Ok(request)
    }

    /// Whether the engine can be used.
    ///
    /// # Errors
    /// When the client is in no session, or the engine's connection is being restored.
    pub(in crate::client) fn check_engine(&self, what: &'static str) -> Result<(), SessionError> {
        self.check_joined(what)?;
        let engine = self.active.as_ref().map(|active| active.engine);
        match engine {
            Some(Engine::Joined) => Ok(()),
            _ => Err(SessionError::Reconnecting { what }),
        }
    }

    pub(super) fn answered(&mut self, request: u64, refusal: Option<Refusal>) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        // One that is not waited for any more came too late.
        let Some(Pending { what, .. }) = active.pending.remove(&request) else {
            return;
        };
        let outcome = match refusal {
            None => Ok(()),
            Some(refusal) => Err(SessionError::Refused { what, refusal }),
        };
        self.out(Output::ActDone(request, outcome));
    }

    pub(super) fn fail_pending(&mut self, why: &str) {
        self.end_pending(|what| SessionError::ControlLost {
            what,
            why: why.to_owned(),
        });
    }

    pub(super) fn end_pending(&mut self, error: impl Fn(&'static str) -> SessionError) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        for (request, pending) in std::mem::take(&mut active.pending) {
            self.outputs
                .push_back(Output::ActDone(request, Err(error(pending.what))));
        }
    }

    pub(super) fn tick_pending(&mut self, now: Instant) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        let late = active
            .pending
            .extract_if(.., |_, pending| now >= pending.until);
        for (request, Pending { what, .. }) in late {
            let after = ACTION_TIMEOUT;
            let error = SessionError::Timeout { what, after };
            self.outputs.push_back(Output::ActDone(request, Err(error)));
        }
    }
}

/// What an action is called in an error, behind "cannot".
const fn words_of(action: &Action) -> &'static str {
    match action {
        Action::Rename { identity: None, .. } => "change the name",
        Action::Rename { .. } => "rename a user",
        Action::Mute { .. } => "mute a user",
        Action::AskToUnmute { .. } => "ask a user to unmute",
        Action::AnswerUnmute { .. } => "answer the question to unmute",
        Action::Remove { .. } => "remove a user",
        Action::LockShare { locked: true } => "lock screen sharing",
        Action::LockShare { locked: false } => "unlock screen sharing",
        Action::TransferHost { .. } => "make another user host",
        Action::ReclaimHost => "take the host's role back",
        Action::MakeManager { .. } => "make a user manager",
        Action::RevokeManager { .. } => "make a manager participant",
        Action::StartLiveStream { .. } => "start a live stream",
        Action::StopLiveStream => "stop the live stream",
        Action::Leave => "leave",
        Action::End { .. } => "end the session",
    }
}
