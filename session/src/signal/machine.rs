//! What signalling does next, without sockets or clocks.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use greenroom_protocol::livekit::proto;
use proto::Message as _;
use proto::leave_request::Action;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use proto::{DisconnectReason, JoinResponse, LeaveRequest, ReconnectReason, ReconnectResponse};

use super::error::NotSent;
use super::ping::PingClock;

/// Longest wait for the first message of a connection that stands. Source: LiveKit's own clients.
pub const FIRST_RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a lost connection is resumed before it is joined anew. LiveKit keeps a participant whose
/// signalling is lost for about this time.
pub const RESUME_FOR: Duration = Duration::from_secs(15);

/// How long a lost connection is restored at all. After this the session counts a user as gone.
pub const RECONNECT_FOR: Duration = Duration::from_secs(30);

/// Requests that wait for a connection that is being restored. A user does not cause more.
pub const MAX_QUEUED_REQUESTS: usize = 64;

/// Waits before the attempts to restore a connection; the last one repeats.
const DELAYS: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(300),
    Duration::from_millis(800),
    Duration::from_millis(1_500),
    Duration::from_millis(3_000),
    Duration::from_millis(5_000),
];

/// What a new connection is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The first join.
    Join,
    /// The same participant goes on.
    Resume {
        /// The participant's id, which the server looks for.
        sid: String,
        /// Why, for the server.
        reason: ReconnectReason,
    },
    /// A full reconnection: the same person joins anew.
    Rejoin,
}

/// Why a connection could not be opened, as far as it decides what is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The server said no to the token; asking again does not help.
    Denied,
    /// It was not reached, or cannot take anybody now.
    Unavailable,
}

/// Why signalling ended for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// We left.
    Left,
    /// The server ended it.
    Server(DisconnectReason),
    /// The connection was lost and did not come back in time.
    ConnectionLost,
    /// The server no longer takes the token.
    Denied,
    /// No `JoinResponse` came.
    NoJoinResponse,
    /// What came first was no message of LiveKit.
    NotLiveKit,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Left => "we left",
            Self::ConnectionLost => "the connection was lost",
            Self::Denied => "the token is no longer taken",
            Self::NoJoinResponse => "no JoinResponse came",
            Self::NotLiveKit => "it does not speak LiveKit's protocol",
            Self::Server(reason) => match reason {
                DisconnectReason::DuplicateIdentity => "the same identity joined elsewhere",
                DisconnectReason::ServerShutdown => "the server shuts down",
                DisconnectReason::ParticipantRemoved => "the participant was removed",
                DisconnectReason::RoomDeleted => "the room was ended",
                DisconnectReason::RoomClosed => "the room was closed",
                DisconnectReason::ConnectionTimeout => "the server heard nothing for too long",
                DisconnectReason::MediaFailure => "the media connection failed",
                DisconnectReason::JoinFailure => "the join failed",
                DisconnectReason::StateMismatch => "the server's state does not match",
                other => return write!(f, "the server ended it: {}", other.as_str_name()),
            },
        })
    }
}

/// What signalling tells.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SignalEvent {
    /// Joined, or joined anew after [`SignalEvent::Reconnecting`].
    Joined(Box<JoinResponse>),
    /// The connection was resumed; the participant is the same.
    Resumed(Box<ReconnectResponse>),
    /// Any other message.
    Response(Box<Response>),
    /// A ping was answered.
    Rtt(Duration),
    /// The connection was lost, or the server asked for a new one.
    Reconnecting {
        /// The participant goes on if this succeeds; else everything begins anew.
        resume: bool,
    },
    /// The end; nothing follows.
    Ended(EndReason),
}

/// What the driver does.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Opens a connection, then tells [`SignalMachine::opened`] or [`SignalMachine::refused`].
    Open(Attempt),
    /// Sends a binary message.
    Send(Vec<u8>),
    /// Closes the connection that there is, opened or not.
    Close,
    /// Tells the application.
    Event(SignalEvent),
}

#[derive(Debug)]
enum Phase {
    Idle,
    /// The driver opens a connection.
    Opening(Attempt),
    /// It stands, and nothing came yet.
    Awaiting(Attempt, Instant),
    Open,
    /// Until the next attempt.
    Waiting(Instant),
    Ended,
}

/// Since when and how a connection is being restored.
#[derive(Debug)]
struct Restoring {
    since: Instant,
    attempts: usize,
    reason: ReconnectReason,
    /// The server no longer knows the participant, or wants it anew.
    anew: bool,
}

/// The state machine of one client.
#[derive(Debug)]
pub struct SignalMachine {
    phase: Phase,
    outputs: VecDeque<Output>,
    /// The participant's id, once joined.
    sid: Option<String>,
    pings: Option<PingClock>,
    restoring: Option<Restoring>,
    queue: VecDeque<Request>,
    undecodable: u64,
}

impl Default for SignalMachine {
    fn default() -> Self {
        Self::new()
    }
}

impl SignalMachine {
    /// A machine that has not begun.
    pub fn new() -> Self {
        Self {
            phase: Phase::Idle,
            outputs: VecDeque::new(),
            sid: None,
            pings: None,
            restoring: None,
            queue: VecDeque::new(),
            undecodable: 0,
        }
    }

    /// Begins with the first join.
    pub fn start(&mut self) {
        if matches!(self.phase, Phase::Idle) {
            self.open(Attempt::Join);
        }
    }

    /// The connection stands.
    pub fn opened(&mut self, now: Instant) {
        if let Phase::Opening(attempt) = &self.phase {
            self.phase = Phase::Awaiting(attempt.clone(), now + FIRST_RESPONSE_TIMEOUT);
        }
    }

    /// The connection could not be opened.
    pub fn refused(&mut self, now: Instant, refusal: Refusal) {
        let Phase::Opening(attempt) = &self.phase else {
            return;
        };
        match (attempt, refusal) {
            (Attempt::Join, Refusal::Unavailable) => self.end(EndReason::ConnectionLost),
            (Attempt::Join | Attempt::Rejoin, Refusal::Denied) => self.end(EndReason::Denied),
            // Servers refuse to resume whom they no longer know; whether the token is good is
            // then told by a join.
            (Attempt::Resume { .. }, Refusal::Denied) => {
                self.begin_anew();
                self.wait(now);
            }
            (Attempt::Resume { .. } | Attempt::Rejoin, Refusal::Unavailable) => self.wait(now),
        }
    }

    /// A binary message came.
    pub fn received(&mut self, now: Instant, frame: &[u8]) {
        if !matches!(self.phase, Phase::Awaiting(..) | Phase::Open) {
            return;
        }
        let message = proto::SignalResponse::decode(frame).map(|response| response.message);
        let Ok(Some(message)) = message else {
            self.undecodable += 1;
            if matches!(self.phase, Phase::Awaiting(Attempt::Join, _)) {
                self.end(EndReason::NotLiveKit);
            }
            return;
        };
        if let Some(pings) = &mut self.pings {
            pings.hear(now);
        }
        match message {
            Response::Leave(leave) => self.left_by_server(now, &leave),
            message if matches!(self.phase, Phase::Open) => self.respond(now, message),
            message => self.respond_first(now, message),
        }
    }

    /// The connection is gone.
    pub fn closed(&mut self, now: Instant) {
        match &self.phase {
            Phase::Awaiting(Attempt::Join, _) => self.end(EndReason::ConnectionLost),
            Phase::Awaiting(..) => self.wait(now),
            Phase::Open => self.lose(now, ReconnectReason::RrSignalDisconnected),
            Phase::Idle | Phase::Opening(_) | Phase::Waiting(_) | Phase::Ended => {}
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        match &self.phase {
            Phase::Awaiting(attempt, until) if now >= *until => {
                if *attempt == Attempt::Join {
                    self.end(EndReason::NoJoinResponse);
                } else {
                    self.outputs.push_back(Output::Close);
                    self.wait(now);
                }
            }
            Phase::Waiting(until) if now >= *until => self.try_again(now),
            Phase::Open => self.ping(now),
            _ => {}
        }
    }

    /// Sends a request, now or when the connection is back.
    ///
    /// Of what concerns the media connections alone (offer, answer, trickle) nothing is kept, since a new
    /// connection begins with new ones.
    ///
    /// # Errors
    /// When too much waits already, or signalling has ended.
    pub fn request(&mut self, request: Request) -> Result<(), NotSent> {
        match self.phase {
            Phase::Ended | Phase::Idle => Err(NotSent::Ended),
            Phase::Open => {
                self.send(request);
                Ok(())
            }
            _ if is_of_a_connection(&request) => Ok(()),
            _ if self.queue.len() >= MAX_QUEUED_REQUESTS => Err(NotSent::QueueFull),
            _ => {
                self.queue.push_back(request);
                Ok(())
            }
        }
    }

    /// The media connections are broken, so that signalling is begun anew for them: resumed, or joined
    /// anew if `anew`.
    pub fn reconnect(&mut self, now: Instant, reason: ReconnectReason, anew: bool) {
        if matches!(self.phase, Phase::Open) {
            self.outputs.push_back(Output::Close);
            self.lose(now, reason);
            if anew {
                self.begin_anew();
            }
        } else if anew {
            self.begin_anew();
        }
    }

    /// Everything works again, media too: the next loss is given its full time.
    pub fn recovered(&mut self) {
        if matches!(self.phase, Phase::Open) {
            self.restoring = None;
        }
    }

    /// Leaves for good.
    pub fn leave(&mut self) {
        if matches!(self.phase, Phase::Open | Phase::Awaiting(..)) {
            self.send(Request::Leave(LeaveRequest {
                reason: DisconnectReason::ClientInitiated.into(),
                action: Action::Disconnect.into(),
                ..LeaveRequest::default()
            }));
        }
        self.end(EndReason::Left);
    }

    /// What is to be done.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`SignalMachine::tick`] wants to be called, at the latest.
    pub fn wake_at(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Awaiting(_, until) | Phase::Waiting(until) => Some(*until),
            Phase::Open => self.pings.as_ref().map(PingClock::wake_at),
            Phase::Idle | Phase::Opening(_) | Phase::Ended => None,
        }
    }

    /// Nothing follows.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// Messages that could not be read, and were passed over.
    pub fn undecodable(&self) -> u64 {
        self.undecodable
    }

    fn respond_first(&mut self, now: Instant, message: Response) {
        let Phase::Awaiting(attempt, _) = &self.phase else {
            return;
        };
        let resumes = matches!(attempt, Attempt::Resume { .. });
        match message {
            Response::Join(join) => self.joined(now, join),
            Response::Reconnect(response) if resumes => {
                self.stand(now);
                self.tell(SignalEvent::Resumed(Box::new(response)));
                self.flush();
            }
            // Older servers resume without a word.
            message if resumes => {
                self.stand(now);
                self.tell(SignalEvent::Resumed(Box::default()));
                self.flush();
                self.respond(now, message);
            }
            _ if *attempt == Attempt::Join => self.end(EndReason::NotLiveKit),
            _ => {
                self.outputs.push_back(Output::Close);
                self.wait(now);
            }
        }
    }

    /// A `JoinResponse` in answer to a resumption means that the server has made us anew.
    fn joined(&mut self, now: Instant, join: JoinResponse) {
        self.sid = join.participant.as_ref().map(|me| me.sid.clone());
        self.pings = Some(PingClock::new(now, join.ping_interval, join.ping_timeout));
        self.queue.clear();
        self.stand(now);
        self.tell(SignalEvent::Joined(Box::new(join)));
    }

    fn stand(&mut self, now: Instant) {
        if let Some(pings) = &mut self.pings {
            pings.restart(now);
        }
        self.phase = Phase::Open;
    }

    fn flush(&mut self) {
        while let Some(request) = self.queue.pop_front() {
            self.send(request);
        }
    }

    fn respond(&mut self, now: Instant, message: Response) {
        match message {
            Response::PongResp(pong) => {
                let pings = self.pings.as_mut();
                let rtt = pings.and_then(|pings| pings.answer(now, pong.last_ping_timestamp));
                if let Some(rtt) = rtt {
                    self.tell(SignalEvent::Rtt(rtt));
                }
            }
            Response::Pong(_) => {}
            // Only the first message of a connection may be one of these.
            Response::Join(_) | Response::Reconnect(_) => self.undecodable += 1,
            message => self.tell(SignalEvent::Response(Box::new(message))),
        }
    }

    fn left_by_server(&mut self, now: Instant, leave: &LeaveRequest) {
        let action = Action::try_from(leave.action).unwrap_or(Action::Disconnect);
        let joining = matches!(self.phase, Phase::Awaiting(Attempt::Join, _));
        // Servers before protocol 13 know no action, and say with a flag that we may come back.
        if joining || (action == Action::Disconnect && !leave.can_reconnect) {
            let reason = DisconnectReason::try_from(leave.reason);
            self.end(EndReason::Server(
                reason.unwrap_or(DisconnectReason::UnknownReason),
            ));
            return;
        }
        self.outputs.push_back(Output::Close);
        let was_open = matches!(self.phase, Phase::Open);
        if was_open {
            self.lose(now, ReconnectReason::RrSignalDisconnected);
        }
        if action != Action::Resume {
            self.begin_anew();
        }
        if !was_open {
            self.wait(now);
        }
    }

    fn ping(&mut self, now: Instant) {
        let Some(pings) = &mut self.pings else { return };
        if pings.is_dead(now) {
            self.outputs.push_back(Output::Close);
            self.lose(now, ReconnectReason::RrSignalDisconnected);
            return;
        }
        if let Some((timestamp, rtt)) = pings.due(now) {
            self.send(Request::PingReq(proto::Ping { timestamp, rtt }));
        }
    }

    /// The connection that stood is lost. A loss in the midst of restoring continues that, so that a
    /// server which takes us and drops us again does not keep us for ever.
    fn lose(&mut self, now: Instant, reason: ReconnectReason) {
        let restoring = self.restoring.get_or_insert(Restoring {
            since: now,
            attempts: 0,
            reason,
            anew: false,
        });
        restoring.reason = reason;
        let resume = !restoring.anew && self.sid.is_some();
        self.tell(SignalEvent::Reconnecting { resume });
        self.wait(now);
    }

    fn begin_anew(&mut self) {
        let Some(restoring) = &mut self.restoring else {
            return;
        };
        if !std::mem::replace(&mut restoring.anew, true) {
            self.queue.clear();
            self.tell(SignalEvent::Reconnecting { resume: false });
        }
    }

    fn wait(&mut self, now: Instant) {
        let Some(restoring) = &mut self.restoring else {
            self.end(EndReason::ConnectionLost);
            return;
        };
        let delay = DELAYS[restoring.attempts.min(DELAYS.len() - 1)];
        restoring.attempts += 1;
        let end = restoring.since + RECONNECT_FOR;
        if now + delay >= end {
            self.end(EndReason::ConnectionLost);
        } else {
            self.phase = Phase::Waiting(now + delay);
        }
    }

    fn try_again(&mut self, now: Instant) {
        let (since, reason, anew) = match &self.restoring {
            Some(restoring) => (restoring.since, restoring.reason, restoring.anew),
            None => return self.end(EndReason::ConnectionLost),
        };
        let sid = self.sid.clone().filter(|_| !anew);
        match sid {
            Some(sid) if now < since + RESUME_FOR => self.open(Attempt::Resume { sid, reason }),
            _ => {
                self.begin_anew();
                self.open(Attempt::Rejoin);
            }
        }
    }

    fn open(&mut self, attempt: Attempt) {
        self.outputs.push_back(Output::Open(attempt.clone()));
        self.phase = Phase::Opening(attempt);
    }

    fn end(&mut self, reason: EndReason) {
        if !self.has_ended() {
            self.phase = Phase::Ended;
            self.restoring = None;
            self.queue.clear();
            self.outputs.push_back(Output::Close);
            self.tell(SignalEvent::Ended(reason));
        }
    }

    fn send(&mut self, request: Request) {
        let message = Some(request);
        let frame = proto::SignalRequest { message }.encode_to_vec();
        self.outputs.push_back(Output::Send(frame));
    }

    fn tell(&mut self, event: SignalEvent) {
        self.outputs.push_back(Output::Event(event));
    }
}

/// Whether a request means nothing on another connection.
fn is_of_a_connection(request: &Request) -> bool {
    matches!(
        request,
        Request::Offer(_)
            | Request::Answer(_)
            | Request::Trickle(_)
            | Request::Ping(_)
            | Request::PingReq(_)
            | Request::SyncState(_)
    )
}
