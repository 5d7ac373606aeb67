use super::*;
use crate::measure::wire::{HEADER_BYTES, RECEIPT_SPAN, encode};

pub(crate) const T0: MonotonicTime = MonotonicTime::from_nanos(10_000_000_000);

pub(crate) struct Peer {
    pub(crate) from: SocketAddr,
    nonce: u64,
}

impl Peer {
    pub(crate) fn new(from: &str, nonce: u64) -> Self {
        Self {
            from: from.parse().unwrap(),
            nonce,
        }
    }

    pub(crate) fn say(
        &self,
        responder: &mut Responder,
        at: MonotonicTime,
        message: &Message,
        total: usize,
    ) -> Option<(Message, usize)> {
        let mut datagram = Vec::new();
        encode(message, total, &mut datagram);
        let mut reply = Vec::new();
        let arrival = Arrival {
            from: self.from,
            at,
            clock: ClockSource::KernelReceive,
            wall_unix_ns: 7,
        };
        match responder.handle(arrival, &datagram, &mut reply) {
            Handled::Silent => None,
            _ => Some((wire::decode(&reply).unwrap(), reply.len())),
        }
    }

    fn token(&self, responder: &mut Responder, at: MonotonicTime) -> Token {
        let hello = Message::Hello { nonce: self.nonce };
        match self.say(responder, at, &hello, HELLO_BYTES) {
            Some((Message::Challenge { token, .. }, len)) => {
                assert!(len <= HELLO_BYTES);
                token
            }
            other => panic!("no challenge but {other:?}"),
        }
    }

    pub(crate) fn open(
        &self,
        responder: &mut Responder,
        at: MonotonicTime,
    ) -> Result<u64, RefusalCode> {
        let token = self.token(responder, at);
        self.open_with(responder, at, token)
    }

    pub(crate) fn open_with(
        &self,
        responder: &mut Responder,
        at: MonotonicTime,
        token: Token,
    ) -> Result<u64, RefusalCode> {
        let open = Message::Open {
            nonce: self.nonce,
            token,
            duration_ms: 10_000,
        };
        let (answer, len) = self.say(responder, at, &open, OPEN_BYTES).unwrap();
        assert!(len <= OPEN_BYTES);
        match answer {
            Message::Opened(opened) => Ok(opened.session),
            Message::Refused { code, .. } => Err(code),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn responder(limits: Limits) -> Responder {
    Responder::new(&ResponderConfig {
        limits,
        secret: [3; 32],
    })
}

pub(crate) fn echo(session: u64, seq: u32) -> Message {
    Message::Echo(Echo {
        session,
        seq,
        departure_ns: 1,
    })
}

#[test]
fn a_proven_client_gets_its_echo_with_times_counts_and_window() {
    let mut responder = responder(Limits::default());
    let peer = Peer::new("192.0.2.1:5000", 1);
    let session = peer.open(&mut responder, T0).unwrap();
    peer.say(&mut responder, T0, &echo(session, 0), 172);
    let (answer, len) = peer
        .say(&mut responder, T0, &echo(session, 2), 172)
        .unwrap();
    let Message::EchoReply(reply) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(len, 172);
    assert_eq!((reply.seq, reply.received, reply.copy), (2, 2, 1));
    assert_eq!((reply.window, reply.kernel_stamp), (0b101, true));
    assert_eq!(reply.arrival_ns, T0.as_nanos());
}

#[test]
fn another_address_cannot_use_a_session_or_a_token() {
    let mut responder = responder(Limits::default());
    let owner = Peer::new("192.0.2.1:5000", 1);
    let thief = Peer::new("192.0.2.9:5000", 1);
    let session = owner.open(&mut responder, T0).unwrap();
    assert_eq!(thief.say(&mut responder, T0, &echo(session, 0), 172), None);
    let token = owner.token(&mut responder, T0);
    let stolen = thief.open_with(&mut responder, T0, token);
    assert_eq!(stolen, Err(RefusalCode::TokenInvalid));
    assert_eq!(responder.counters().unknown_session, 1);
    assert_eq!(responder.counters().refused_token, 1);
}

#[test]
fn a_replayed_open_makes_no_second_session() {
    let mut responder = responder(Limits::default());
    let peer = Peer::new("192.0.2.1:5000", 1);
    let token = peer.token(&mut responder, T0);
    let first = peer.open_with(&mut responder, T0, token).unwrap();
    for _ in 0..100 {
        assert_eq!(peer.open_with(&mut responder, T0, token), Ok(first));
    }
    assert_eq!(responder.open_sessions(), 1);
}

#[test]
fn an_address_and_the_server_hold_no_more_sessions_than_granted() {
    let limits = Limits {
        max_sessions: 3,
        max_sessions_per_address: 2,
        ..Limits::default()
    };
    let mut responder = responder(limits);
    let open =
        |responder: &mut Responder, from: &str, nonce| Peer::new(from, nonce).open(responder, T0);
    assert!(open(&mut responder, "[2001:db8::1]:1", 1).is_ok());
    assert!(open(&mut responder, "[2001:db8::2]:1", 2).is_ok());
    let third = open(&mut responder, "[2001:db8::ffff]:1", 3);
    assert_eq!(third, Err(RefusalCode::AddressLimit));
    assert!(open(&mut responder, "[2001:db8:1::1]:1", 4).is_ok());
    let fourth = open(&mut responder, "192.0.2.1:1", 5);
    assert_eq!(fourth, Err(RefusalCode::ServerFull));
}

#[test]
fn a_session_ends_with_its_time_and_frees_its_place() {
    let mut responder = responder(Limits::default());
    let peer = Peer::new("192.0.2.1:5000", 1);
    let session = peer.open(&mut responder, T0).unwrap();
    let later = T0.after(Duration::from_secs(10));
    assert_eq!(
        peer.say(&mut responder, later, &echo(session, 0), 172),
        None
    );
    responder.expire(later);
    assert_eq!(responder.open_sessions(), 0);
    responder.expire(later.after(Duration::from_mins(2)));
    assert!(responder.addresses.is_empty() && responder.by_client.is_empty());
}

#[test]
fn packets_beyond_the_rate_are_refused_once_a_second() {
    let limits = Limits {
        max_packets_per_second: 100,
        ..Limits::default()
    };
    let mut responder = responder(limits);
    let peer = Peer::new("192.0.2.1:5000", 1);
    let session = peer.open(&mut responder, T0).unwrap();
    let answers: Vec<_> = (0..200)
        .filter_map(|seq| peer.say(&mut responder, T0, &echo(session, seq), 172))
        .collect();
    let refusals = answers
        .iter()
        .filter(|(m, _)| {
            matches!(
                m,
                Message::Refused {
                    code: RefusalCode::TooFast,
                    ..
                }
            )
        })
        .count();
    assert_eq!((answers.len(), refusals), (33, 1));
}

#[test]
fn a_size_probe_is_answered_with_at_most_the_largest_datagram() {
    let mut responder = responder(Limits::default());
    let peer = Peer::new("192.0.2.1:5000", 1);
    let session = peer.open(&mut responder, T0).unwrap();
    let probe = Message::SizeProbe {
        session,
        id: 4,
        reply_bytes: u16::MAX,
    };
    let (_, len) = peer.say(&mut responder, T0, &probe, 24).unwrap();
    assert_eq!(len, usize::from(Limits::default().max_datagram_bytes));
}

#[test]
fn a_receipt_tells_what_came_in_and_is_as_large_as_its_request() {
    let mut responder = responder(Limits::default());
    let peer = Peer::new("192.0.2.1:5000", 1);
    let session = peer.open(&mut responder, T0).unwrap();
    peer.say(&mut responder, T0, &echo(session, 1), 172);
    let request = Message::ReceiptRequest { session, base: 0 };
    let (answer, len) = peer
        .say(&mut responder, T0, &request, RECEIPT_BYTES)
        .unwrap();
    assert_eq!(len, RECEIPT_BYTES);
    let Message::Receipt(receipt) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(receipt.contains(0), Some(false));
    assert_eq!(receipt.contains(1), Some(true));
    assert_eq!(receipt.contains(RECEIPT_SPAN), None);
    assert_eq!(peer.say(&mut responder, T0, &request, 24), None);
}

#[test]
fn short_requests_get_no_answer() {
    let mut responder = responder(Limits::default());
    let peer = Peer::new("192.0.2.1:5000", 1);
    let hello = Message::Hello { nonce: 1 };
    assert_eq!(peer.say(&mut responder, T0, &hello, HELLO_BYTES - 1), None);
    let session = peer.open(&mut responder, T0).unwrap();
    assert_eq!(peer.say(&mut responder, T0, &echo(session, 0), 63), None);
}

#[test]
fn challenges_are_withheld_when_there_are_too_many() {
    let limits = Limits {
        max_challenges_per_second: 10,
        ..Limits::default()
    };
    let mut responder = responder(limits);
    let peer = Peer::new("192.0.2.1:5000", 1);
    let answered = (0..100)
        .filter(|nonce| {
            let hello = Message::Hello { nonce: *nonce };
            peer.say(&mut responder, T0, &hello, HELLO_BYTES).is_some()
        })
        .count();
    assert_eq!(answered, 10);
}

#[test]
fn garbage_replay_and_ten_thousand_sources_leave_it_bounded() {
    let limits = Limits {
        max_sessions: 100,
        max_challenges_per_second: u32::MAX,
        ..Limits::default()
    };
    let mut responder = responder(limits);
    let mut reply = Vec::new();
    for n in 0..10_000_u32 {
        let from = SocketAddr::from((n.to_be_bytes(), 4000));
        let peer = Peer {
            from,
            nonce: u64::from(n),
        };
        let _ = peer.open(&mut responder, T0);
        let arrival = Arrival {
            from,
            at: T0,
            clock: ClockSource::User,
            wall_unix_ns: 0,
        };
        let garbage = [n.to_be_bytes()[3]; HEADER_BYTES + 30];
        assert_eq!(
            responder.handle(arrival, &garbage, &mut reply),
            Handled::Silent
        );
    }
    assert_eq!(responder.open_sessions(), 100);
    assert_eq!(responder.by_client.len(), 100);
    assert!(responder.addresses.len() <= 100 + IDLE_ADDRESSES);
}
