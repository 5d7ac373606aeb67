//! The ends of a session: left, ended, failed.

use std::time::Instant;

use greenroom_protocol::session::EndReason;
use greenroom_protocol::session::message::{Action, ClientMessage, ServerMessage};

use super::{Closing, Control, Engine, LEAVE_TIMEOUT, Machine, Output};
use crate::client::error::SessionError;
use crate::client::event::{Failure, SessionEvent, SessionState};

impl Machine {
    /// Begins to leave: session control and the engine are told, and waited for a moment.
    ///
    /// # Errors
    /// When the client is in no session.
    pub(in crate::client) fn leave(&mut self, now: Instant) -> Result<(), SessionError> {
        let what = "leave";
        let Some(active) = self.active.as_mut() else {
            return Err(SessionError::NotJoined { what });
        };
        if active.closing.is_some() {
            return Ok(());
        }
        let known = matches!(active.control, Control::Open { .. });
        let request = known.then_some(self.next_request);
        self.next_request += 1;
        let has_engine = matches!(active.engine, Engine::Joined | Engine::Reconnecting);
        active.closing = Some(Closing {
            until: now + LEAVE_TIMEOUT,
            request,
            engine_left: !has_engine,
        });
        let joining = std::mem::take(&mut active.joining);
        if joining {
            let (what, reason) = ("join", EndReason::Left);
            self.out(Output::JoinDone(Err(SessionError::Ended { what, reason })));
        }
        let reason = EndReason::Left;
        self.end_pending(|what| SessionError::Ended { what, reason });
        match request {
            Some(request) => self.send(ClientMessage::Act {
                request,
                action: Action::Leave,
            }),
            None => self.out(Output::CloseControl),
        }
        self.out(if has_engine {
            Output::LeaveEngine
        } else {
            Output::CloseEngine
        });
        self.finish_if_left();
        Ok(())
    }

    pub(super) fn message_while_leaving(&mut self, message: &ServerMessage) {
        let request = self.closing().and_then(|closing| closing.request);
        let answered = match message {
            ServerMessage::Done { request: number }
            | ServerMessage::Denied {
                request: number, ..
            } => request == Some(*number),
            ServerMessage::Ended { .. } => true,
            _ => false,
        };
        if answered {
            self.control_gone_while_leaving();
        }
    }

    pub(super) fn control_gone_while_leaving(&mut self) {
        if let Some(closing) = self.closing() {
            closing.request = None;
        }
        self.finish_if_left();
    }

    pub(super) fn engine_left(&mut self) {
        if let Some(closing) = self.closing() {
            closing.engine_left = true;
        }
        self.finish_if_left();
    }

    fn closing(&mut self) -> Option<&mut Closing> {
        self.active.as_mut()?.closing.as_mut()
    }

    fn finish_if_left(&mut self) {
        let left = self
            .closing()
            .is_some_and(|closing| closing.request.is_none() && closing.engine_left);
        if left {
            self.finish_leaving();
        }
    }

    pub(super) fn finish_leaving(&mut self) {
        self.finish(SessionState::Left, SessionEvent::Left);
    }

    /// The session is over for this user.
    pub(super) fn ended(&mut self, reason: EndReason, text: Option<String>) {
        if self.is_joining() {
            let what = "join";
            self.fail_join(SessionError::Ended { what, reason });
            return;
        }
        self.end_pending(|what| SessionError::Ended { what, reason });
        if reason == EndReason::Left {
            // Asked for by the same user from elsewhere, as over HTTP.
            self.finish(SessionState::Left, SessionEvent::Left);
            return;
        }
        self.finish(SessionState::Ended, SessionEvent::Ended { reason, text });
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        let reason = EndReason::ConnectionLost;
        self.end_pending(|what| SessionError::Ended { what, reason });
        self.finish(SessionState::Failed, SessionEvent::Failed(failure));
    }

    pub(super) fn fail_join(&mut self, error: SessionError) {
        self.out(Output::JoinDone(Err(error)));
        let failed = SessionEvent::Failed(Failure::Join);
        self.finish(SessionState::Failed, failed);
    }

    fn is_joining(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.joining)
    }

    fn finish(&mut self, state: SessionState, last: SessionEvent) {
        let active = self.active.take();
        let known = active.is_some_and(|one| matches!(one.control, Control::Open { .. }));
        if known && state == SessionState::Failed {
            // Nobody else has to wait for this place, or for this user.
            let (request, action) = (self.next_request, Action::Leave);
            self.next_request += 1;
            self.send(ClientMessage::Act { request, action });
        }
        self.out(Output::CloseEngine);
        self.out(Output::CloseControl);
        self.enter(state);
        self.tell(last);
        self.out(Output::Finished);
    }
}
