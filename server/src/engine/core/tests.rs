//! The rooms in virtual time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use greenroom_protocol::livekit::{
    grants::Grants,
    proto::{
        AddTrackRequest, ClientInfo, DataPacket, LeaveRequest, Message as _, ParticipantInfo,
        SessionDescription, SignalRequest, SignalResponse, UserPacket, data_packet::Value,
        participant_info::State, signal_request::Message as Said, signal_response::Message,
    },
};
use proptest::prelude::*;

use super::{
    effect::{ConnId, Effect, Effects, Now, PeerId, TransportCommand, TransportEvent},
    participant::Joining,
    rooms::{JoinRefusal, Rooms},
};
use crate::engine::{
    config::{EngineConfig, EngineLimits},
    event::EngineEventKind,
};

/// Rooms, and what they wanted done.
struct Bench {
    rooms: Rooms,
    now: Now,
    done: Vec<Effect>,
}

impl Bench {
    #[expect(
        clippy::disallowed_methods,
        reason = "some instant is needed to begin at"
    )]
    fn new(change: impl FnOnce(&mut EngineConfig)) -> Self {
        let mut config = EngineConfig::default();
        change(&mut config);
        Self {
            rooms: Rooms::new(Arc::new(config), 1),
            now: Now {
                instant: Instant::now(),
                unix: Duration::from_secs(1_800_000_000),
            },
            done: Vec::new(),
        }
    }

    fn act<T>(&mut self, action: impl FnOnce(&mut Rooms, Now, &mut Effects) -> T) -> T {
        let mut out = Effects::default();
        let result = action(&mut self.rooms, self.now, &mut out);
        self.done.extend(out.0);
        result
    }

    fn join(&mut self, room: &str, identity: &str) -> Result<ConnId, JoinRefusal> {
        let joining = Joining {
            grants: Grants::join(room, identity),
            client: ClientInfo::default(),
            resume: None,
        };
        self.act(|rooms, now, out| rooms.join(joining, now, out))
    }

    fn say(&mut self, conn: ConnId, message: Said) {
        let request = SignalRequest {
            message: Some(message),
        };
        self.act(|rooms, now, out| rooms.receive(conn, request, now, out))
            .unwrap();
    }

    /// Lets time pass, a quarter of a second at a time; those in `alive` are heard of.
    fn pass(&mut self, span: Duration, alive: &[ConnId]) {
        const STEP: Duration = Duration::from_millis(250);
        let mut passed = Duration::ZERO;
        while passed < span {
            passed += STEP;
            self.now.instant += STEP;
            self.now.unix += STEP;
            for conn in alive {
                self.act(|rooms, now, _| rooms.heard(*conn, now));
            }
            self.act(Rooms::tick);
        }
    }

    /// What `conn` was sent since this was asked last; all else is forgotten.
    fn heard(&mut self, conn: ConnId) -> Vec<Message> {
        let done = std::mem::take(&mut self.done).into_iter();
        done.filter_map(|effect| match effect {
            Effect::Send { to, frame } if to.contains(&conn) => {
                SignalResponse::decode(frame).unwrap().message
            }
            _ => None,
        })
        .collect()
    }

    fn updates(&mut self, conn: ConnId) -> Vec<ParticipantInfo> {
        let heard = self.heard(conn).into_iter();
        heard
            .filter_map(|message| match message {
                Message::Update(update) => Some(update.participants),
                _ => None,
            })
            .flatten()
            .collect()
    }

    fn peer(&self, room: &str, identity: &str) -> PeerId {
        self.rooms.by_name[room].participants[identity].peer
    }
}

#[test]
fn a_large_room_tells_of_listeners_in_batches() {
    let mut bench = Bench::new(|config| config.limits.small_room = 2);
    let alice = bench.join("r", "alice").unwrap();
    let bob = bench.join("r", "bob").unwrap();
    bench.done.clear();
    let carol = bench.join("r", "carol").unwrap();
    let dave = bench.join("r", "dave").unwrap();
    let all = [alice, bob, carol, dave];
    assert!(bench.updates(alice).is_empty());
    bench.pass(Duration::from_millis(2750), &all);
    assert!(bench.updates(alice).is_empty());
    bench.pass(Duration::from_millis(500), &all);
    let names: Vec<String> = bench
        .updates(alice)
        .into_iter()
        .map(|it| it.identity)
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    // Who publishes is told of at once, with what was waiting about it gone.
    bench.say(carol, Said::Leave(LeaveRequest::default()));
    let track = AddTrackRequest {
        cid: "mic".to_owned(),
        ..AddTrackRequest::default()
    };
    bench.say(dave, Said::AddTrack(track));
    let told = bench.updates(alice);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].identity, "dave");
    bench.pass(Duration::from_secs(3), &all);
    let told = bench.updates(alice);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].state(), State::Disconnected);
}

#[test]
fn silence_is_a_loss_and_a_loss_ends() {
    let mut bench = Bench::new(|_| {});
    let alice = bench.join("r", "alice").unwrap();
    bench.join("r", "bob").unwrap();
    bench.done.clear();
    let mut events = Vec::new();
    bench.pass(Duration::from_secs(31), &[alice]);
    for effect in &bench.done {
        if let Effect::Event(event) = effect {
            events.push(match &event.kind {
                EngineEventKind::ConnectionLost(info) => format!("{} lost", info.identity),
                EngineEventKind::ParticipantLeft { info, reason } => {
                    format!("{} left {reason:?}", info.identity)
                }
                other => panic!("{other:?}"),
            });
        }
    }
    assert_eq!(events, ["bob lost", "bob left ConnectionTimeout"]);
    assert_eq!(bench.rooms.n_participants(), 1);
}

#[test]
fn empty_rooms_end_in_time() {
    let mut bench = Bench::new(|_| {});
    let request = greenroom_protocol::livekit::proto::CreateRoomRequest {
        name: "waiting".to_owned(),
        ..Default::default()
    };
    bench
        .act(|rooms, now, _| rooms.create_room(request, now))
        .unwrap();
    let alice = bench.join("left", "alice").unwrap();
    bench.say(alice, Said::Leave(LeaveRequest::default()));
    bench.pass(Duration::from_millis(19_750), &[]);
    assert_eq!(bench.rooms.n_rooms(), 2);
    bench.pass(Duration::from_millis(500), &[]);
    assert_eq!(bench.rooms.n_rooms(), 1);
    bench.pass(Duration::from_secs(279), &[]);
    assert_eq!(bench.rooms.n_rooms(), 1);
    bench.pass(Duration::from_secs(2), &[]);
    assert_eq!(bench.rooms.n_rooms(), 0);
}

#[test]
fn limits_hold() {
    let mut bench = Bench::new(|config| {
        config.limits = EngineLimits {
            max_rooms: 2,
            max_participants: 3,
            max_participants_per_room: 2,
            ..EngineLimits::default()
        };
    });
    bench.join("a", "1").unwrap();
    bench.join("a", "2").unwrap();
    assert_eq!(bench.join("a", "3").unwrap_err(), JoinRefusal::RoomFull(2));
    bench.join("b", "1").unwrap();
    assert_eq!(bench.join("c", "1").unwrap_err(), JoinRefusal::ServerFull);
    assert_eq!(bench.join("b", "2").unwrap_err(), JoinRefusal::ServerFull);
    // Whoever is in takes no second place.
    bench.join("a", "2").unwrap();
    assert_eq!(bench.rooms.n_participants(), 3);
    assert!(matches!(
        bench.join("b", &"x".repeat(257)).unwrap_err(),
        JoinRefusal::TooLong(_)
    ));
}

#[test]
fn data_is_stamped_and_goes_where_it_is_meant_to() {
    let mut bench = Bench::new(|_| {});
    for identity in ["alice", "bob", "carol"] {
        bench.join("r", identity).unwrap();
    }
    bench.join("elsewhere", "bob").unwrap();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|it| bench.peer("r", it));
    let say = |bench: &mut Bench, to: &[&str]| {
        bench.done.clear();
        let packet = DataPacket {
            participant_identity: "mallory".to_owned(),
            participant_sid: "PA_forged".to_owned(),
            destination_identities: to.iter().map(ToString::to_string).collect(),
            value: Some(Value::User(UserPacket::default())),
            ..DataPacket::default()
        };
        let event = TransportEvent::Data {
            reliable: true,
            packet: packet.encode_to_vec(),
        };
        bench.act(|rooms, now, out| rooms.transported(alice, event, now, out));
        let done = std::mem::take(&mut bench.done).into_iter();
        done.filter_map(|effect| match effect {
            Effect::Data { to, packet, .. } => Some((to, DataPacket::decode(packet).unwrap())),
            _ => None,
        })
        .collect::<Vec<_>>()
    };
    let sent = say(&mut bench, &[]);
    assert_eq!(sent[0].0, [bob, carol]);
    assert_eq!(sent[0].1.participant_identity, "alice");
    assert!(
        sent[0].1.participant_sid.starts_with("PA_") && sent[0].1.participant_sid != "PA_forged"
    );
    let sent = say(&mut bench, &["carol", "alice", "nobody"]);
    assert_eq!(sent[0].0, [carol]);
    assert!(say(&mut bench, &["nobody"]).is_empty());
}

#[test]
fn a_track_that_an_offer_no_longer_has_is_over() {
    let mut bench = Bench::new(|_| {});
    let alice = bench.join("r", "alice").unwrap();
    let bob = bench.join("r", "bob").unwrap();
    let track = AddTrackRequest {
        cid: "mic".to_owned(),
        ..AddTrackRequest::default()
    };
    bench.say(alice, Said::AddTrack(track));
    bench.done.clear();
    let offer = |direction: &str| {
        Said::Offer(SessionDescription {
            sdp: format!(
                "v=0\r\nm=application 9 x\r\na=mid:0\r\nm=audio 9 x\r\na=msid:s mic\r\n{direction}\r\n"
            ),
            ..SessionDescription::default()
        })
    };
    for direction in ["a=sendonly", "a=sendrecv", "a=mid:1"] {
        bench.say(alice, offer(direction));
        assert!(bench.updates(bob).is_empty(), "{direction}");
    }
    bench.say(alice, offer("a=inactive"));
    let told = bench.updates(bob);
    assert!(told[0].tracks.is_empty() && !told[0].is_publisher);
}

#[test]
fn whoever_goes_takes_his_peer_connections_along() {
    let mut bench = Bench::new(|_| {});
    bench.join("r", "alice").unwrap();
    let old = bench.peer("r", "alice");
    bench.join("r", "alice").unwrap();
    let closed = bench.done.iter().any(
        |effect| matches!(effect, Effect::Transport(peer, TransportCommand::Close) if *peer == old),
    );
    assert!(closed);
    let new = bench.peer("r", "alice");
    // What the old one still tells concerns nobody.
    bench.done.clear();
    bench.act(|rooms, now, out| rooms.transported(old, TransportEvent::Connected, now, out));
    assert!(bench.done.is_empty());
    let failed = TransportEvent::Failed("a test".to_owned());
    bench.act(|rooms, now, out| rooms.transported(new, failed, now, out));
    assert_eq!(bench.rooms.n_participants(), 0);
}

#[test]
fn somebody_hidden_sees_and_is_not_seen() {
    let mut bench = Bench::new(|_| {});
    let alice = bench.join("r", "alice").unwrap();
    bench.done.clear();
    let mut grants = Grants::join("r", "ghost");
    grants.video.hidden = true;
    let joining = Joining {
        grants,
        client: ClientInfo::default(),
        resume: None,
    };
    let ghost = bench
        .act(|rooms, now, out| rooms.join(joining, now, out))
        .unwrap();
    assert!(bench.updates(alice).is_empty());
    let bob = bench.join("r", "bob").unwrap();
    assert_eq!(bench.updates(ghost)[0].identity, "bob");
    bench.say(ghost, Said::Leave(LeaveRequest::default()));
    assert!(bench.updates(bob).is_empty());
}

/// What somebody might do.
#[derive(Clone, Debug)]
enum Deed {
    Join(u8, u8),
    Leave(usize),
    Vanish(usize),
    Remove(u8, u8),
    Delete(u8),
    Wait(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0..3_u8, 0..6_u8).prop_map(|(room, who)| Deed::Join(room, who)),
        1 => (0..40_usize).prop_map(Deed::Leave),
        1 => (0..40_usize).prop_map(Deed::Vanish),
        1 => (0..3_u8, 0..6_u8).prop_map(|(room, who)| Deed::Remove(room, who)),
        1 => (0..3_u8).prop_map(Deed::Delete),
        1 => (0..50_u8).prop_map(Deed::Wait),
    ]
}

proptest! {
    /// Whatever happens, the tables agree, and everybody who left was told of exactly once.
    #[test]
    fn the_tables_agree_whatever_happens(deeds in proptest::collection::vec(deed(), 0..80)) {
        let mut bench = Bench::new(|_| {});
        let mut conns = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Join(room, who) => {
                    conns.push(bench.join(&format!("{room}"), &format!("{who}")).unwrap());
                }
                Deed::Leave(n) => if let Some(conn) = conns.get(n) {
                    bench.say(*conn, Said::Leave(LeaveRequest::default()));
                },
                Deed::Vanish(n) => if let Some(conn) = conns.get(n).copied() {
                    bench.act(|rooms, now, out| rooms.disconnected(conn, now, out));
                },
                Deed::Remove(room, who) => {
                    let place = super::rooms::Place {
                        room: format!("{room}"),
                        identity: format!("{who}"),
                    };
                    let _unknown = bench.act(|rooms, now, out| {
                        rooms.remove_participant(&place, now, out)
                    });
                }
                Deed::Delete(room) => {
                    let _unknown =
                        bench.act(|rooms, _, out| rooms.delete_room(&format!("{room}"), out));
                }
                Deed::Wait(quarters) => {
                    bench.pass(Duration::from_millis(250) * u32::from(quarters), &[]);
                }
            }
        }
        let rooms = &bench.rooms;
        let present: usize = rooms.by_name.values().map(|it| it.participants.len()).sum();
        prop_assert_eq!(present, rooms.places.len());
        let connected: usize = rooms.by_name.values().map(|it| it.connected().len()).sum();
        prop_assert_eq!(connected, rooms.conns.len());
        for (room, state) in &rooms.by_name {
            for (identity, participant) in &state.participants {
                let place = &rooms.places[&participant.peer];
                prop_assert_eq!((&place.room, &place.identity), (room, identity));
            }
        }
        let count = |fits: &dyn Fn(&EngineEventKind) -> bool| {
            bench.done.iter().filter(|effect| matches!(effect, Effect::Event(event) if fits(&event.kind))).count()
        };
        let joined = count(&|kind| matches!(kind, EngineEventKind::ParticipantJoined(_)));
        let left = count(&|kind| matches!(kind, EngineEventKind::ParticipantLeft { .. }));
        prop_assert_eq!(joined - left, present);
    }

    /// Whatever decodes is handled, whatever does not is passed over.
    #[test]
    fn arbitrary_messages_and_packets_harm_nobody(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20),
        field in 1..24_u8,
    ) {
        let mut bench = Bench::new(|_| {});
        let mallory = bench.join("r", "mallory").unwrap();
        let bob = bench.join("r", "bob").unwrap();
        let peer = bench.peer("r", "mallory");
        for mut message in messages {
            let event = TransportEvent::Data { reliable: true, packet: message.clone() };
            bench.act(|rooms, now, out| rooms.transported(peer, event, now, out));
            // As the field of a request with this number, of any length.
            let key = u32::from(field) << 3 | 2;
            let mut framed = if key < 128 {
                vec![u8::try_from(key).unwrap()]
            } else {
                vec![u8::try_from(key & 127 | 128).unwrap(), u8::try_from(key >> 7).unwrap()]
            };
            framed.push(u8::try_from(message.len()).unwrap());
            framed.append(&mut message);
            if let Ok(request) = SignalRequest::decode(framed.as_slice()) {
                let _broken = bench.act(|rooms, now, out| rooms.receive(mallory, request, now, out));
            }
        }
        bench.done.clear();
        bench.say(bob, Said::Ping(1));
        prop_assert!(matches!(bench.heard(bob).as_slice(), [Message::Pong(_)]));
    }
}
