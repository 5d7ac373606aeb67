//! Those who must not get in, and those who do not keep to the rules.

use std::time::Duration;

use futures_util::SinkExt as _;
use greenroom_protocol::livekit::{
    grants::{ApiKey, Grants},
    proto::{
        DisconnectReason, SendDataRequest, SessionDescription, signal_request::Message as Say,
        signal_response::Message as Hear,
    },
};
use greenroom_server::engine::{EngineFigures, room_service::RoomService as _};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tokio_tungstenite::tungstenite::Message;

use super::harness::{Served, mint, now};

async fn validate(served: &Served, token: &str) -> (u16, String) {
    let url = served.url(&format!("/rtc/validate?access_token={token}"));
    let response = reqwest::get(url).await.unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn why_somebody_does_not_get_in_is_said() {
    let served = Served::start(|config| config.auto_create = false).await;
    let grants = || Grants::join("r", "alice");
    let forged = ApiKey::new("devkey", "a guess")
        .mint(grants(), now(), Duration::from_secs(60))
        .unwrap();
    let expired = super::harness::key()
        .mint(
            grants(),
            now() - Duration::from_secs(300),
            Duration::from_secs(60),
        )
        .unwrap();
    for (token, status, word) in [
        (forged, 401, "signature"),
        (expired, 401, "expired"),
        ("nonsense".to_owned(), 401, "token"),
        (mint(Grants::admin("r")), 403, "roomJoin"),
        (mint(Grants::join("r", "")), 400, "identity"),
        (mint(grants()), 404, "CreateRoom"),
    ] {
        let (seen, text) = validate(&served, &token).await;
        assert_eq!(seen, status, "{text}");
        assert!(text.contains(word), "{text}");
        assert!(served.dial(&token, "").await.is_err());
    }
}

#[tokio::test]
async fn a_good_token_is_valid_and_version_one_is_not_found() {
    let served = Served::start(|_| {}).await;
    let (status, text) = validate(&served, &mint(Grants::join("r", "alice"))).await;
    assert_eq!((status, text.as_str()), (200, "success"));
    // Asking makes no room.
    assert_eq!(served.engine.figures().rooms, 0);
    for path in ["/rtc/v1", "/rtc/v1/validate"] {
        let response = reqwest::get(served.url(path)).await.unwrap();
        assert_eq!(response.status().as_u16(), 404);
    }
}

#[tokio::test]
async fn a_full_room_lets_nobody_in() {
    let served = Served::start(|config| config.limits.max_participants_per_room = 1).await;
    let (_alice, _) = served.join("r", "alice").await;
    let (status, text) = validate(&served, &mint(Grants::join("r", "bob"))).await;
    assert_eq!(status, 403, "{text}");
    assert!(text.contains("full"), "{text}");
    // Whoever is in may come again.
    let (_again, _) = served.join("r", "alice").await;
}

#[tokio::test]
async fn what_is_no_message_ends_the_connection_with_a_reason() {
    let served = Served::start(|config| config.limits.max_messages_per_second = 2).await;
    let (mut alice, _) = served.join("r", "alice").await;
    let frame = Message::Binary(vec![0xff; 9].into());
    alice.socket.send(frame).await.unwrap();
    assert_eq!(alice.closed().await.0, 1007);
    let (mut bob, _) = served.join("r", "bob").await;
    bob.socket.send(Message::text("{}")).await.unwrap();
    assert_eq!(bob.closed().await.0, 1003);
    let (mut carol, _) = served.join("r", "carol").await;
    // The server gives up before it has read a fraction of it.
    let huge = Message::Binary(vec![0; 16 * 1024 * 1024].into());
    let _broken_off = carol.socket.send(huge).await;
    let (mut dave, _) = served.join("r", "dave").await;
    for n in 0..21 {
        dave.say(Say::Ping(n)).await;
    }
    let (code, reason) = dave.closed().await;
    assert_eq!(code, 1008);
    assert!(reason.contains("too many"), "{reason}");
    for _ in 0..50 {
        if served.engine.figures().connections == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{:?}", served.engine.figures());
}

#[tokio::test]
async fn who_falls_silent_is_lost_then_gone() {
    let served = Served::start(|config| {
        config.timeouts.ping_timeout = Duration::from_millis(500);
        config.timeouts.resume_grace = Duration::from_millis(300);
        config.timeouts.departure_timeout = Duration::ZERO;
    })
    .await;
    let (mut alice, _) = served.join("r", "alice").await;
    assert_eq!(alice.closed().await.0, 1000);
    for _ in 0..50 {
        if served.engine.figures() == EngineFigures::default() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{:?}", served.engine.figures());
}

#[tokio::test]
async fn who_does_not_read_is_cut_off_and_the_others_go_on() {
    let served = Served::start(|config| {
        config.limits.max_waiting_messages = 16;
        config.limits.max_messages_per_second = 10_000;
        config.timeouts.send_timeout = Duration::from_millis(500);
        config.timeouts.resume_grace = Duration::from_millis(300);
    })
    .await;
    let mut grants = Grants::join("r", "talker");
    grants.video.can_update_own_metadata = Some(true);
    let (mut talker, _) = served.join_with(grants).await;
    // Never reads: neither this end nor its buffers.
    let (_deaf, _) = served.join("r", "deaf").await;
    let mut n_sent = 0;
    while served.engine.figures().connections == 2 {
        let said = greenroom_protocol::livekit::proto::UpdateParticipantMetadata {
            metadata: format!("{n_sent:04}").repeat(100_000),
            ..Default::default()
        };
        talker.say(Say::UpdateMetadata(said)).await;
        talker
            .update(|it| it.metadata.starts_with(&format!("{n_sent:04}")))
            .await;
        n_sent += 1;
        assert!(n_sent < 2000, "the deaf one is still there");
    }
    let gone = talker.update(|it| it.identity == "deaf").await;
    assert_eq!(
        gone.disconnect_reason(),
        DisconnectReason::ConnectionTimeout
    );
}

#[tokio::test]
async fn half_a_request_harms_nobody() {
    let served = Served::start(|_| {}).await;
    let mut half = TcpStream::connect(served.http).await.unwrap();
    half.write_all(b"GET /rtc?access_token=").await.unwrap();
    let (mut alice, _) = served.join("r", "alice").await;
    served.engine.stop().await;
    assert_eq!(alice.leave_reason().await, DisconnectReason::ServerShutdown);
}

#[tokio::test]
async fn noise_on_the_media_port_harms_nobody() {
    let served = Served::start(|_| {}).await;
    let noise = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut state = 7_u32;
    for n in 0..20_000_u32 {
        let mut packet = [0_u8; 120];
        for byte in &mut packet {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = state.to_be_bytes()[0];
        }
        // STUN, DTLS, RTP, or anything.
        packet[0] = [0x00, 0x16, 0x80, packet[0]][n as usize % 4];
        if n % 4 == 0 {
            packet[1] = 1;
            packet[2..8].copy_from_slice(&[0, 100, 0x21, 0x12, 0xa4, 0x42]);
        }
        let _full = noise.send_to(&packet, served.engine.udp_addr());
    }
    let (_alice, _) = served.join("r", "alice").await;
    assert_eq!(served.engine.figures().peer_connections, 0);
}

#[tokio::test]
async fn what_is_no_session_description_ends_its_participant_alone() {
    let served = Served::start(|_| {}).await;
    let (mut bob, _) = served.join("r", "bob").await;
    for (n, sdp) in [
        "",
        "v=0",
        "nonsense\r\n",
        "v=0\r\nm=audio 9 x y\r\na=mid:\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let (mut mallory, _) = served.join("r", &format!("mallory {n}")).await;
        let offer = SessionDescription {
            sdp: sdp.to_owned(),
            ..SessionDescription::default()
        };
        mallory.say(Say::Offer(offer)).await;
        assert_eq!(
            mallory.leave_reason().await,
            DisconnectReason::MediaFailure,
            "{sdp:?}"
        );
    }
    bob.say(Say::Ping(1)).await;
    bob.find(|message| matches!(message, Hear::Pong(_)).then_some(()))
        .await;
    assert_eq!(served.engine.figures().participants, 1);
}

/// Somebody who signals alone is offered a connection for data that is sent to him, and nothing
/// comes of it when he does not answer; a wrong answer is his own end.
#[tokio::test]
async fn an_offer_may_be_left_unanswered() {
    let served = Served::start(|_| {}).await;
    let (mut bob, _) = served.join("r", "bob").await;
    for n in 0..3_u8 {
        let request = SendDataRequest {
            room: "r".to_owned(),
            data: vec![n; 60_000],
            ..SendDataRequest::default()
        };
        served.engine.send_data(request).await.unwrap();
    }
    let offer = bob
        .find(|message| match message {
            Hear::Offer(offer) => Some(offer),
            _ => None,
        })
        .await;
    let candidate = format!(" {} typ host", served.engine.udp_addr().port());
    assert!(offer.sdp.contains(&candidate), "{}", offer.sdp);
    assert!(offer.sdp.contains("a=ice-lite"), "{}", offer.sdp);
    bob.say(Say::Ping(1)).await;
    assert!(matches!(bob.next().await, Hear::Pong(_)));
    let answer = SessionDescription {
        sdp: "v=0\r\n".to_owned(),
        id: offer.id,
        ..SessionDescription::default()
    };
    bob.say(Say::Answer(answer)).await;
    assert_eq!(bob.leave_reason().await, DisconnectReason::MediaFailure);
}
