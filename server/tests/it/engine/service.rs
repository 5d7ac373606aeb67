//! The `RoomService`: over Twirp with our own client, and in JSON.

use greenroom_protocol::livekit::{
    grants::{ApiKey, Grants, VideoGrants},
    proto::{
        CreateRoomRequest, DeleteRoomRequest, DisconnectReason, ListParticipantsRequest,
        ListRoomsRequest, MuteRoomTrackRequest, ParticipantPermission, RoomParticipantIdentity,
        SendDataRequest, TrackSource, UpdateParticipantRequest, UpdateRoomMetadataRequest,
        signal_request::Message as Say, signal_response::Message as Hear,
    },
};
use greenroom_server::engine::{
    event::EngineEventKind,
    room_service::{RoomService, RoomServiceError},
    twirp_client::TwirpClient,
};
use serde_json::{Value, json};

use super::harness::{Served, key, mint};

fn client(served: &Served, key: ApiKey) -> Box<dyn RoomService> {
    Box::new(TwirpClient::new(&format!("ws://{}/", served.http), key).unwrap())
}

fn identity(identity: &str) -> RoomParticipantIdentity {
    RoomParticipantIdentity {
        room: "r".to_owned(),
        identity: identity.to_owned(),
        ..RoomParticipantIdentity::default()
    }
}

#[tokio::test]
async fn session_control_acts_over_http() {
    let served = Served::start(|_| {}).await;
    let control = client(&served, key());
    let mut events = served.engine.events();
    let request = CreateRoomRequest {
        name: "r".to_owned(),
        metadata: "topic".to_owned(),
        max_participants: 2,
        ..CreateRoomRequest::default()
    };
    let room = control.create_room(request).await.unwrap();
    assert_eq!((room.max_participants, room.departure_timeout), (2, 20));
    let (mut alice, join) = served.join("r", "alice").await;
    assert_eq!(join.room.unwrap().metadata, "topic");
    let (mut bob, _) = served.join("r", "bob").await;

    let listed = control.list_rooms(ListRoomsRequest::default()).await;
    assert_eq!(listed.unwrap()[0].num_participants, 2);
    let request = ListParticipantsRequest {
        room: "r".to_owned(),
    };
    let listed = control.list_participants(request).await.unwrap();
    let names: Vec<&str> = listed.iter().map(|it| it.identity.as_str()).collect();
    assert_eq!(names, ["alice", "bob"]);

    let request = UpdateParticipantRequest {
        room: "r".to_owned(),
        identity: "bob".to_owned(),
        name: "Bob".to_owned(),
        attributes: [("role".to_owned(), "host".to_owned())].into(),
        ..UpdateParticipantRequest::default()
    };
    control.update_participant(request).await.unwrap();
    let seen = alice.update(|it| it.name == "Bob").await;
    assert_eq!(seen.attributes["role"], "host");
    let one = control.get_participant(identity("bob")).await.unwrap();
    assert_eq!(one.name, "Bob");

    let request = UpdateRoomMetadataRequest {
        room: "r".to_owned(),
        metadata: "locked".to_owned(),
    };
    control.update_room_metadata(request).await.unwrap();
    alice
        .find(|message| match message {
            Hear::RoomUpdate(update) if update.room.as_ref()?.metadata == "locked" => Some(()),
            _ => None,
        })
        .await;

    control.remove_participant(identity("bob")).await.unwrap();
    let reason = bob.leave_reason().await;
    assert_eq!(reason, DisconnectReason::ParticipantRemoved);
    let request = DeleteRoomRequest {
        room: "r".to_owned(),
    };
    control.delete_room(request).await.unwrap();
    assert_eq!(alice.leave_reason().await, DisconnectReason::RoomDeleted);

    let mut told = Vec::new();
    loop {
        let event = events.recv().await.unwrap();
        assert_eq!(event.room, "r");
        told.push(match event.kind {
            EngineEventKind::ParticipantJoined(info) => format!("{} joined", info.identity),
            EngineEventKind::ParticipantUpdated(info) => format!("{} changed", info.identity),
            EngineEventKind::ParticipantLeft { info, reason } => {
                format!("{} left: {reason:?}", info.identity)
            }
            EngineEventKind::RoomFinished => break,
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(
        told,
        [
            "alice joined",
            "bob joined",
            "bob changed",
            "bob left: ParticipantRemoved",
            "alice left: RoomDeleted",
        ]
    );
}

#[tokio::test]
async fn tracks_are_muted_and_taken_away_but_not_unmuted() {
    let served = Served::start(|_| {}).await;
    let control = client(&served, key());
    let (mut bob, _) = served.join("r", "bob").await;
    let track = greenroom_protocol::livekit::proto::AddTrackRequest {
        cid: "camera".to_owned(),
        source: TrackSource::Camera.into(),
        ..Default::default()
    };
    bob.say(Say::AddTrack(track)).await;
    let published = bob.update(|it| !it.tracks.is_empty()).await;
    let mut request = MuteRoomTrackRequest {
        room: "r".to_owned(),
        identity: "bob".to_owned(),
        track_sid: published.tracks[0].sid.clone(),
        muted: true,
    };
    let muted = control.mute_published_track(request.clone()).await.unwrap();
    assert!(muted.muted);
    let muted = bob.find(|message| match message {
        Hear::Mute(mute) => Some(mute.muted),
        _ => None,
    });
    assert!(muted.await);
    request.muted = false;
    let unmuted = control.mute_published_track(request.clone()).await;
    assert!(matches!(unmuted, Err(RoomServiceError::Unsupported(_))));
    request.track_sid = "TR_nothing".to_owned();
    let unknown = control.mute_published_track(request).await;
    assert!(matches!(unknown, Err(RoomServiceError::NotFound(_))));
    let request = UpdateParticipantRequest {
        room: "r".to_owned(),
        identity: "bob".to_owned(),
        permission: Some(ParticipantPermission {
            can_subscribe: true,
            ..ParticipantPermission::default()
        }),
        ..UpdateParticipantRequest::default()
    };
    control.update_participant(request).await.unwrap();
    let gone = bob.find(|message| match message {
        Hear::TrackUnpublished(gone) => Some(gone.track_sid),
        _ => None,
    });
    assert_eq!(gone.await, published.tracks[0].sid);
    let left = bob.update(|it| it.tracks.is_empty()).await;
    assert!(!left.permission.unwrap().can_publish);
}

#[tokio::test]
async fn who_may_not_is_told_so() {
    let served = Served::start(|_| {}).await;
    let (_bob, _) = served.join("r", "bob").await;
    let forged = client(&served, ApiKey::new("devkey", "a guess"));
    let refused = forged.remove_participant(identity("bob")).await;
    assert!(matches!(
        refused,
        Err(RoomServiceError::PermissionDenied(_))
    ));
    let control = client(&served, key());
    let unknown = control.get_participant(identity("nobody")).await;
    match unknown {
        Err(RoomServiceError::NotFound(text)) => assert!(text.contains("nobody"), "{text}"),
        other => panic!("{other:?}"),
    }
    let too_long = SendDataRequest {
        room: "r".to_owned(),
        data: vec![0; 65_000],
        ..SendDataRequest::default()
    };
    let refused = control.send_data(too_long).await;
    assert!(matches!(refused, Err(RoomServiceError::InvalidArgument(_))));
    let nobody = TwirpClient::new("http://127.0.0.1:1", key()).unwrap();
    match nobody.list_rooms(ListRoomsRequest::default()).await {
        Err(RoomServiceError::Unavailable(text)) => {
            assert!(
                text.contains("http://127.0.0.1:1") && text.contains("refused"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
}

async fn post(served: &Served, method: &str, grants: Grants, body: Value) -> (u16, Value) {
    let response = reqwest::Client::new()
        .post(served.url(&format!("/twirp/livekit.RoomService/{method}")))
        .bearer_auth(mint(grants))
        .json(&body)
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

#[tokio::test]
async fn json_is_taken_and_given_and_grants_are_for_one_room() {
    let served = Served::start(|_| {}).await;
    let creates = Grants {
        video: VideoGrants {
            room_create: true,
            ..VideoGrants::default()
        },
        ..Grants::default()
    };
    let body = json!({ "name": "r", "empty_timeout": 7 });
    let (status, room) = post(&served, "CreateRoom", creates.clone(), body).await;
    assert_eq!((status, &room["emptyTimeout"]), (200, &json!(7)), "{room}");
    let of_r = json!({ "room": "r" });
    let asked = |grants, method: &'static str| post(&served, method, grants, of_r.clone());
    let (status, answer) = asked(Grants::admin("r"), "ListParticipants").await;
    assert_eq!(status, 200, "{answer}");
    for (grants, method, status, code) in [
        (
            Grants::admin("other"),
            "ListParticipants",
            403,
            "permission_denied",
        ),
        (
            creates.clone(),
            "ListParticipants",
            403,
            "permission_denied",
        ),
        (
            Grants::join("r", "bob"),
            "DeleteRoom",
            403,
            "permission_denied",
        ),
        (Grants::admin("r"), "PerformRpc", 501, "unimplemented"),
        (Grants::admin("r"), "Nonsense", 404, "bad_route"),
    ] {
        let (seen, answer) = asked(grants, method).await;
        assert_eq!((seen, &answer["code"]), (status, &json!(code)), "{method}");
        assert!(answer["msg"].as_str().is_some_and(|msg| !msg.is_empty()));
    }
    let (status, answer) = post(&served, "CreateRoom", creates, json!({ "name": 5 })).await;
    assert_eq!((status, &answer["code"]), (400, &json!("malformed")));
}
