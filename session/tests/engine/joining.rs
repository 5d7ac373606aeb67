//! Joins, data and tracks.

use std::time::Duration;

use greenroom_protocol::livekit::proto;
use greenroom_session::peer::{
    DataChannelKind, EngineConnection, EngineEvent, JoinOptions, PreparedPublisher,
};
use proto::data_packet::Value;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;

use crate::server::{Engine, Fault, Order};

pub(crate) async fn join(engine: &Engine) -> EngineConnection {
    let options = JoinOptions { dtls_passive: true };
    EngineConnection::join(&Engine::dialer(), engine.config("ann"), &options, None)
        .await
        .unwrap()
}

pub(crate) async fn next(connection: &mut EngineConnection) -> EngineEvent {
    let waiting = async {
        loop {
            match connection.next_event().await.expect("the session goes on") {
                EngineEvent::Rtt(_) => {}
                event => return event,
            }
        }
    };
    let event = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    event.expect("an event in time")
}

pub(crate) fn packet(text: &str, to: &str) -> proto::DataPacket {
    proto::DataPacket {
        destination_identities: vec![to.to_owned()],
        value: Some(Value::User(proto::UserPacket {
            payload: text.as_bytes().to_vec(),
            ..Default::default()
        })),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_join_is_complete_when_the_publisher_is_connected() {
    for fault in [Fault::None, Fault::TcpOnly] {
        let engine = Engine::start(fault.clone()).await;
        let mut connection = join(&engine).await;
        let EngineEvent::Joined(join, timings) = next(&mut connection).await else {
            panic!("joined first");
        };
        assert_eq!(join.participant.unwrap().sid, "PA_1");
        assert!(timings.signal <= timings.publisher && !timings.prepared);
        println!("{fault:?}: {timings:?}");
        connection.leave().await.unwrap();
        engine.until(|seen| seen.connections == 0).await;
        engine.seen(|seen| assert!(matches!(seen.requests.last(), Some(Request::Leave(_)))));
    }
}

#[tokio::test]
async fn a_token_is_in_no_url() {
    let engine = Engine::start(Fault::None).await;
    let _connection = join(&engine).await;
    engine.seen(|seen| {
        assert!(seen.opened[0].starts_with("/rtc?protocol=15"));
        assert!(!seen.opened[0].contains("ann"));
    });
}

#[tokio::test]
async fn data_goes_both_ways_on_both_channels() {
    for dtls_passive in [false, true] {
        let engine = Engine::start(Fault::None).await;
        let options = JoinOptions { dtls_passive };
        let dialer = Engine::dialer();
        let prepared = PreparedPublisher::prepare("127.0.0.1", dtls_passive)
            .await
            .unwrap();
        let joining =
            EngineConnection::join(&dialer, engine.config("ann"), &options, Some(prepared));
        let mut connection = joining.await.unwrap();
        assert!(matches!(next(&mut connection).await, EngineEvent::Joined(_, t) if t.prepared));
        engine.order(Order::Subscribe).await;
        let sender = connection.sender();
        for kind in DataChannelKind::ALL {
            sender
                .send_data(kind, packet("hello", "bob"))
                .await
                .unwrap();
            let EngineEvent::Data(came, back) = next(&mut connection).await else {
                panic!("the data");
            };
            assert_eq!((came, *back), (kind, packet("hello", "bob")));
        }
        let large = "x".repeat(60_000);
        let sent = packet(&large, "bob");
        sender
            .send_data(DataChannelKind::Reliable, sent.clone())
            .await
            .unwrap();
        assert!(matches!(next(&mut connection).await, EngineEvent::Data(_, back) if *back == sent));
        let too_large = packet(&"x".repeat(70_000), "bob");
        let refused = sender.send_data(DataChannelKind::Reliable, too_large).await;
        assert!(refused.is_err());
    }
}

#[tokio::test]
async fn a_track_is_announced_named_and_muted_by_either_side() {
    let engine = Engine::start(Fault::None).await;
    let mut connection = join(&engine).await;
    next(&mut connection).await;
    let sender = connection.sender();
    let request = proto::AddTrackRequest {
        cid: "mic".to_owned(),
        ..Default::default()
    };
    let track = sender.announce_track(request).await.unwrap();
    assert_eq!(track.sid, "TR_mic");
    sender.set_muted(&track.sid, false).unwrap();
    let mute = proto::MuteTrackRequest {
        sid: track.sid,
        muted: true,
    };
    engine.say(Response::Mute(mute.clone())).await;
    assert!(matches!(
        next(&mut connection).await,
        EngineEvent::Muted { muted: true, .. }
    ));
    engine
        .until(|seen| seen.requests.contains(&Request::Mute(mute.clone())))
        .await;
}

#[tokio::test]
async fn what_the_server_tells_comes_as_events() {
    let engine = Engine::start(Fault::None).await;
    let mut connection = join(&engine).await;
    next(&mut connection).await;
    engine
        .say(Response::Update(proto::ParticipantUpdate::default()))
        .await;
    engine.order(Order::Raw(vec![0xff; 40])).await;
    engine
        .say(Response::SpeakersChanged(proto::SpeakersChanged::default()))
        .await;
    engine
        .say(Response::ConnectionQuality(
            proto::ConnectionQualityUpdate::default(),
        ))
        .await;
    let room = proto::RoomUpdate {
        room: Some(proto::Room::default()),
    };
    engine.say(Response::RoomUpdate(room)).await;
    assert!(matches!(
        next(&mut connection).await,
        EngineEvent::ParticipantUpdate(_)
    ));
    assert!(matches!(
        next(&mut connection).await,
        EngineEvent::Speakers(_)
    ));
    assert!(matches!(
        next(&mut connection).await,
        EngineEvent::Quality(_)
    ));
    assert!(matches!(
        next(&mut connection).await,
        EngineEvent::RoomUpdate(_)
    ));
}
