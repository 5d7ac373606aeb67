//! What a session's two peer connections do next, without sockets or clocks.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use greenroom_protocol::livekit::proto::ReconnectReason;

use crate::peer::media_peer::{PeerRole, PeerState};

/// Longest wait for the publisher to connect, in a join and after each reconnection. Checks go on for
/// this long; a path on which none came back by then carries no call.
pub const PUBLISHER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may be disconnected before it is restored. Short losses of a radio link pass by
/// themselves; with the three seconds that the stack takes to notice, five are not exceeded.
const GRACE: Duration = Duration::from_secs(1);

/// Longest wait for an answer to an offer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Makes an offer of the publisher and sends it.
    Offer { restart_ice: bool },
    /// Tells the server what this side has, after a resumption.
    SyncState,
    /// Restores the signalling connection, and the media with it.
    Reconnect(ReconnectReason, bool),
    /// The join is complete.
    TellJoined,
    /// Something is lost.
    TellReconnecting,
    /// Everything is back.
    TellReconnected,
    /// The publisher did not connect in the join.
    FailJoin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Until the publisher is connected.
    Joining(Instant),
    Joined,
    /// Signalling is being restored.
    Signalling,
    /// Media is being restored.
    Media(Instant),
    Failed,
}

#[derive(Debug)]
pub(super) struct Plan {
    phase: Phase,
    publisher: Peer,
    subscriber: Peer,
    /// Until when the answer to the offer that was sent must come.
    answer_until: Option<Instant>,
    /// An offer that has to wait for an answer, or for signalling; with new ICE credentials if true.
    offer_wanted: Option<bool>,
    /// The publisher was the reason to reconnect.
    restart_publisher: bool,
    steps: VecDeque<Step>,
}

#[derive(Debug, Default)]
struct Peer {
    state: PeerState,
    /// When it is given up, if it does not come back.
    until: Option<Instant>,
}

impl Plan {
    /// Signalling has just been joined.
    pub(super) fn new(now: Instant) -> Self {
        let mut plan = Self {
            phase: Phase::Joining(now + PUBLISHER_TIMEOUT),
            publisher: Peer::default(),
            subscriber: Peer::default(),
            answer_until: None,
            offer_wanted: None,
            restart_publisher: false,
            steps: VecDeque::new(),
        };
        plan.offer(now, false);
        plan
    }

    pub(super) fn poll(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// When [`Plan::tick`] wants to be called.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Joining(until) | Phase::Media(until) => Some(until),
            Phase::Joined => [
                self.publisher.until,
                self.subscriber.until,
                self.answer_until,
            ]
            .into_iter()
            .flatten()
            .min(),
            Phase::Signalling | Phase::Failed => None,
        }
    }

    /// The publisher's media changed.
    pub(super) fn negotiate(&mut self, now: Instant) {
        self.offer(now, false);
    }

    /// The answer to the last offer was applied.
    pub(super) fn answered(&mut self, now: Instant) {
        self.answer_until = None;
        if let Some(restart_ice) = self.offer_wanted.take() {
            self.offer(now, restart_ice);
        }
    }

    /// A description of the server was not taken: what stands is not what the server has.
    pub(super) fn not_taken(&mut self, role: PeerRole) {
        if matches!(self.phase, Phase::Joined | Phase::Media(_)) {
            self.rejoin(role);
        }
    }

    pub(super) fn peer_state(&mut self, now: Instant, role: PeerRole, state: PeerState) {
        let peer = match role {
            PeerRole::Publisher => &mut self.publisher,
            PeerRole::Subscriber => &mut self.subscriber,
        };
        peer.state = state;
        peer.until = match state {
            PeerState::Disconnected => Some(peer.until.unwrap_or(now + GRACE)),
            PeerState::Failed | PeerState::Closed => Some(now),
            PeerState::New | PeerState::Connecting => peer.until,
            PeerState::Connected => None,
        };
        match self.phase {
            Phase::Joining(_) if role == PeerRole::Publisher => match state {
                PeerState::Connected => {
                    self.phase = Phase::Joined;
                    self.steps.push_back(Step::TellJoined);
                }
                PeerState::Failed | PeerState::Closed => self.fail_join(),
                _ => {}
            },
            Phase::Joined => self.check_peers(now),
            Phase::Media(_) => match state {
                PeerState::Failed | PeerState::Closed => self.rejoin(role),
                _ => self.finish_recovery(),
            },
            _ => {}
        }
    }

    /// Signalling is lost. In a join that is the end of it: whoever joins can try again.
    pub(super) fn signal_lost(&mut self) {
        if matches!(self.phase, Phase::Joining(_)) {
            self.fail_join();
            return;
        }
        self.void_offer();
        self.lose();
    }

    /// The participant was resumed.
    pub(super) fn resumed(&mut self, now: Instant) {
        if self.phase != Phase::Signalling {
            return;
        }
        self.steps.push_back(Step::SyncState);
        self.phase = Phase::Media(now + PUBLISHER_TIMEOUT);
        let restart = self.restart_publisher || self.publisher.state != PeerState::Connected;
        self.restart_publisher = false;
        if restart {
            // A state of before the restart says nothing any more.
            self.publisher = Peer::default();
            self.offer_wanted = None;
            self.offer(now, true);
        } else if let Some(restart_ice) = self.offer_wanted.take() {
            self.offer(now, restart_ice);
        }
        if self.subscriber.state != PeerState::Connected {
            self.subscriber.until = None;
        }
        self.finish_recovery();
    }

    /// Joined anew, with new peer connections.
    pub(super) fn rejoined(&mut self, now: Instant) {
        if self.phase != Phase::Signalling {
            return;
        }
        *self = Self {
            phase: Phase::Media(now + PUBLISHER_TIMEOUT),
            steps: std::mem::take(&mut self.steps),
            ..Self::new(now)
        };
        self.steps.push_back(Step::Offer { restart_ice: false });
    }

    pub(super) fn tick(&mut self, now: Instant) {
        match self.phase {
            Phase::Joining(until) if now >= until => self.fail_join(),
            Phase::Media(until) if now >= until => {
                let role = match self.publisher.state {
                    PeerState::Connected => PeerRole::Subscriber,
                    _ => PeerRole::Publisher,
                };
                self.rejoin(role);
            }
            Phase::Joined => {
                self.check_peers(now);
                if self.phase == Phase::Joined && self.answer_until.is_some_and(|at| now >= at) {
                    self.reconnect(ReconnectReason::RrUnknown, false);
                }
            }
            _ => {}
        }
    }

    fn offer(&mut self, now: Instant, restart_ice: bool) {
        if self.answer_until.is_some() || self.phase == Phase::Signalling {
            let wanted = self.offer_wanted.unwrap_or(false);
            self.offer_wanted = Some(wanted || restart_ice);
        } else {
            self.answer_until = Some(now + ANSWER_TIMEOUT);
            self.steps.push_back(Step::Offer { restart_ice });
        }
    }

    /// An offer that was sent over a connection that is gone is not answered any more.
    fn void_offer(&mut self) {
        if self.answer_until.take().is_some() {
            self.offer_wanted = Some(self.offer_wanted.unwrap_or(false));
        }
    }

    fn check_peers(&mut self, now: Instant) {
        let due = |peer: &Peer| peer.until.is_some_and(|until| now >= until);
        if due(&self.publisher) {
            self.restart_publisher = true;
            self.reconnect(ReconnectReason::RrPublisherFailed, false);
        } else if due(&self.subscriber) {
            self.reconnect(ReconnectReason::RrSubscriberFailed, false);
        }
    }

    fn rejoin(&mut self, role: PeerRole) {
        let reason = match role {
            PeerRole::Publisher => ReconnectReason::RrPublisherFailed,
            PeerRole::Subscriber => ReconnectReason::RrSubscriberFailed,
        };
        self.reconnect(reason, true);
    }

    fn reconnect(&mut self, reason: ReconnectReason, anew: bool) {
        self.void_offer();
        self.steps.push_back(Step::Reconnect(reason, anew));
        self.lose();
    }

    fn lose(&mut self) {
        match self.phase {
            Phase::Joined => self.steps.push_back(Step::TellReconnecting),
            Phase::Joining(_) | Phase::Failed => return,
            Phase::Signalling | Phase::Media(_) => {}
        }
        self.phase = Phase::Signalling;
    }

    /// A subscriber that has nothing to receive was never begun, which is no fault.
    fn finish_recovery(&mut self) {
        let publisher = self.publisher.state == PeerState::Connected;
        let subscriber = matches!(self.subscriber.state, PeerState::Connected | PeerState::New);
        if publisher && subscriber && matches!(self.phase, Phase::Media(_)) {
            self.phase = Phase::Joined;
            self.steps.push_back(Step::TellReconnected);
        }
    }

    fn fail_join(&mut self) {
        self.phase = Phase::Failed;
        self.steps.push_back(Step::FailJoin);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use PeerRole::{Publisher, Subscriber};
    use PeerState::{Connected, Connecting, Disconnected, Failed};

    struct Bench {
        plan: Plan,
        now: Instant,
    }

    impl Bench {
        #[expect(clippy::disallowed_methods, reason = "a moment to count from")]
        fn new() -> Self {
            let now = Instant::now();
            let plan = Plan::new(now);
            Self { plan, now }
        }

        fn joined() -> Self {
            let mut bench = Self::new();
            bench.steps();
            bench.plan.answered(bench.now);
            bench.state(Publisher, Connected);
            assert_eq!(bench.steps(), [Step::TellJoined]);
            bench
        }

        fn state(&mut self, role: PeerRole, state: PeerState) {
            self.plan.peer_state(self.now, role, state);
        }

        fn pass(&mut self, span: Duration) {
            self.now += span;
            self.plan.tick(self.now);
        }

        fn steps(&mut self) -> Vec<Step> {
            std::iter::from_fn(|| self.plan.poll()).collect()
        }
    }

    const OFFER: Step = Step::Offer { restart_ice: false };
    const RESTART: Step = Step::Offer { restart_ice: true };

    #[test]
    fn a_join_offers_and_is_complete_when_the_publisher_is_connected() {
        let mut bench = Bench::new();
        assert_eq!(bench.steps(), [OFFER]);
        bench.state(Publisher, Connecting);
        bench.state(Subscriber, Connected);
        assert_eq!(bench.steps(), []);
        bench.state(Publisher, Connected);
        assert_eq!(bench.steps(), [Step::TellJoined]);
    }

    #[test]
    fn a_publisher_that_does_not_connect_fails_the_join_once() {
        let mut bench = Bench::new();
        bench.steps();
        bench.pass(PUBLISHER_TIMEOUT);
        bench.state(Publisher, Failed);
        bench.state(Publisher, Connected);
        bench.pass(PUBLISHER_TIMEOUT);
        assert_eq!(bench.steps(), [Step::FailJoin]);
    }

    #[test]
    fn one_offer_is_under_way_at_a_time() {
        let mut bench = Bench::joined();
        for _ in 0..5 {
            bench.plan.negotiate(bench.now);
        }
        assert_eq!(bench.steps(), [OFFER]);
        bench.plan.answered(bench.now);
        assert_eq!(bench.steps(), [OFFER]);
        bench.plan.answered(bench.now);
        assert_eq!(bench.steps(), []);
    }

    #[test]
    fn a_short_loss_passes_and_a_longer_one_restores_within_its_grace() {
        let mut bench = Bench::joined();
        bench.state(Publisher, Disconnected);
        bench.pass(GRACE / 2);
        bench.state(Publisher, Connected);
        bench.pass(GRACE);
        assert_eq!(bench.steps(), []);
        bench.state(Publisher, Disconnected);
        assert_eq!(bench.plan.wake_at(), Some(bench.now + GRACE));
        bench.pass(GRACE);
        let reason = ReconnectReason::RrPublisherFailed;
        assert_eq!(
            bench.steps(),
            [Step::Reconnect(reason, false), Step::TellReconnecting]
        );
        bench.plan.signal_lost();
        bench.plan.resumed(bench.now);
        assert_eq!(bench.steps(), [Step::SyncState, RESTART]);
        bench.plan.answered(bench.now);
        bench.state(Publisher, Connected);
        assert_eq!(bench.steps(), [Step::TellReconnected]);
    }

    #[test]
    fn signalling_alone_comes_back_without_a_restart_of_media() {
        let mut bench = Bench::joined();
        bench.plan.signal_lost();
        assert_eq!(bench.steps(), [Step::TellReconnecting]);
        bench.plan.negotiate(bench.now);
        bench.plan.resumed(bench.now);
        assert_eq!(
            bench.steps(),
            [Step::SyncState, OFFER, Step::TellReconnected]
        );
    }

    #[test]
    fn an_offer_that_was_lost_with_its_connection_is_made_again() {
        let mut bench = Bench::joined();
        bench.plan.negotiate(bench.now);
        bench.steps();
        bench.plan.signal_lost();
        bench.plan.resumed(bench.now);
        assert!(bench.steps().contains(&OFFER));
    }

    #[test]
    fn media_that_does_not_come_back_is_joined_anew() {
        let mut bench = Bench::joined();
        bench.state(Subscriber, Failed);
        let reason = ReconnectReason::RrSubscriberFailed;
        assert_eq!(bench.steps()[0], Step::Reconnect(reason, false));
        bench.plan.signal_lost();
        bench.plan.resumed(bench.now);
        bench.steps();
        bench.pass(PUBLISHER_TIMEOUT);
        assert_eq!(bench.steps(), [Step::Reconnect(reason, true)]);
        bench.plan.signal_lost();
        bench.plan.rejoined(bench.now);
        assert_eq!(bench.steps(), [OFFER]);
        bench.state(Publisher, Connected);
        assert_eq!(bench.steps(), [Step::TellReconnected]);
    }

    #[test]
    fn an_offer_without_an_answer_restores_the_connection() {
        let mut bench = Bench::joined();
        bench.plan.negotiate(bench.now);
        bench.steps();
        bench.pass(ANSWER_TIMEOUT);
        assert_eq!(
            bench.steps()[0],
            Step::Reconnect(ReconnectReason::RrUnknown, false)
        );
    }

    proptest! {
        /// Whatever happens: what was told fits together, and no offer follows one without an answer.
        #[test]
        fn no_order_of_events_confuses_what_is_told(
            blows in prop::collection::vec((0..9_u8, 0..6_u8, 0..3_000_u64), 0..200),
        ) {
            let mut bench = Bench::new();
            prop_assert_eq!(bench.steps(), [OFFER]);
            let (mut joined, mut reconnecting, mut failed, mut open) = (false, false, false, true);
            for (what, state, ms) in blows {
                bench.now += Duration::from_millis(ms);
                let state = [PeerState::New, Connecting, Connected, Disconnected, Failed,
                    PeerState::Closed][usize::from(state)];
                match what {
                    0 | 1 => bench.state(Publisher, state),
                    2 => bench.state(Subscriber, state),
                    3 => bench.plan.negotiate(bench.now),
                    4 => { open = false; bench.plan.answered(bench.now); }
                    5 => { open = false; bench.plan.signal_lost(); }
                    6 => bench.plan.resumed(bench.now),
                    7 => {
                        open = false;
                        bench.plan.signal_lost();
                        bench.plan.rejoined(bench.now);
                    }
                    _ => bench.plan.tick(bench.now),
                }
                for step in bench.steps() {
                    match step {
                        Step::TellJoined => { prop_assert!(!joined && !failed); joined = true; }
                        Step::FailJoin => { prop_assert!(!joined && !failed); failed = true; }
                        Step::TellReconnecting => {
                            prop_assert!(joined && !reconnecting);
                            reconnecting = true;
                        }
                        Step::TellReconnected => {
                            prop_assert!(reconnecting);
                            reconnecting = false;
                        }
                        Step::Reconnect(..) => open = false,
                        Step::Offer { .. } => { prop_assert!(!open); open = true; }
                        Step::SyncState => {}
                    }
                }
            }
        }
    }
}
