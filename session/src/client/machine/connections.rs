//! The two connections: what is lost, and how it comes back.

use std::time::{Duration, Instant};

use greenroom_protocol::livekit::proto::DisconnectReason;
use greenroom_protocol::session::EndReason;
use greenroom_protocol::session::message::ClientMessage;

use super::{
    BACK_OFF, Control, ENGINE_WORD, Engine, EngineEnd, Machine, Output, SERVER_SILENCE,
    lost_for_too_long,
};
use crate::client::error::SessionError;
use crate::client::event::{Failure, SessionEvent};

/// What follows from the end of the engine's connection.
enum Verdict {
    Ended(EndReason),
    Fail,
    Again,
}

impl Machine {
    pub(super) fn control_failed(&mut self, error: SessionError, now: Instant) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        if active.control != Control::Opening {
            return;
        }
        if active.closing.is_some() {
            self.control_gone_while_leaving();
        } else if active.joining {
            self.fail_join(error);
        } else {
            active.last_trouble = chain_of(&error);
            self.try_later(None, now);
        }
    }

    pub(super) fn control_heard(&mut self, now: Instant) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        if let Control::Open { heard, .. } = &mut active.control {
            *heard = now;
        }
    }

    pub(super) fn control_lost(&mut self, why: &str, now: Instant) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        if active.closing.is_some() {
            self.control_gone_while_leaving();
            return;
        }
        if matches!(active.control, Control::Waiting { .. } | Control::Opening) {
            return;
        }
        why.clone_into(&mut active.last_trouble);
        self.fail_pending(why);
        let Some(active) = self.active.as_ref() else {
            return;
        };
        // A connection that was opened ahead may have been closed meanwhile, so one more is tried.
        if active.joining && active.admission.is_none() && active.tries > 0 {
            let (what, why) = ("join", why.to_owned());
            self.fail_join(SessionError::ControlLost { what, why });
            return;
        }
        self.try_later(None, now);
    }

    /// Waits before the next try to come back: longer each time, and at least as long as the server says.
    pub(super) fn try_later(&mut self, at_least: Option<Duration>, now: Instant) {
        let spread = self.random_wait();
        let Some(active) = self.active.as_mut() else {
            return;
        };
        let back_off = BACK_OFF[active.tries.min(BACK_OFF.len() - 1)];
        active.tries += 1;
        let wait = back_off.max(at_least.unwrap_or_default()) + spread;
        active.control = Control::Waiting { until: now + wait };
        self.out(Output::CloseControl);
        self.look(now);
    }

    pub(super) fn tick_control(&mut self, now: Instant) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        match active.control {
            Control::Waiting { until } if now >= until => {
                active.control = Control::Opening;
                self.out(Output::OpenControl);
            }
            Control::Open { heard, .. } if now >= heard + SERVER_SILENCE => {
                let seconds = SERVER_SILENCE.as_secs();
                let why = format!("nothing was heard from session control for {seconds} s");
                self.control_lost(&why, now);
            }
            Control::Open { heard, next_beat } if now >= next_beat => {
                let heartbeat = active.admission.as_ref().map(|one| one.heartbeat);
                active.control = Control::Open {
                    heard,
                    next_beat: now + heartbeat.unwrap_or(SERVER_SILENCE),
                };
                self.send(ClientMessage::Heartbeat);
                self.out(Output::PingControl);
            }
            _ => self.tick_list(now),
        }
    }

    pub(super) fn engine_joined(&mut self, now: Instant) {
        if let Some(active) = self.active.as_mut()
            && active.engine == Engine::Joining
        {
            active.engine = Engine::Joined;
            self.look(now);
        }
    }

    pub(super) fn engine_failed(&mut self, error: SessionError, now: Instant) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        if active.engine != Engine::Joining {
            return;
        }
        active.engine = Engine::None;
        if active.closing.is_some() {
            self.engine_left();
        } else if active.joining {
            self.fail_join(error);
        } else {
            active.last_trouble = chain_of(&error);
            self.try_later(None, now);
        }
    }

    pub(super) fn engine_reconnecting(&mut self, now: Instant) {
        self.engine_is(Engine::Joined, Engine::Reconnecting, now);
    }

    pub(super) fn engine_reconnected(&mut self, anew: bool, now: Instant) {
        self.engine_is(Engine::Reconnecting, Engine::Joined, now);
        if anew {
            self.tell(SessionEvent::EngineRejoined);
        }
    }

    fn engine_is(&mut self, before: Engine, after: Engine, now: Instant) {
        if let Some(active) = self.active.as_mut()
            && active.engine == before
        {
            active.engine = after;
            "the engine's connection was lost".clone_into(&mut active.last_trouble);
            self.look(now);
        }
    }

    /// The engine often closes before session control has said why.
    pub(super) fn engine_ended(&mut self, reason: EngineEnd, now: Instant) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        if active.closing.is_some() {
            self.engine_left();
            return;
        }
        if matches!(active.engine, Engine::Joined | Engine::Reconnecting) {
            active.last_trouble = reason.to_string();
            active.engine = Engine::Ended { at: now, reason };
            self.look(now);
        }
    }

    pub(super) fn tick_engine(&mut self, now: Instant) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        let Engine::Ended { at, reason } = active.engine else {
            return;
        };
        if now < at + ENGINE_WORD {
            return;
        }
        match judge(reason) {
            Verdict::Ended(reason) => self.ended(reason, None),
            Verdict::Fail => self.fail(Failure::Engine(reason)),
            Verdict::Again => {
                active.engine = Engine::None;
                // With the return comes a fresh token for the engine.
                if matches!(active.control, Control::Open { .. }) {
                    self.fail_pending("the engine's connection was lost");
                    self.try_later(None, now);
                }
            }
        }
    }

    pub(super) fn tick_loss(&mut self, now: Instant) {
        let Some(active) = self.active.as_ref() else {
            return;
        };
        let given_up = active.give_up_at().is_some_and(|at| now >= at)
            || (active.is_rejoining() && now >= active.join_by);
        if given_up {
            let since = active.lost_since.unwrap_or(now);
            let failure = lost_for_too_long(now - since, &active.last_trouble);
            self.fail(failure);
        }
    }
}

/// What the engine's reason means when session control is silent.
fn judge(reason: EngineEnd) -> Verdict {
    match reason {
        EngineEnd::Server(reason) => match reason {
            DisconnectReason::DuplicateIdentity => Verdict::Ended(EndReason::DuplicateIdentity),
            DisconnectReason::ParticipantRemoved => Verdict::Ended(EndReason::Removed),
            DisconnectReason::RoomDeleted => Verdict::Ended(EndReason::EndedByHost),
            DisconnectReason::ServerShutdown => Verdict::Ended(EndReason::ServerShutdown),
            _ => Verdict::Again,
        },
        EngineEnd::ConnectionLost | EngineEnd::NoJoinResponse | EngineEnd::Denied => Verdict::Again,
        EngineEnd::Left | EngineEnd::NotLiveKit => Verdict::Fail,
    }
}

/// An error and its sources, in one line.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
