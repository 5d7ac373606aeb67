//! The engine of the server, over loopback.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::serve::ListenerExt as _;
use greenroom_protocol::livekit::grants::{ApiKey, Grants};
use greenroom_protocol::livekit::proto;
use greenroom_server::engine::config::EngineConfig;
use greenroom_server::engine::room_service::RoomService;
use greenroom_session::dial::base_url::BaseUrl;
use greenroom_session::dial::dialer::Dialer;
use greenroom_session::peer::{
    DataChannelKind, EngineConnection, EngineEvent, JoinOptions, PreparedPublisher, SendError,
};
use greenroom_session::signal::{EndReason, SignalConfig, warm_up};
use proto::DisconnectReason;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::joining::{next, packet};

struct Real {
    engine: greenroom_server::engine::Engine,
    address: SocketAddr,
    key: ApiKey,
    /// Counted up, it cuts every connection of signalling.
    cut: watch::Sender<u32>,
}

impl Real {
    async fn start() -> Self {
        let key = ApiKey::new("key", "a secret that is long enough for HMAC");
        let engine = greenroom_server::engine::Engine::start(EngineConfig {
            keys: vec![key.clone()],
            ..EngineConfig::default()
        });
        let engine = engine.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = listener.local_addr().unwrap();
        let router = engine.router();
        // As the server does: Nagle's algorithm would hold an answer back for 40 ms.
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = front.local_addr().unwrap();
        let (cut, cuts) = watch::channel(0);
        tokio::spawn(forward(front, behind, cuts));
        Self {
            engine,
            address,
            key,
            cut,
        }
    }

    fn config(&self, grants: Grants) -> SignalConfig {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        SignalConfig {
            base: BaseUrl::parse(&format!("http://{}", self.address)).unwrap(),
            token: self
                .key
                .mint(grants, now, Duration::from_secs(600))
                .unwrap(),
        }
    }

    async fn join(&self, identity: &str) -> EngineConnection {
        let dialer = Dialer::new(&[]).unwrap();
        let options = JoinOptions { dtls_passive: true };
        let prepared = PreparedPublisher::prepare("127.0.0.1", true).await.unwrap();
        let config = self.config(Grants::join("room", identity));
        let joining = EngineConnection::join(&dialer, config, &options, Some(prepared));
        let mut connection = joining.await.unwrap();
        let first = next(&mut connection).await;
        assert!(matches!(first, EngineEvent::Joined(..)), "{first:?}");
        connection
    }
}

/// Carries connections until they are cut.
async fn forward(front: TcpListener, behind: SocketAddr, cuts: watch::Receiver<u32>) {
    loop {
        let (mut client, _) = front.accept().await.unwrap();
        client.set_nodelay(true).unwrap();
        let mut cuts = cuts.clone();
        tokio::spawn(async move {
            let mut server = TcpStream::connect(behind).await.unwrap();
            server.set_nodelay(true).unwrap();
            cuts.mark_unchanged();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

/// The next event that is not about participants.
async fn next_other(connection: &mut EngineConnection) -> EngineEvent {
    loop {
        match next(connection).await {
            EngineEvent::ParticipantUpdate(_)
            | EngineEvent::RoomUpdate(_)
            | EngineEvent::Quality(_) => {}
            event => return event,
        }
    }
}

#[tokio::test]
async fn data_reaches_its_destination_alone_and_says_who_sent_it() {
    let real = Real::start().await;
    let (ann, mut bob) = (real.join("ann").await, real.join("bob").await);
    let mut cid = real.join("cid").await;
    for kind in DataChannelKind::ALL {
        let sender = ann.sender();
        sender
            .send_data(kind, packet("for bob", "bob"))
            .await
            .unwrap();
        sender
            .send_data(kind, packet("for cid", "cid"))
            .await
            .unwrap();
        for (connection, text) in [(&mut bob, "for bob"), (&mut cid, "for cid")] {
            let EngineEvent::Data(came, data) = next_other(connection).await else {
                panic!("the data");
            };
            assert_eq!((came, data.participant_identity.as_str()), (kind, "ann"));
            let Some(proto::data_packet::Value::User(user)) = data.value else {
                panic!("a user's packet");
            };
            assert_eq!(user.payload, text.as_bytes());
        }
    }
}

#[tokio::test]
async fn participants_see_each_other_come_and_go() {
    let real = Real::start().await;
    let mut ann = real.join("ann").await;
    let bob = real.join("bob").await;
    until_bob_is(&mut ann, proto::participant_info::State::Active).await;
    bob.leave().await.unwrap();
    until_bob_is(&mut ann, proto::participant_info::State::Disconnected).await;
}

async fn until_bob_is(connection: &mut EngineConnection, state: proto::participant_info::State) {
    loop {
        let EngineEvent::ParticipantUpdate(participants) = next(connection).await else {
            continue;
        };
        let is_bob = |it: &&proto::ParticipantInfo| it.identity == "bob";
        if participants
            .iter()
            .find(is_bob)
            .is_some_and(|bob| bob.state() == state)
        {
            return;
        }
    }
}

#[tokio::test]
async fn a_track_is_named_or_refused_in_the_servers_words() {
    let real = Real::start().await;
    let ann = real.join("ann").await;
    let track = proto::AddTrackRequest {
        cid: "mic".to_owned(),
        source: proto::TrackSource::Microphone.into(),
        ..Default::default()
    };
    let named = ann.sender().announce_track(track.clone()).await.unwrap();
    assert!(named.sid.starts_with("TR_"));

    let mut grants = Grants::join("room", "mute");
    grants.video.can_publish = Some(false);
    let dialer = Dialer::new(&[]).unwrap();
    let options = JoinOptions { dtls_passive: true };
    let joining = EngineConnection::join(&dialer, real.config(grants), &options, None);
    let mute = joining.await.unwrap();
    let refused = mute.sender().announce_track(track).await;
    let Err(SendError::TrackRefused { words }) = refused else {
        panic!("{refused:?}");
    };
    assert!(words.contains("not allowed"), "{words}");
}

#[tokio::test]
async fn signalling_that_is_cut_is_resumed_and_data_goes_on() {
    let real = Real::start().await;
    let (mut ann, mut bob) = (real.join("ann").await, real.join("bob").await);
    real.cut.send_modify(|cuts| *cuts += 1);
    for connection in [&mut ann, &mut bob] {
        assert!(matches!(
            next_other(connection).await,
            EngineEvent::Reconnecting
        ));
        let back = next_other(connection).await;
        assert!(matches!(back, EngineEvent::Reconnected(None)), "{back:?}");
    }
    let reliable = DataChannelKind::Reliable;
    ann.sender()
        .send_data(reliable, packet("still here", "bob"))
        .await
        .unwrap();
    assert!(matches!(next_other(&mut bob).await, EngineEvent::Data(..)));
}

#[tokio::test]
async fn the_room_services_acts_end_with_their_reasons() {
    let real = Real::start().await;
    let (mut ann, mut bob) = (real.join("ann").await, real.join("bob").await);
    let place = proto::RoomParticipantIdentity {
        room: "room".to_owned(),
        identity: "bob".to_owned(),
        ..Default::default()
    };
    real.engine.remove_participant(place).await.unwrap();
    let EngineEvent::Disconnected(reason) = next_other(&mut bob).await else {
        panic!("removed");
    };
    assert_eq!(
        reason,
        EndReason::Server(DisconnectReason::ParticipantRemoved)
    );
    let room = proto::DeleteRoomRequest {
        room: "room".to_owned(),
    };
    real.engine.delete_room(room).await.unwrap();
    let EngineEvent::Disconnected(reason) = next_other(&mut ann).await else {
        panic!("ended");
    };
    assert_eq!(reason, EndReason::Server(DisconnectReason::RoomDeleted));
}

#[tokio::test]
async fn a_dropped_session_leaves_nothing_in_the_engine_and_a_bad_token_is_refused() {
    let real = Real::start().await;
    let ann = real.join("ann").await;
    ann.leave().await.unwrap();
    let gone = async {
        while real.engine.figures().connections + real.engine.figures().peer_connections > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let end = tokio::time::timeout(Duration::from_secs(5), gone).await;
    assert!(end.is_ok(), "{:?}", real.engine.figures());

    let mut config = real.config(Grants::join("room", "eve"));
    config.token.push('x');
    let dialer = Dialer::new(&[]).unwrap();
    let options = JoinOptions::default();
    let joining = EngineConnection::join(&dialer, config, &options, None);
    let error = joining.await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("refuses the token (401"), "{source}");
}

/// One join in a process of its own, where nothing is warm that was not prepared: the second of what the
/// test below does thirty times. Prints what the call took, in microseconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_join_of_thirty() {
    let Ok(place) = std::env::var("GREENROOM_TEST_JOIN") else {
        return;
    };
    let [base, token, prepare] = place.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{place}");
    };
    let config = SignalConfig {
        base: BaseUrl::parse(base).unwrap(),
        token: token.to_owned(),
    };
    let options = JoinOptions { dtls_passive: true };
    let mut called = Instant::now();
    let dialer = Dialer::new(&[]).unwrap();
    let mut prepared = None;
    if prepare == "warm" {
        let publisher = PreparedPublisher::prepare(config.base.host(), true).await;
        prepared = Some(publisher.unwrap());
        warm_up(&dialer, &config.base).await.unwrap();
        called = Instant::now();
    }
    let joining = EngineConnection::join(&dialer, config, &options, prepared);
    let connection = joining.await.unwrap();
    println!("took {}", called.elapsed().as_micros());
    connection.leave().await.unwrap();
}

/// The figure of a join on loopback: median of thirty processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prepared_join_is_quicker_than_one_from_cold() {
    let real = Real::start().await;
    let mut medians = Vec::new();
    for prepare in ["cold", "warm"] {
        let mut took = Vec::new();
        for _ in 0..30 {
            let SignalConfig { base, token } = real.config(Grants::join("room", "ann"));
            let joined = tokio::process::Command::new(std::env::current_exe().unwrap())
                .args(["real::one_join_of_thirty", "--exact", "--nocapture"])
                .env("GREENROOM_TEST_JOIN", format!("{base} {token} {prepare}"))
                .output();
            let output = String::from_utf8(joined.await.unwrap().stdout).unwrap();
            let told = output.lines().find_map(|line| line.split_once("took "));
            let (_, micros) = told.expect("a join that tells its time");
            took.push(Duration::from_micros(micros.trim().parse().unwrap()));
        }
        took.sort();
        println!("{prepare}: p50 {:?}, p90 {:?}", took[15], took[27]);
        medians.push(took[15]);
    }
    assert!(medians[1] < medians[0], "{medians:?}");
}
