//! The machine in virtual time.

use std::time::{Duration, Instant};

use greenroom_protocol::livekit::proto;
use proptest::prelude::*;
use proto::Message as _;
use proto::leave_request::Action;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use proto::{DisconnectReason, ReconnectReason};

use crate::signal::*;

struct Bench {
    machine: SignalMachine,
    now: Instant,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "a moment to count from")]
    fn new() -> Self {
        let mut machine = SignalMachine::new();
        machine.start();
        Self {
            machine,
            now: Instant::now(),
        }
    }

    fn joined() -> Self {
        let mut bench = Self::new();
        assert_eq!(bench.outputs(), [Output::Open(Attempt::Join)]);
        bench.open_and_receive(join("PA_1"));
        let outputs = bench.outputs();
        assert!(matches!(
            outputs[..],
            [Output::Event(SignalEvent::Joined(_))]
        ));
        bench
    }

    fn pass(&mut self, span: Duration) {
        self.now += span;
        self.machine.tick(self.now);
    }

    /// Goes to the next moment that the machine asks for.
    fn pass_to_wake(&mut self) -> Duration {
        let at = self.machine.wake_at().expect("waits for something");
        let span = at.saturating_duration_since(self.now);
        self.pass(span);
        span
    }

    fn receive(&mut self, message: Response) {
        let message = Some(message);
        let frame = proto::SignalResponse { message }.encode_to_vec();
        self.machine.received(self.now, &frame);
    }

    fn open_and_receive(&mut self, message: Response) {
        self.machine.opened(self.now);
        self.receive(message);
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.machine.poll()).collect()
    }

    /// What is sent, opened, closed and told, with the messages that are sent read again.
    fn requests(&mut self) -> Vec<Request> {
        let sent = self
            .outputs()
            .into_iter()
            .filter_map(|output| match output {
                Output::Send(frame) => proto::SignalRequest::decode(&frame[..]).unwrap().message,
                _ => None,
            });
        sent.collect()
    }
}

fn join(sid: &str) -> Response {
    Response::Join(proto::JoinResponse {
        participant: Some(proto::ParticipantInfo {
            sid: sid.to_owned(),
            ..Default::default()
        }),
        ping_interval: 5,
        ping_timeout: 15,
        ..Default::default()
    })
}

fn leave(action: Action, reason: DisconnectReason) -> Response {
    Response::Leave(proto::LeaveRequest {
        reason: reason.into(),
        action: action.into(),
        ..Default::default()
    })
}

fn mute() -> Request {
    Request::Mute(proto::MuteTrackRequest {
        sid: "TR_1".to_owned(),
        muted: true,
    })
}

const RESUME: Output = Output::Event(SignalEvent::Reconnecting { resume: true });
const ANEW: Output = Output::Event(SignalEvent::Reconnecting { resume: false });

fn ended(reason: EndReason) -> [Output; 2] {
    [Output::Close, Output::Event(SignalEvent::Ended(reason))]
}

fn resume(sid: &str, reason: ReconnectReason) -> Output {
    let sid = sid.to_owned();
    Output::Open(Attempt::Resume { sid, reason })
}

#[test]
fn a_first_connection_that_fails_is_not_tried_again() {
    let mut bench = Bench::new();
    bench.outputs();
    bench.machine.refused(bench.now, Refusal::Unavailable);
    assert_eq!(bench.outputs(), ended(EndReason::ConnectionLost));
    assert!(bench.machine.has_ended());
}

#[test]
fn a_server_that_says_nothing_ends_the_join_after_five_seconds() {
    let mut bench = Bench::new();
    bench.outputs();
    bench.machine.opened(bench.now);
    bench.pass(FIRST_RESPONSE_TIMEOUT - Duration::from_millis(1));
    assert_eq!(bench.outputs(), []);
    assert_eq!(bench.pass_to_wake(), Duration::from_millis(1));
    assert_eq!(bench.outputs(), ended(EndReason::NoJoinResponse));
}

#[test]
fn what_is_no_message_of_livekit_ends_a_join_and_nothing_later() {
    let mut bench = Bench::new();
    bench.outputs();
    bench.machine.opened(bench.now);
    bench.machine.received(bench.now, b"<html>");
    assert_eq!(bench.outputs(), ended(EndReason::NotLiveKit));

    let mut bench = Bench::joined();
    bench.machine.received(bench.now, b"<html>");
    bench.machine.received(bench.now, b"");
    assert_eq!(bench.outputs(), []);
    assert_eq!(bench.machine.undecodable(), 2);
}

#[test]
fn pings_follow_the_interval_and_tell_the_last_round_trip() {
    let mut bench = Bench::joined();
    assert_eq!(bench.pass_to_wake(), Duration::ZERO);
    let [Request::PingReq(first)] = bench.requests()[..] else {
        panic!("a ping at once");
    };
    assert_eq!(first.rtt, 0);
    bench.now += Duration::from_micros(40_500);
    bench.receive(Response::PongResp(proto::Pong {
        last_ping_timestamp: first.timestamp,
        timestamp: 0,
    }));
    let told = Output::Event(SignalEvent::Rtt(Duration::from_micros(40_500)));
    assert_eq!(bench.outputs(), [told]);
    assert_eq!(bench.pass_to_wake(), Duration::from_micros(4_959_500));
    let [Request::PingReq(second)] = bench.requests()[..] else {
        panic!("a ping after the interval");
    };
    assert_eq!((second.rtt, second.timestamp), (40, 5_000));
}

#[test]
fn a_forged_or_repeated_pong_is_no_measurement() {
    let mut bench = Bench::joined();
    bench.pass_to_wake();
    let [Request::PingReq(ping)] = bench.requests()[..] else {
        panic!("a ping");
    };
    for stamp in [i64::MIN, -1, 0, 77, i64::MAX] {
        bench.receive(Response::PongResp(proto::Pong {
            last_ping_timestamp: stamp,
            timestamp: 0,
        }));
    }
    assert_eq!(bench.outputs(), []);
    let answer = Response::PongResp(proto::Pong {
        last_ping_timestamp: ping.timestamp,
        timestamp: 0,
    });
    bench.receive(answer.clone());
    bench.receive(answer);
    assert_eq!(bench.outputs().len(), 1);
}

#[test]
fn a_silent_server_is_left_after_its_timeout_and_resumed() {
    let mut bench = Bench::joined();
    let start = bench.now;
    while !bench.outputs().contains(&RESUME) {
        bench.pass_to_wake();
    }
    assert_eq!(bench.now - start, Duration::from_secs(15));
    bench.pass_to_wake();
    let reason = ReconnectReason::RrSignalDisconnected;
    assert_eq!(bench.outputs(), [resume("PA_1", reason)]);
}

#[test]
fn any_message_shows_that_the_server_lives() {
    let mut bench = Bench::joined();
    for _ in 0..20 {
        bench.pass(Duration::from_secs(5));
        bench.receive(Response::RoomUpdate(proto::RoomUpdate::default()));
        assert!(!bench.outputs().contains(&RESUME));
    }
}

#[test]
fn a_lost_connection_is_resumed_and_what_waited_is_sent() {
    let mut bench = Bench::joined();
    bench.machine.closed(bench.now);
    assert_eq!(bench.outputs(), [RESUME]);
    assert_eq!(bench.machine.request(mute()), Ok(()));
    let stale = Request::Trickle(proto::TrickleRequest::default());
    assert_eq!(bench.machine.request(stale), Ok(()));
    bench.pass_to_wake();
    bench.outputs();
    bench.open_and_receive(Response::Reconnect(proto::ReconnectResponse::default()));
    assert_eq!(bench.requests(), [mute()]);
    assert!(!bench.machine.has_ended());
}

#[test]
fn the_queue_of_a_lost_connection_is_bounded() {
    let mut bench = Bench::joined();
    bench.machine.closed(bench.now);
    for _ in 0..MAX_QUEUED_REQUESTS {
        assert_eq!(bench.machine.request(mute()), Ok(()));
    }
    assert_eq!(bench.machine.request(mute()), Err(NotSent::QueueFull));
}

#[test]
fn a_participant_who_is_no_longer_known_joins_anew() {
    let mut bench = Bench::joined();
    bench.machine.closed(bench.now);
    bench.pass_to_wake();
    bench.outputs();
    bench.machine.opened(bench.now);
    bench.receive(leave(Action::Reconnect, DisconnectReason::StateMismatch));
    assert_eq!(bench.outputs(), [Output::Close, ANEW]);
    bench.pass_to_wake();
    assert_eq!(bench.outputs(), [Output::Open(Attempt::Rejoin)]);
    bench.open_and_receive(join("PA_2"));
    bench.machine.closed(bench.now);
    bench.machine.recovered();
    bench.outputs();
}

#[test]
fn a_refused_resumption_is_followed_by_a_join_and_a_refused_join_by_the_end() {
    let mut bench = Bench::joined();
    bench.machine.closed(bench.now);
    bench.pass_to_wake();
    bench.outputs();
    bench.machine.refused(bench.now, Refusal::Denied);
    assert_eq!(bench.outputs(), [ANEW]);
    bench.pass_to_wake();
    assert_eq!(bench.outputs(), [Output::Open(Attempt::Rejoin)]);
    bench.machine.refused(bench.now, Refusal::Denied);
    assert_eq!(bench.outputs(), ended(EndReason::Denied));
}

#[test]
fn an_unreachable_server_is_resumed_then_joined_anew_then_given_up() {
    let mut bench = Bench::joined();
    let start = bench.now;
    bench.machine.closed(bench.now);
    let mut opened = Vec::new();
    while !bench.machine.has_ended() {
        for output in bench.outputs() {
            if let Output::Open(attempt) = output {
                opened.push((bench.now - start, attempt));
            }
        }
        bench.machine.refused(bench.now, Refusal::Unavailable);
        if !bench.machine.has_ended() {
            bench.pass_to_wake();
        }
    }
    assert!(bench.now - start <= RECONNECT_FOR);
    assert!(bench.now - start >= RECONNECT_FOR - Duration::from_secs(5));
    let (resumed, joined): (Vec<_>, Vec<_>) = opened
        .iter()
        .partition(|(_, attempt)| matches!(attempt, Attempt::Resume { .. }));
    assert!(resumed.len() >= 4 && joined.len() >= 2, "{opened:?}");
    assert!(resumed.iter().all(|(at, _)| *at < RESUME_FOR));
    assert!(joined.iter().all(|(at, _)| *at >= RESUME_FOR));
}

#[test]
fn a_server_that_takes_us_and_drops_us_again_does_not_keep_us_for_ever() {
    let mut bench = Bench::joined();
    let start = bench.now;
    bench.machine.closed(bench.now);
    while !bench.machine.has_ended() {
        bench.pass_to_wake();
        bench.open_and_receive(Response::Reconnect(proto::ReconnectResponse::default()));
        bench.machine.closed(bench.now);
        bench.outputs();
    }
    assert!(bench.now - start <= RECONNECT_FOR);
}

#[test]
fn after_a_recovery_the_next_loss_has_its_full_time() {
    let mut bench = Bench::joined();
    for _ in 0..10 {
        bench.machine.closed(bench.now);
        bench.pass_to_wake();
        assert!(
            bench
                .outputs()
                .contains(&resume("PA_1", ReconnectReason::RrSignalDisconnected))
        );
        bench.open_and_receive(Response::Reconnect(proto::ReconnectResponse::default()));
        bench.machine.recovered();
        bench.outputs();
        bench.now += Duration::from_secs(10);
    }
}

#[test]
fn the_server_ends_a_session_with_its_reason() {
    let mut bench = Bench::joined();
    bench.receive(leave(Action::Disconnect, DisconnectReason::RoomDeleted));
    let reason = EndReason::Server(DisconnectReason::RoomDeleted);
    assert_eq!(bench.outputs(), ended(reason));
    assert_eq!(bench.machine.request(mute()), Err(NotSent::Ended));
}

#[test]
fn leaving_says_goodbye_first() {
    let mut bench = Bench::joined();
    bench.machine.leave();
    let outputs = bench.outputs();
    let [Output::Send(frame), rest @ ..] = &outputs[..] else {
        panic!("a goodbye");
    };
    let goodbye = proto::SignalRequest::decode(&frame[..]).unwrap().message;
    let Some(Request::Leave(goodbye)) = goodbye else {
        panic!("a goodbye");
    };
    assert_eq!(goodbye.reason, i32::from(DisconnectReason::ClientInitiated));
    assert_eq!(rest, ended(EndReason::Left));
}

#[test]
fn broken_media_resumes_with_its_reason_or_begins_anew() {
    let mut bench = Bench::joined();
    let reason = ReconnectReason::RrPublisherFailed;
    bench.machine.reconnect(bench.now, reason, false);
    assert_eq!(bench.outputs(), [Output::Close, RESUME]);
    bench.pass_to_wake();
    assert_eq!(bench.outputs(), [resume("PA_1", reason)]);
    bench.open_and_receive(Response::Reconnect(proto::ReconnectResponse::default()));
    bench.outputs();
    bench.machine.reconnect(bench.now, reason, true);
    assert_eq!(bench.outputs(), [Output::Close, RESUME, ANEW]);
    bench.pass_to_wake();
    assert_eq!(bench.outputs(), [Output::Open(Attempt::Rejoin)]);
}

/// What the world does to a machine.
#[derive(Clone, Debug)]
enum Blow {
    Bytes(Vec<u8>),
    Message(u8),
    Opened,
    Refused(bool),
    Closed,
    Pass(u32),
    Reconnect(bool),
    Request,
    Recovered,
}

fn blow() -> impl Strategy<Value = Blow> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64).prop_map(Blow::Bytes),
        any::<u8>().prop_map(Blow::Message),
        Just(Blow::Opened),
        any::<bool>().prop_map(Blow::Refused),
        Just(Blow::Closed),
        (0..20_000_u32).prop_map(Blow::Pass),
        any::<bool>().prop_map(Blow::Reconnect),
        Just(Blow::Request),
        Just(Blow::Recovered),
    ]
}

fn any_message(kind: u8) -> Response {
    match kind % 8 {
        0 => join("PA_x"),
        1 => Response::Reconnect(proto::ReconnectResponse::default()),
        2 => leave(Action::Resume, DisconnectReason::UnknownReason),
        3 => leave(Action::Reconnect, DisconnectReason::UnknownReason),
        4 => Response::Leave(proto::LeaveRequest {
            action: 99,
            reason: -7,
            can_reconnect: kind > 127,
            ..Default::default()
        }),
        5 => Response::PongResp(proto::Pong {
            last_ping_timestamp: i64::MIN,
            timestamp: i64::MAX,
        }),
        6 => Response::Update(proto::ParticipantUpdate::default()),
        _ => Response::Pong(i64::from(kind)),
    }
}

proptest! {
    /// Whatever comes in whatever order: no panic, at most one connection at a time, nothing after the
    /// end, and an end that comes by itself once nothing more happens.
    #[test]
    fn no_order_of_events_breaks_the_machine(blows in prop::collection::vec(blow(), 0..200)) {
        let mut bench = Bench::new();
        let mut ends = 0;
        for blow in blows {
            match blow {
                Blow::Bytes(bytes) => bench.machine.received(bench.now, &bytes),
                Blow::Message(kind) => bench.receive(any_message(kind)),
                Blow::Opened => bench.machine.opened(bench.now),
                Blow::Refused(denied) => {
                    let refusal = if denied { Refusal::Denied } else { Refusal::Unavailable };
                    bench.machine.refused(bench.now, refusal);
                }
                Blow::Closed => bench.machine.closed(bench.now),
                Blow::Pass(ms) => bench.pass(Duration::from_millis(ms.into())),
                Blow::Reconnect(anew) => {
                    let reason = ReconnectReason::RrSubscriberFailed;
                    bench.machine.reconnect(bench.now, reason, anew);
                }
                Blow::Request => {
                    let _taken = bench.machine.request(mute());
                }
                Blow::Recovered => bench.machine.recovered(),
            }
            for output in bench.outputs() {
                prop_assert_eq!(ends, 0, "something follows the end");
                ends += usize::from(matches!(output, Output::Event(SignalEvent::Ended(_))));
            }
        }
        // From here on nobody answers.
        for _ in 0..200 {
            if bench.machine.has_ended() {
                break;
            }
            bench.machine.refused(bench.now, Refusal::Unavailable);
            if bench.machine.wake_at().is_some() {
                bench.pass_to_wake();
            }
            bench.outputs();
        }
        prop_assert!(bench.machine.has_ended());
        prop_assert_eq!(bench.machine.wake_at(), None);
    }
}
