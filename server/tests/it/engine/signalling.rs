//! Joining, telling, leaving and coming back.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use greenroom_protocol::livekit::{
    grants::Grants,
    proto::{
        AddTrackRequest, DisconnectReason, LeaveRequest, MuteTrackRequest, Ping, SimulateScenario,
        TrackSource, UpdateParticipantMetadata, UpdateParticipantRequest, leave_request::Action,
        participant_info::State, request_response::Reason, signal_request::Message as Say,
        signal_response::Message as Hear,
    },
};
use greenroom_server::engine::{
    Engine, config::EngineConfig, event::EngineEventKind, room_service::RoomService as _,
};

use super::harness::{Served, TestUser, mint};

#[tokio::test]
async fn who_joins_hears_of_all_and_all_of_him() {
    let served = Served::start(|_| {}).await;
    let (mut alice, first) = served.join("r", "alice").await;
    assert!(first.other_participants.is_empty());
    assert!(first.fast_publish && !first.subscriber_primary);
    assert_eq!((first.ping_interval, first.ping_timeout), (5, 15));
    let (mut bob, second) = served.join("r", "bob").await;
    assert_eq!(second.other_participants[0].identity, "alice");
    let seen = alice.update(|it| it.identity == "bob").await;
    assert_eq!(seen.sid, second.participant.unwrap().sid);
    bob.say(Say::Leave(LeaveRequest::default())).await;
    let gone = alice.update(|it| it.state() == State::Disconnected).await;
    assert_eq!(gone.identity, "bob");
    assert_eq!(gone.disconnect_reason(), DisconnectReason::ClientInitiated);
    assert_eq!(bob.leave_reason().await, DisconnectReason::ClientInitiated);
}

#[tokio::test]
async fn rooms_do_not_hear_of_each_other() {
    let served = Served::start(|_| {}).await;
    let (mut alice, _) = served.join("r", "alice").await;
    let (_carol, other) = served.join("R", "carol").await;
    assert!(other.other_participants.is_empty());
    alice.say(Say::PingReq(Ping::default())).await;
    // Nothing of carol came before the answer.
    assert!(matches!(alice.next().await, Hear::PongResp(_)));
}

#[tokio::test]
async fn both_pings_are_answered() {
    let served = Served::start(|_| {}).await;
    let (mut alice, _) = served.join("r", "alice").await;
    alice.say(Say::Ping(7)).await;
    assert!(matches!(alice.next().await, Hear::Pong(_)));
    let ping = Ping {
        timestamp: 41,
        rtt: 0,
    };
    alice.say(Say::PingReq(ping)).await;
    match alice.next().await {
        Hear::PongResp(answer) => assert_eq!(answer.last_ping_timestamp, 41),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_older_of_two_with_one_identity_goes() {
    let served = Served::start(|_| {}).await;
    let (mut old, _) = served.join("r", "alice").await;
    let (_new, join) = served.join("r", "alice").await;
    assert!(join.other_participants.is_empty());
    assert_eq!(
        old.leave_reason().await,
        DisconnectReason::DuplicateIdentity
    );
    assert_eq!(old.closed().await.0, 1000);
    assert_eq!(served.engine.figures().participants, 1);
}

#[tokio::test]
async fn nobody_renames_himself_without_the_grant() {
    let served = Served::start(|_| {}).await;
    let (mut alice, _) = served.join("r", "alice").await;
    let rename = UpdateParticipantMetadata {
        name: "Host".to_owned(),
        request_id: 9,
        ..UpdateParticipantMetadata::default()
    };
    alice.say(Say::UpdateMetadata(rename.clone())).await;
    match alice.next().await {
        Hear::RequestResponse(response) => {
            assert_eq!(response.reason(), Reason::NotAllowed);
            assert_eq!(response.request_id, 9);
        }
        other => panic!("{other:?}"),
    }
    let mut grants = Grants::join("r", "bob");
    grants.video.can_update_own_metadata = Some(true);
    let (mut bob, _) = served.join_with(grants).await;
    bob.say(Say::UpdateMetadata(rename)).await;
    let renamed = alice.update(|it| it.name == "Host").await;
    assert_eq!(renamed.identity, "bob");
}

#[tokio::test]
async fn tracks_are_announced_muted_and_bound_by_the_grant() {
    let served = Served::start(|_| {}).await;
    let (mut alice, _) = served.join("r", "alice").await;
    let mut grants = Grants::join("r", "bob");
    grants.video.can_publish_sources =
        vec![greenroom_protocol::livekit::grants::Source::Microphone];
    let (mut bob, _) = served.join_with(grants).await;
    let track = |source: TrackSource| AddTrackRequest {
        cid: format!("{source:?}"),
        source: source.into(),
        ..AddTrackRequest::default()
    };
    bob.say(Say::AddTrack(track(TrackSource::ScreenShare)))
        .await;
    match bob.next().await {
        Hear::RequestResponse(response) => assert_eq!(response.reason(), Reason::NotAllowed),
        other => panic!("{other:?}"),
    }
    bob.say(Say::AddTrack(track(TrackSource::Microphone))).await;
    let sid = match bob.next().await {
        Hear::TrackPublished(published) => published.track.unwrap().sid,
        other => panic!("{other:?}"),
    };
    let seen = alice.update(|it| !it.tracks.is_empty()).await;
    assert_eq!(seen.tracks[0].sid, sid);
    assert!(seen.is_publisher && !seen.tracks[0].muted);
    bob.say(Say::Mute(MuteTrackRequest { sid, muted: true }))
        .await;
    let seen = alice.update(|it| it.tracks[0].muted).await;
    assert_eq!(seen.identity, "bob");
}

#[tokio::test]
async fn what_is_not_spoken_is_said_so() {
    let served = Served::start(|_| {}).await;
    let (mut alice, _) = served.join("r", "alice").await;
    alice.say(Say::Simulate(SimulateScenario::default())).await;
    match alice.next().await {
        Hear::RequestResponse(response) => {
            assert_eq!(response.reason(), Reason::UnsupportedType);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lost_connection_resumes_and_an_unknown_one_begins_anew() {
    let served = Served::start(|_| {}).await;
    let mut events = served.engine.events();
    let (alice, join) = served.join("r", "alice").await;
    let (mut bob, _) = served.join("r", "bob").await;
    let sid = join.participant.unwrap().sid;
    drop(alice);
    loop {
        let event = events.recv().await.unwrap();
        if let EngineEventKind::ConnectionLost(info) = event.kind {
            assert_eq!(info.identity, "alice");
            break;
        }
    }
    let token = mint(Grants::join("r", "alice"));
    let back = format!("&reconnect=1&sid={sid}");
    let mut alice = served.dial(&token, &back).await.unwrap();
    assert!(matches!(alice.next().await, Hear::Reconnect(_)));
    alice.update(|it| it.identity == "bob").await;
    assert!(matches!(alice.next().await, Hear::RoomUpdate(_)));
    loop {
        let event = events.recv().await.unwrap();
        if let EngineEventKind::ConnectionResumed(info) = event.kind {
            assert_eq!(info.sid, sid);
            break;
        }
    }
    // Bob heard nothing of it.
    bob.say(Say::Ping(0)).await;
    assert!(matches!(bob.next().await, Hear::Pong(_)));
    let mut stranger = served
        .dial(&token, "&reconnect=1&sid=PA_nobody")
        .await
        .unwrap();
    assert_eq!(stranger.leave().await.action(), Action::Reconnect);
}

#[tokio::test]
async fn who_does_not_come_back_is_gone_after_the_grace() {
    let served = Served::start(|config| {
        config.timeouts.resume_grace = Duration::from_millis(300);
    })
    .await;
    let (alice, _) = served.join("r", "alice").await;
    let (mut bob, _) = served.join("r", "bob").await;
    drop(alice);
    let gone = bob.update(|it| it.state() == State::Disconnected).await;
    assert_eq!(
        gone.disconnect_reason(),
        DisconnectReason::ConnectionTimeout
    );
}

#[tokio::test]
async fn stopping_sends_everybody_away() {
    let served = Served::start(|_| {}).await;
    let (mut alice, _) = served.join("r", "alice").await;
    served.engine.stop().await;
    assert_eq!(alice.leave_reason().await, DisconnectReason::ServerShutdown);
    let refused = served.dial(&mint(Grants::join("r", "bob")), "").await;
    assert!(refused.is_err());
    let free = std::net::UdpSocket::bind(served.engine.udp_addr());
    assert!(free.is_ok());
}

/// In at least one of three tries, since other tests may take the processor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_privileged_action_is_seen_by_a_hundred_within_50_ms() {
    let served = Served::start(|_| {}).await;
    let mut users = Vec::new();
    for n in 0..100 {
        users.push(served.join("r", &format!("user {n}")).await.0);
    }
    let mut p95 = Duration::MAX;
    for attempt in 0..3 {
        let p50;
        (p50, p95) = rename_and_see(&served, &mut users, attempt).await;
        println!("a privileged action is seen after p50 {p50:?}, p95 {p95:?}");
        if p95 <= Duration::from_millis(50) {
            return;
        }
    }
    panic!("{p95:?}");
}

/// Median and 95th percentile of the delays after which each user saw each of ten renamings.
async fn rename_and_see(
    served: &Served,
    users: &mut [TestUser],
    attempt: usize,
) -> (Duration, Duration) {
    let mut delays = Vec::new();
    for round in 0..10 {
        let name = format!("name {attempt} {round}");
        let request = UpdateParticipantRequest {
            room: "r".to_owned(),
            identity: "user 0".to_owned(),
            name: name.clone(),
            ..UpdateParticipantRequest::default()
        };
        let began = Instant::now();
        let seen = join_all(users.iter_mut().map(|user| {
            let name = name.clone();
            async move {
                user.update(|it| it.name == name).await;
                began.elapsed()
            }
        }));
        let (updated, seen) = tokio::join!(served.engine.update_participant(request), seen);
        updated.unwrap();
        delays.extend(seen);
    }
    delays.sort();
    (delays[delays.len() / 2], delays[delays.len() * 95 / 100])
}

#[tokio::test]
async fn an_engine_that_cannot_start_says_why() {
    let start = |listen: &str| {
        let config = EngineConfig {
            udp_listen: listen.parse().unwrap(),
            ..EngineConfig::default()
        };
        Engine::start(config).unwrap_err().to_string()
    };
    let text = start("0.0.0.0:0");
    assert!(
        text.contains("0.0.0.0:") && text.contains("advertise"),
        "{text}"
    );
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = start(&address);
    assert!(
        text.contains(&address) && text.contains("another program"),
        "{text}"
    );
}
