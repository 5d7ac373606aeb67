//! Against answers that are written here, in virtual time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stun_types::attribute::{AlternateServer, Fingerprint};
use stun_types::prelude::AttributeStaticType as _;

use super::*;

const PEER: &str = "192.0.2.7:4000";
const RELAY: &str = "198.51.100.1:50000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Any moment serves; only differences count.
#[expect(clippy::disallowed_methods, reason = "a moment to count from")]
fn epoch() -> Instant {
    Instant::now()
}

fn machine(is_stream: bool) -> TurnMachine {
    TurnMachine::new(MachineConfig {
        credentials: Some(Credentials {
            username: "alice".to_owned(),
            password: "secret".to_owned(),
        }),
        is_stream,
        wants_ipv6: false,
        first_transaction: 0x1234_5678_9abc,
    })
}

/// What the server signs with.
fn key(password: &str) -> IntegrityKey {
    LongTermKeyCredentials::new("alice".to_owned(), password.to_owned(), "lab".to_owned())
        .make_key(IntegrityAlgorithm::Sha1)
}

fn refusal(request: &[u8], code: u16, nonce: Option<&str>) -> Vec<u8> {
    let request = Message::from_bytes(request).unwrap();
    let mut answer = Message::builder_error(&request, MessageWriteVec::new());
    answer
        .add_attribute(&ErrorCode::new(code, "so it is").unwrap())
        .unwrap();
    if let Some(nonce) = nonce {
        answer.add_attribute(&Realm::new("lab").unwrap()).unwrap();
        answer.add_attribute(&Nonce::new(nonce).unwrap()).unwrap();
    }
    answer.finish()
}

fn success(request: &[u8], password: &str) -> Vec<u8> {
    let request = Message::from_bytes(request).unwrap();
    let mut answer = Message::builder_success(&request, MessageWriteVec::new());
    let id = request.transaction_id();
    answer
        .add_attribute(&XorRelayedAddress::new(address(RELAY), id))
        .unwrap();
    answer
        .add_attribute(&Software::new("a server").unwrap())
        .unwrap();
    answer.add_attribute(&Lifetime::new(120)).unwrap();
    answer
        .add_message_integrity_with_key(&key(password), IntegrityAlgorithm::Sha1)
        .unwrap();
    answer.finish()
}

fn sent(machine: &mut TurnMachine) -> Vec<u8> {
    let bytes = machine.poll_transmit().expect("something to send");
    assert_eq!(machine.poll_transmit(), None);
    bytes
}

/// Up to the answer to the signed request.
fn challenged(machine: &mut TurnMachine, now: Instant) -> Vec<u8> {
    machine.ask(now, Request::Allocate);
    let first = sent(machine);
    machine.received(now, &refusal(&first, 401, Some("n1")));
    assert_eq!(machine.poll_event(), Some(Event::Challenged));
    sent(machine)
}

#[test]
fn an_allocation_is_asked_for_twice_and_signed_the_second_time() {
    let (mut machine, now) = (machine(false), epoch());
    let second = challenged(&mut machine, now);
    let request = Message::from_bytes(&second).unwrap();
    assert!(request.validate_integrity_with_key(&key("secret")).is_ok());
    assert!(request.has_attribute(Fingerprint::TYPE));
    machine.received(now, &success(&second, "secret"));
    assert_eq!(machine.poll_event(), Some(Event::Done(Request::Allocate)));
    let told = machine.told();
    assert_eq!(told.relayed, Some(address(RELAY)));
    assert_eq!(told.software.as_deref(), Some("a server"));
    assert_eq!(told.lifetime, Some(Duration::from_secs(120)));
}

#[test]
fn a_success_that_somebody_else_signed_is_no_answer() {
    let (mut machine, now) = (machine(false), epoch());
    let second = challenged(&mut machine, now);
    machine.received(now, &success(&second, "guess"));
    assert_eq!(machine.poll_event(), None);
    assert_eq!(machine.told().relayed, None);
    assert!(machine.wake_at().is_some());
}

#[test]
fn an_answer_of_another_transaction_and_noise_are_passed_over() {
    let (mut machine, now) = (machine(false), epoch());
    machine.ask(now, Request::Allocate);
    let request = sent(&mut machine);
    let mut other = refusal(&request, 401, Some("n1"));
    other[19] ^= 1;
    machine.received(now, &other);
    for noise in [&[][..], &[0; 3], &[0x40, 0, 0xff, 0xff, 1], &[0xff; 600]] {
        machine.received(now, noise);
    }
    // The request itself, sent back.
    machine.received(now, &request);
    assert_eq!(machine.poll_event(), None);
}

#[test]
fn a_second_refusal_is_the_end_and_tells_code_and_words() {
    for code in [401, 403, 486, 508] {
        let (mut machine, now) = (machine(false), epoch());
        let second = challenged(&mut machine, now);
        machine.received(now, &refusal(&second, code, Some("n2")));
        let refusal = Refusal {
            code,
            reason: "so it is".to_owned(),
            authenticated: true,
        };
        let told = machine.poll_event();
        assert_eq!(told, Some(Event::Refused(Request::Allocate, refusal)));
        assert_eq!(machine.wake_at(), None);
    }
}

#[test]
fn a_stale_nonce_is_renewed_but_not_for_ever() {
    let (mut machine, now) = (machine(false), epoch());
    let mut request = challenged(&mut machine, now);
    for round in 0..MAX_STALE {
        machine.received(now, &refusal(&request, 438, Some("next")));
        assert_eq!(machine.poll_event(), None, "{round}");
        request = sent(&mut machine);
    }
    machine.received(now, &refusal(&request, 438, Some("next")));
    assert!(matches!(
        machine.poll_event(),
        Some(Event::Refused(Request::Allocate, Refusal { code: 438, .. }))
    ));
}

#[test]
fn without_credentials_the_question_is_the_end() {
    let now = epoch();
    let mut machine = TurnMachine::new(MachineConfig {
        credentials: None,
        ..machine(false).config
    });
    machine.ask(now, Request::Allocate);
    let request = sent(&mut machine);
    machine.received(now, &refusal(&request, 401, Some("n1")));
    let told = machine.poll_event();
    assert!(
        matches!(
            told,
            Some(Event::Refused(
                _,
                Refusal {
                    code: 401,
                    authenticated: false,
                    ..
                }
            ))
        ),
        "{told:?}"
    );
}

#[test]
fn another_server_is_told() {
    let (mut machine, now) = (machine(false), epoch());
    machine.ask(now, Request::Allocate);
    let request = sent(&mut machine);
    let request = Message::from_bytes(&request).unwrap();
    let mut answer = Message::builder_error(&request, MessageWriteVec::new());
    answer
        .add_attribute(&ErrorCode::new(300, "Try Alternate").unwrap())
        .unwrap();
    answer
        .add_attribute(&AlternateServer::new(address(PEER)))
        .unwrap();
    machine.received(now, &answer.finish());
    assert_eq!(machine.poll_event(), Some(Event::Redirected(address(PEER))));
}

#[test]
fn over_udp_it_is_sent_again_over_a_stream_not_and_both_end() {
    for (is_stream, times) in [(false, 5), (true, 1)] {
        let (mut machine, began) = (machine(is_stream), epoch());
        machine.ask(began, Request::Allocate);
        let (mut n_sent, mut now) = (0, began);
        loop {
            while machine.poll_transmit().is_some() {
                n_sent += 1;
            }
            match machine.wake_at() {
                Some(at) => now = at,
                None => break,
            }
            machine.wake(now);
        }
        assert_eq!(n_sent, times);
        assert_eq!(now - began, PATIENCE);
        assert_eq!(
            machine.poll_event(),
            Some(Event::NoAnswer(Request::Allocate))
        );
    }
}

#[test]
fn packets_go_through_the_channel_once_it_is_bound() {
    let (mut machine, now) = (machine(true), epoch());
    let second = challenged(&mut machine, now);
    machine.received(now, &success(&second, "secret"));
    assert!(machine.poll_event().is_some());
    machine.send_to(address(PEER), b"hello");
    let bytes = sent(&mut machine);
    assert!(Message::from_bytes(&bytes).unwrap().has_method(SEND));
    machine.ask(now, Request::Channel(address(PEER)));
    let request = sent(&mut machine);
    machine.received(now, &success(&request, "secret"));
    assert!(machine.poll_event().is_some());
    machine.send_to(address(PEER), b"hello");
    let bytes = sent(&mut machine);
    assert_eq!(bytes, b"\x40\x00\x00\x05hello\0\0\0");
    machine.received(now, &bytes);
    let data = Event::Data(address(PEER), b"hello".to_vec());
    assert_eq!(machine.poll_event(), Some(data));
}
