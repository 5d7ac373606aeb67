//! What a session client decides: pure, over the time that it is given.
//!
//! After every call, [`Machine::poll`] gives what is to be done. Each wait has an end:
//! [`Machine::wake_at`] tells when to tick next.

mod actions;
mod admission;
mod connections;
mod ending;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenroom_protocol::session::message::{
    ClientMessage, EngineAccess, JoinRequest, ServerMessage, Ticket,
};
use greenroom_protocol::session::{Identity, Roster};

use super::error::SessionError;
use super::event::{Failure, SessionEvent, SessionState};
use crate::signal::EndReason as EngineEnd;

/// Longest time a join takes: 5 s for the control connection, 5 s for its answer, 20 s for the engine.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for the answer to a join or a return.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the answer to an action: the server waits for its engine for five seconds.
pub const ACTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time to leave in order.
pub const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);
/// When nothing was heard from session control for so long, its connection is taken for lost (S95: shown
/// within 5 s). Pings are answered every two seconds.
pub const SERVER_SILENCE: Duration = Duration::from_secs(5);
/// When the engine ends its connection, session control is given so long to say why.
pub const ENGINE_WORD: Duration = Duration::from_secs(2);
/// Actions that wait for answers at a time.
pub const MAX_PENDING: usize = 64;
/// Waits between two tries to come back: the first is at once, spread over a quarter of a second so that
/// not everybody comes in the same moment.
pub(super) const BACK_OFF: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
const SPREAD: Duration = Duration::from_millis(250);
/// A user who was joined anew may be joined anew again after so long without trouble.
const STABLE: Duration = Duration::from_secs(60);

/// What the machine hears.
#[derive(Debug)]
pub(super) enum Input {
    /// The control connection stands.
    ControlOpened,
    /// The control connection could not be opened.
    ControlFailed(SessionError),
    /// Anything came over the control connection.
    ControlHeard,
    /// A message came over the control connection.
    ControlMessage(Box<ServerMessage>),
    /// The control connection is gone.
    ControlClosed(String),
    /// The engine was joined, its publisher connected.
    EngineJoined,
    /// The engine was not joined.
    EngineFailed(SessionError),
    /// The engine's connection is being restored.
    EngineReconnecting,
    /// The engine's connection is back.
    EngineReconnected {
        /// As another participation.
        anew: bool,
    },
    /// The engine's connection has ended.
    EngineEnded(EngineEnd),
    /// The engine's connection was left in order.
    EngineLeft,
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Output {
    /// Open a control connection.
    OpenControl,
    /// Send over the control connection.
    SendControl(ClientMessage),
    /// Send a ping, which the other side answers by itself.
    PingControl,
    /// Close the control connection, or give up opening it.
    CloseControl,
    /// Connect to the engine.
    ConnectEngine(EngineAccess),
    /// Say goodbye to the engine.
    LeaveEngine,
    /// Close the engine's connection, or give up connecting.
    CloseEngine,
    /// The join is over.
    JoinDone(Result<(), SessionError>),
    /// An action is over.
    ActDone(u64, Result<(), SessionError>),
    /// Tell the user.
    Event(SessionEvent),
    /// The session is over and everything of it is closed.
    Finished,
}

/// The machine of one client object.
#[derive(Debug)]
pub(super) struct Machine {
    state: SessionState,
    active: Option<Box<Active>>,
    outputs: VecDeque<Output>,
    next_request: u64,
    random: u64,
}

/// A session that is held or being joined.
#[derive(Debug)]
struct Active {
    request: JoinRequest,
    /// The call to join waits for its answer.
    joining: bool,
    /// By when the join has to be done.
    join_by: Instant,
    admission: Option<Admission>,
    control: Control,
    engine: Engine,
    /// Tries to come back since the last time that all was well.
    tries: usize,
    /// What the last try ended with.
    last_trouble: String,
    /// Since when something is lost.
    lost_since: Option<Instant>,
    /// When the user was joined anew.
    rejoined_at: Option<Instant>,
    roster: Arc<Roster>,
    /// Since when changes are missing.
    stale_since: Option<Instant>,
    pending: BTreeMap<u64, Pending>,
    closing: Option<Closing>,
}

#[derive(Debug)]
struct Admission {
    identity: Identity,
    ticket: Ticket,
    heartbeat: Duration,
    removed_after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    /// Waits for its next try.
    Waiting { until: Instant },
    /// Is being opened.
    Opening,
    /// Stands, and a join or return was asked for.
    Asking { since: Instant },
    /// Stands, and the user is known on it.
    Open { heard: Instant, next_beat: Instant },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    /// None.
    None,
    /// Is being joined.
    Joining,
    /// Stands.
    Joined,
    /// Is restoring itself.
    Reconnecting,
    /// Has ended, and session control may say why.
    Ended { at: Instant, reason: EngineEnd },
}

#[derive(Debug)]
struct Pending {
    what: &'static str,
    until: Instant,
}

#[derive(Debug)]
struct Closing {
    until: Instant,
    /// The request to leave; `None` when there is nobody to ask.
    request: Option<u64>,
    engine_left: bool,
}

impl Machine {
    /// A machine in [`SessionState::Idle`]; `seed` spreads its retries.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: SessionState::Idle,
            active: None,
            outputs: VecDeque::new(),
            next_request: 1,
            random: seed,
        }
    }

    /// Where it is.
    pub(super) const fn state(&self) -> SessionState {
        self.state
    }

    /// What is to be done next.
    pub(super) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The user list; empty outside a session.
    pub(super) fn roster(&self) -> Arc<Roster> {
        let active = self.active.as_ref();
        active.map_or_else(Arc::default, |active| Arc::clone(&active.roster))
    }

    /// Who the user is in the session.
    pub(super) fn identity(&self) -> Option<&Identity> {
        let admission = self.active.as_ref()?.admission.as_ref()?;
        Some(&admission.identity)
    }

    /// The client was initialized.
    pub(super) fn initialized(&mut self) {
        if self.active.is_none() {
            self.enter(SessionState::Initialized);
        }
    }

    /// Back to the beginning, after the end of a session.
    pub(super) fn reset(&mut self) {
        if self.active.is_none() {
            self.enter(SessionState::Idle);
        }
    }

    /// When to tick next.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let active = self.active.as_ref()?;
        let mut moments = Vec::with_capacity(4);
        if let Some(closing) = &active.closing {
            return Some(closing.until);
        }
        if active.joining || active.is_rejoining() {
            moments.push(active.join_by);
        }
        match active.control {
            Control::Waiting { until } => moments.push(until),
            Control::Opening => {}
            Control::Asking { since } => moments.push(since + ANSWER_TIMEOUT),
            Control::Open { heard, next_beat } => {
                moments.extend([heard + SERVER_SILENCE, next_beat]);
            }
        }
        if let Engine::Ended { at, .. } = active.engine {
            moments.push(at + ENGINE_WORD);
        }
        moments.extend(active.give_up_at());
        moments.extend(active.stale_since.map(|since| since + SERVER_SILENCE));
        moments.extend(active.pending.values().map(|pending| pending.until));
        moments.into_iter().min()
    }

    /// Takes what was heard.
    pub(super) fn handle(&mut self, now: Instant, input: Input) {
        if self.active.is_none() {
            return;
        }
        match input {
            Input::ControlOpened => self.control_opened(now),
            Input::ControlFailed(error) => self.control_failed(error, now),
            Input::ControlHeard => self.control_heard(now),
            Input::ControlMessage(message) => {
                self.control_heard(now);
                self.control_message(*message, now);
            }
            Input::ControlClosed(why) => self.control_lost(&why, now),
            Input::EngineJoined => self.engine_joined(now),
            Input::EngineFailed(error) => self.engine_failed(error, now),
            Input::EngineReconnecting => self.engine_reconnecting(now),
            Input::EngineReconnected { anew } => self.engine_reconnected(anew, now),
            Input::EngineEnded(reason) => self.engine_ended(reason, now),
            Input::EngineLeft => self.engine_left(),
            Input::Tick => self.tick(now),
        }
    }

    fn tick(&mut self, now: Instant) {
        if self.is_closing() {
            let over = |closing: &Closing| now >= closing.until;
            let closing = self.active.as_ref().and_then(|one| one.closing.as_ref());
            if closing.is_some_and(over) {
                self.finish_leaving();
            }
            return;
        }
        self.tick_pending(now);
        self.tick_join(now);
        self.tick_control(now);
        self.tick_engine(now);
        self.tick_loss(now);
    }

    fn enter(&mut self, to: SessionState) {
        let from = self.state;
        if from != to {
            self.state = to;
            self.tell(SessionEvent::StateChanged { from, to });
        }
    }

    fn tell(&mut self, event: SessionEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    fn out(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    fn send(&mut self, message: ClientMessage) {
        self.out(Output::SendControl(message));
    }

    fn is_closing(&self) -> bool {
        self.active
            .as_ref()
            .is_some_and(|one| one.closing.is_some())
    }

    /// Joined when both connections stand, reconnecting when one of them was lost.
    fn look(&mut self, now: Instant) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        if active.closing.is_some() {
            return;
        }
        let stands = matches!(active.control, Control::Open { .. })
            && active.engine == Engine::Joined
            && active.admission.is_some();
        if stands {
            active.lost_since = None;
            active.tries = 0;
            if std::mem::take(&mut active.joining) {
                self.out(Output::JoinDone(Ok(())));
            }
            self.enter(SessionState::Joined);
        } else if !active.joining {
            active.lost_since.get_or_insert(now);
            self.enter(SessionState::Reconnecting);
        }
    }

    /// Splitmix64, whose constants are those of its authors: retries need to be spread, not secret.
    fn random_wait(&mut self) -> Duration {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        SPREAD.mul_f64((mixed >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

impl Active {
    /// When what was lost is given up.
    fn give_up_at(&self) -> Option<Instant> {
        let admission = self.admission.as_ref()?;
        let since = self.lost_since.filter(|_| !self.joining)?;
        // What the user was is gone then; a join anew takes as long as a join.
        let longest = match self.rejoined_at {
            Some(at) if at >= since => at - since + JOIN_TIMEOUT,
            _ => admission.removed_after,
        };
        Some(since + longest)
    }

    /// Asks to join as before, since the server knows the user no more.
    const fn is_rejoining(&self) -> bool {
        self.rejoined_at.is_some() && self.admission.is_none()
    }
}

/// The failure of what was lost for too long.
fn lost_for_too_long(after: Duration, last: &str) -> Failure {
    Failure::ConnectionLost {
        after,
        last: last.to_owned(),
    }
}
