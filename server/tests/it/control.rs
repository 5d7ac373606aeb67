//! Session control over real sockets, with the embedded engine beneath.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use greenroom_protocol::livekit::proto::{
    self, AddTrackRequest, Message as _, SignalRequest, SignalResponse, TrackSource, TrackType,
    signal_request, signal_response,
};
use greenroom_protocol::session::message::{
    ACTION_PATH, Action, Admitted, CONTROL_PATH, Change, ClientMessage, JOIN_PATH, JoinRequest,
    Notice, OPENAPI_PATH, Refusal, RefusalCode, ServerMessage,
};
use greenroom_protocol::session::token::{self, AppKey, Claims};
use greenroom_protocol::session::{
    AudioState, ConnectionState, EndReason, Identity, Role, Roster, UserName,
};
use greenroom_server::{RunningServer, ServeConfig, Server};
use reqwest::StatusCode;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Longest wait for anything in these tests.
const PATIENCE: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<TcpStream>;

fn app() -> AppKey {
    AppKey::new("trial", "0123456789abcdef0123456789abcdef").unwrap()
}

fn other_app() -> AppKey {
    AppKey::new("other", "another secret of thirty-two bytes").unwrap()
}

async fn start(change: impl FnOnce(&mut ServeConfig)) -> RunningServer {
    let mut config = ServeConfig::local();
    config.session.enabled = true;
    config.session.apps = vec![app(), other_app()];
    config.limits.max_connections_per_address = 1000;
    change(&mut config);
    Server::start(config).await.unwrap()
}

fn unix_s() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn mint(app: &AppKey, topic: &str, user: &str, host: bool) -> String {
    let iat = unix_s();
    let claims = Claims {
        app_key: app.key().to_owned(),
        tpc: topic.to_owned(),
        role_type: u8::from(host),
        version: 1,
        iat,
        exp: iat + 3600,
        user_key: Some(user.to_owned()),
        session_key: None,
        geo_regions: None,
    };
    token::mint(app, &claims).unwrap()
}

fn request(topic: &str, user: &str, host: bool) -> JoinRequest {
    JoinRequest {
        topic: topic.to_owned(),
        token: mint(&app(), topic, user, host),
        user_name: UserName::new(user),
        passcode: None,
        idle_timeout_minutes: None,
    }
}

fn id(user: &str) -> Identity {
    Identity(format!("user:{user}"))
}

async fn dial(url: &str) -> Result<Socket, String> {
    let address = url
        .strip_prefix("ws://")
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let opened = client_async(url, stream).await;
    Ok(opened.map_err(|error| error.to_string())?.0)
}

/// A connection to session control.
struct Control(Socket);

impl Control {
    async fn open(server: &RunningServer) -> Self {
        let url = server.base_url().replacen("http", "ws", 1) + CONTROL_PATH;
        Self(dial(&url).await.unwrap())
    }

    async fn say(&mut self, message: &ClientMessage) {
        let text = serde_json::to_string(message).unwrap();
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next message; `None` once the server closed.
    async fn hear(&mut self) -> Option<ServerMessage> {
        loop {
            let message = timeout(PATIENCE, self.0.next())
                .await
                .expect("no message came");
            match message {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(other)) => panic!("{other:?}"),
            }
        }
    }

    async fn join(&mut self, request: JoinRequest) -> Result<Admitted, Refusal> {
        self.say(&ClientMessage::Join(request)).await;
        match self.hear().await.unwrap() {
            ServerMessage::Admitted(admitted) => Ok(*admitted),
            ServerMessage::Refused { error } => Err(error),
            other => panic!("{other:?}"),
        }
    }
}

/// Signalling of the engine.
struct Engine(Socket);

impl Engine {
    async fn try_open(server: &RunningServer, token: &str) -> Result<Self, String> {
        let base = server.base_url().replacen("http", "ws", 1);
        let url = format!("{base}/rtc?access_token={token}&protocol=15&sdk=rust&auto_subscribe=1");
        let mut socket = dial(&url).await?;
        match timeout(PATIENCE, next_signal(&mut socket)).await.unwrap() {
            Some(signal_response::Message::Join(_)) => Ok(Self(socket)),
            other => Err(format!("{other:?}")),
        }
    }

    async fn open(server: &RunningServer, token: &str) -> Self {
        Self::try_open(server, token).await.unwrap()
    }

    async fn say(&mut self, message: signal_request::Message) {
        let request = SignalRequest {
            message: Some(message),
        };
        let frame = Message::binary(request.encode_to_vec());
        self.0.send(frame).await.unwrap();
    }

    async fn announce(&mut self, cid: &str, source: TrackSource) {
        let kind = match source {
            TrackSource::Microphone => TrackType::Audio,
            _ => TrackType::Video,
        };
        let request = AddTrackRequest {
            cid: cid.to_owned(),
            source: source.into(),
            r#type: kind.into(),
            ..AddTrackRequest::default()
        };
        self.say(signal_request::Message::AddTrack(request)).await;
    }

    /// Reads until something is of interest; `None` when the engine hung up first.
    async fn until<T>(
        &mut self,
        mut wanted: impl FnMut(signal_response::Message) -> Option<T>,
    ) -> Option<T> {
        let search = async {
            while let Some(message) = next_signal(&mut self.0).await {
                if let Some(found) = wanted(message) {
                    return Some(found);
                }
            }
            None
        };
        timeout(PATIENCE, search)
            .await
            .expect("the engine said nothing of it")
    }
}

async fn next_signal(socket: &mut Socket) -> Option<signal_response::Message> {
    loop {
        match socket.next().await? {
            Ok(Message::Binary(bytes)) => {
                let response = SignalResponse::decode(bytes).unwrap();
                if response.message.is_some() {
                    return response.message;
                }
            }
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// A user with both, whose list follows what control tells.
struct User {
    control: Control,
    engine: Engine,
    admitted: Admitted,
    roster: Roster,
    requests: u64,
}

impl User {
    async fn join(server: &RunningServer, topic: &str, user: &str, host: bool) -> Self {
        let mut control = Control::open(server).await;
        let admitted = control.join(request(topic, user, host)).await.unwrap();
        let engine = Engine::open(server, &admitted.engine.token).await;
        let mut joined = Self {
            control,
            engine,
            roster: Roster::from_snapshot(admitted.snapshot.clone()),
            admitted,
            requests: 0,
        };
        joined.until(|roster| roster.get(&id(user)).is_some()).await;
        joined
    }

    /// Follows changes until the list is so.
    async fn until(&mut self, wanted: impl Fn(&Roster) -> bool) {
        while !wanted(&self.roster) {
            match self.control.hear().await.expect("control hung up") {
                ServerMessage::Changed { revision, change } => {
                    self.roster.apply(revision, &change).unwrap();
                }
                ServerMessage::Snapshot(snapshot) => self.roster = Roster::from_snapshot(snapshot),
                ServerMessage::Notice(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn act(&mut self, action: Action) -> Result<(), RefusalCode> {
        self.requests += 1;
        let request = self.requests;
        self.control
            .say(&ClientMessage::Act { request, action })
            .await;
        loop {
            match self.control.hear().await.expect("control hung up") {
                ServerMessage::Done { request: of } if of == request => return Ok(()),
                ServerMessage::Denied { request: of, error } if of == request => {
                    return Err(error.code);
                }
                ServerMessage::Changed { revision, change } => {
                    self.roster.apply(revision, &change).unwrap();
                }
                _ => {}
            }
        }
    }

    async fn notice(&mut self) -> Notice {
        loop {
            match self.control.hear().await.expect("control hung up") {
                ServerMessage::Notice(notice) => return notice,
                ServerMessage::Changed { revision, change } => {
                    self.roster.apply(revision, &change).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Why the session is over for this user.
    async fn end(&mut self) -> (EndReason, Option<String>) {
        loop {
            match self
                .control
                .hear()
                .await
                .expect("control hung up without a reason")
            {
                ServerMessage::Ended { reason, text } => return (reason, text),
                ServerMessage::Changed { .. }
                | ServerMessage::Notice(_)
                | ServerMessage::Done { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn post(
    server: &RunningServer,
    path: &str,
    body: String,
    ticket: Option<&str>,
) -> (StatusCode, serde_json::Value) {
    let client = reqwest::Client::new();
    let request = client.post(server.base_url() + path).body(body);
    let mut request = request.header("content-type", "application/json");
    if let Some(ticket) = ticket {
        request = request.bearer_auth(ticket);
    }
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default())
}

#[tokio::test]
async fn s1_s2_s125_s126_s128_s129_s132_s134_two_users_see_each_other_and_what_changes() {
    let server = start(|_| {}).await;
    let mut ann = User::join(&server, "Stand-Up", "ann", true).await;
    let mut bob = User::join(&server, "stand-up", "bob", false).await;
    ann.until(|roster| roster.len() == 2).await;
    assert_eq!(bob.roster.get(&id("ann")).unwrap().role, Role::Host);
    bob.engine.announce("mic", TrackSource::Microphone).await;
    ann.until(|roster| roster.get(&id("bob")).unwrap().audio == AudioState::On)
        .await;
    bob.act(Action::Rename {
        identity: None,
        name: UserName::new("Robert"),
    })
    .await
    .unwrap();
    let renamed =
        |roster: &Roster| roster.get(&id("bob")).unwrap().name.as_deref() == Some("Robert");
    ann.until(renamed).await;
    bob.until(renamed).await;
    let revision = ann.roster.revision();
    bob.until(|roster| roster.revision() == revision).await;
    assert_eq!(ann.roster.digest(), bob.roster.digest());
    // Who comes late has the same list.
    let cid = User::join(&server, "STAND-UP", "cid", false).await;
    ann.until(|roster| roster.len() == 3).await;
    assert_eq!(ann.roster.digest(), cid.roster.digest());
    assert_eq!(server.sessions().await, (1, 3));
    server.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn s104_s105_mute_and_the_question_to_unmute_reach_the_engine_and_the_user() {
    let server = start(|_| {}).await;
    let mut ann = User::join(&server, "a", "ann", true).await;
    let mut bob = User::join(&server, "a", "bob", false).await;
    bob.engine.announce("mic", TrackSource::Microphone).await;
    ann.until(|roster| {
        roster
            .get(&id("bob"))
            .is_some_and(|bob| bob.audio == AudioState::On)
    })
    .await;
    ann.act(Action::Mute {
        identity: id("bob"),
    })
    .await
    .unwrap();
    assert_eq!(bob.notice().await, Notice::MutedBy { by: id("ann") });
    let muted = bob.engine.until(|message| match message {
        signal_response::Message::Mute(mute) => Some(mute.muted),
        _ => None,
    });
    assert_eq!(muted.await, Some(true));
    ann.until(|roster| roster.get(&id("bob")).unwrap().audio == AudioState::Muted)
        .await;
    ann.act(Action::AskToUnmute {
        identity: id("bob"),
    })
    .await
    .unwrap();
    assert_eq!(bob.notice().await, Notice::UnmuteAsked { by: id("ann") });
    bob.act(Action::AnswerUnmute { accepted: false })
        .await
        .unwrap();
    let answer = Notice::UnmuteAnswered {
        identity: id("bob"),
        accepted: false,
    };
    assert_eq!(ann.notice().await, answer);
    assert_eq!(ann.roster.get(&id("bob")).unwrap().audio, AudioState::Muted);
}

#[tokio::test]
async fn s108_a_removed_user_gets_in_by_nothing() {
    let server = start(|_| {}).await;
    let mut ann = User::join(&server, "a", "ann", true).await;
    let mut bob = User::join(&server, "a", "bob", false).await;
    ann.act(Action::Remove {
        identity: id("bob"),
    })
    .await
    .unwrap();
    assert_eq!(bob.end().await.0, EndReason::Removed);
    let reason = bob.engine.until(|message| match message {
        signal_response::Message::Leave(leave) => Some(leave.reason()),
        _ => None,
    });
    assert_eq!(
        reason.await,
        Some(proto::DisconnectReason::ParticipantRemoved)
    );
    // By the session token.
    let mut control = Control::open(&server).await;
    let refused = control.join(request("a", "bob", true)).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::RemovedFromSession);
    // By the ticket.
    let mut control = Control::open(&server).await;
    let ticket = bob.admitted.ticket.clone();
    control.say(&ClientMessage::Resume { ticket }).await;
    let Some(ServerMessage::Ended { reason, .. }) = control.hear().await else {
        panic!("not told");
    };
    assert_eq!(reason, EndReason::Removed);
    let (status, _) = post(
        &server,
        ACTION_PATH,
        r#"{"action":"lock_share","locked":true}"#.to_owned(),
        Some(&bob.admitted.ticket.0),
    )
    .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    // By the engine token, which is good for minutes: not even for a moment.
    let tried = Engine::try_open(&server, &bob.admitted.engine.token).await;
    assert!(tried.is_err(), "a removed user got into the engine");
    ann.until(|roster| roster.len() == 1).await;
    assert_eq!(ann.roster.len(), 1);
    assert_eq!(server.sessions().await, (1, 1));
}

#[tokio::test]
async fn s90_s92_the_end_is_told_with_the_hosts_words_on_both_ways() {
    let server = start(|_| {}).await;
    let mut ann = User::join(&server, "a", "ann", true).await;
    let mut bob = User::join(&server, "a", "bob", false).await;
    let end = Action::End {
        text: Some("Lunch!".to_owned()),
    };
    assert_eq!(bob.act(end.clone()).await, Err(RefusalCode::HostRequired));
    ann.requests += 1;
    let request = ann.requests;
    ann.control
        .say(&ClientMessage::Act {
            request,
            action: end,
        })
        .await;
    for user in [&mut ann, &mut bob] {
        let told = user.end().await;
        assert_eq!(told, (EndReason::EndedByHost, Some("Lunch!".to_owned())));
        let reason = user.engine.until(|message| match message {
            signal_response::Message::Leave(leave) => Some(leave.reason()),
            _ => None,
        });
        assert_eq!(reason.await, Some(proto::DisconnectReason::RoomDeleted));
    }
    assert_eq!(server.sessions().await, (0, 0));
    // The next session of that topic knows nothing of it.
    let again = User::join(&server, "a", "bob", false).await;
    assert_ne!(again.admitted.session, bob.admitted.session);
    assert_eq!(again.roster.len(), 1);
}

#[tokio::test]
async fn s3_sessions_do_not_see_each_other() {
    let server = start(|_| {}).await;
    let mut ann = User::join(&server, "a", "ann", true).await;
    let _bob = User::join(&server, "b", "bob", true).await;
    // The same topic of another application is another session.
    let mut foreign = Control::open(&server).await;
    let request = JoinRequest {
        token: mint(&other_app(), "a", "eve", true),
        ..request("a", "eve", true)
    };
    let eve = foreign.join(request).await.unwrap();
    let _engine = Engine::open(&server, &eve.engine.token).await;
    assert_eq!(eve.snapshot.users, []);
    for stranger in ["bob", "eve"] {
        let remove = Action::Remove {
            identity: id(stranger),
        };
        assert_eq!(ann.act(remove).await, Err(RefusalCode::UnknownUser));
    }
    assert_eq!(ann.roster.len(), 1);
    assert_eq!(server.sessions().await.0, 3);
}

#[tokio::test]
async fn s48_s52_s71_every_refusal_of_a_join_has_its_code() {
    let server = start(|config| config.session.passcode_tries_per_minute = 3).await;
    let mut first = request("locked", "ann", true);
    first.passcode = Some("12 34".to_owned());
    let mut control = Control::open(&server).await;
    let ann = control.join(first.clone()).await.unwrap();
    let _engine = Engine::open(&server, &ann.engine.token).await;
    // The session begins, and with it its passcode, once she is on the list.
    while !matches!(
        control.hear().await,
        Some(ServerMessage::Changed {
            change: Change::UserJoined { .. },
            ..
        })
    ) {}

    let expect = async |request: &JoinRequest, status: StatusCode, code: &str| {
        let body = serde_json::to_string(request).unwrap();
        let (got, answer) = post(&server, JOIN_PATH, body, None).await;
        assert_eq!(
            (got, answer["code"].as_str()),
            (status, Some(code)),
            "{answer}"
        );
        assert!(
            answer["message"]
                .as_str()
                .is_some_and(|words| words.len() > 10)
        );
    };
    let base = request("locked", "bob", false);
    let with = |change: fn(&mut JoinRequest)| {
        let mut request = base.clone();
        change(&mut request);
        request
    };
    let bad = StatusCode::BAD_REQUEST;
    expect(
        &with(|r| r.topic = "a/b".to_owned()),
        bad,
        "invalid_parameter",
    )
    .await;
    expect(
        &with(|r| r.topic = "x".repeat(151)),
        bad,
        "invalid_parameter",
    )
    .await;
    expect(
        &with(|r| r.passcode = Some("12345678901".to_owned())),
        bad,
        "invalid_parameter",
    )
    .await;
    let forbidden = StatusCode::FORBIDDEN;
    expect(
        &with(|r| r.topic = "other".to_owned()),
        forbidden,
        "topic_mismatch",
    )
    .await;
    let unauthorized = StatusCode::UNAUTHORIZED;
    expect(
        &with(|r| r.token = "x.y.z".to_owned()),
        unauthorized,
        "invalid_token",
    )
    .await;
    // Wrong passcodes, and none, up to the limit; then the right one waits too.
    for passcode in [None, Some("1234"), Some("12 35")] {
        let mut wrong = base.clone();
        wrong.passcode = passcode.map(str::to_owned);
        expect(&wrong, forbidden, "wrong_passcode").await;
    }
    let mut right = base.clone();
    right.passcode = first.passcode.clone();
    expect(&right, StatusCode::TOO_MANY_REQUESTS, "rate_limited").await;
    // Another topic is not concerned.
    let mut other = Control::open(&server).await;
    other.join(request("open", "bob", false)).await.unwrap();
}

#[tokio::test]
async fn s48_s70_the_tokens_topic_is_compared_as_topics_are() {
    let server = start(|_| {}).await;
    for (topic, tokens, same) in [
        ("STAND-UP", "stand-up", true),
        ("E\u{301}t\u{e9}", "\u{e9}T\u{c9}", true),
        ("stand up", "stand-up", false),
    ] {
        let mut control = Control::open(&server).await;
        let request = JoinRequest {
            token: mint(&app(), tokens, "ann", false),
            ..request(topic, "ann", false)
        };
        let refused = control
            .join(request)
            .await
            .err()
            .map(|refusal| refusal.code);
        let expected = (!same).then_some(RefusalCode::TopicMismatch);
        assert_eq!(refused, expected, "{topic:?} {tokens:?}");
    }
}

#[tokio::test]
async fn s63_of_many_host_tokens_at_once_one_becomes_host() {
    let server = start(|_| {}).await;
    let mut joins = tokio::task::JoinSet::new();
    for number in 0..20 {
        let body = serde_json::to_string(&request("race", &format!("h{number}"), true)).unwrap();
        let url = server.base_url() + JOIN_PATH;
        joins.spawn(async move {
            let response = reqwest::Client::new()
                .post(url)
                .body(body)
                .send()
                .await
                .unwrap();
            let admitted: Admitted = response.json().await.unwrap();
            admitted.engine.token
        });
    }
    let tokens = joins.join_all().await;
    let mut engines = Vec::new();
    for token in &tokens {
        engines.push(Engine::open(&server, token).await);
    }
    let mut ann = User::join(&server, "race", "ann", false).await;
    ann.until(|roster| roster.len() == 21).await;
    let hosts = ann
        .roster
        .users()
        .filter(|user| user.role == Role::Host)
        .count();
    let managers = ann
        .roster
        .users()
        .filter(|user| user.role == Role::Manager)
        .count();
    assert_eq!((hosts, managers), (1, 19));
}

#[tokio::test]
async fn s96_s133_a_cut_connection_shows_at_once_and_the_ticket_brings_the_user_back() {
    let server = start(|_| {}).await;
    let mut ann = User::join(&server, "a", "ann", true).await;
    let bob = User::join(&server, "a", "bob", false).await;
    let connection = |state: ConnectionState| {
        move |roster: &Roster| {
            roster
                .get(&id("bob"))
                .is_some_and(|bob| bob.connection == state)
        }
    };
    let User {
        control,
        engine,
        admitted,
        ..
    } = bob;
    drop(control);
    ann.until(connection(ConnectionState::Reconnecting)).await;
    let mut control = Control::open(&server).await;
    let ticket = admitted.ticket.clone();
    control.say(&ClientMessage::Resume { ticket }).await;
    let Some(ServerMessage::Admitted(again)) = control.hear().await else {
        panic!("not admitted");
    };
    assert_eq!(again.identity, admitted.identity);
    assert_eq!(again.snapshot.users.len(), 2);
    ann.until(connection(ConnectionState::Connected)).await;
    // The engine loses them as well; by the new engine token they are back.
    drop(engine);
    ann.until(connection(ConnectionState::Reconnecting)).await;
    let _engine = Engine::open(&server, &again.engine.token).await;
    ann.until(connection(ConnectionState::Connected)).await;
}

#[tokio::test]
async fn s95_who_does_not_come_back_is_removed() {
    let server = start(|config| config.session.removed_after = Duration::from_secs(1)).await;
    let mut ann = User::join(&server, "a", "ann", true).await;
    let bob = User::join(&server, "a", "bob", false).await;
    ann.until(|roster| roster.len() == 2).await;
    drop(bob);
    ann.until(|roster| roster.len() == 1).await;
    assert_eq!(server.sessions().await, (1, 1));
}

#[tokio::test]
async fn s92_a_second_join_of_the_same_user_ends_the_first() {
    let server = start(|_| {}).await;
    let mut first = User::join(&server, "a", "ann", true).await;
    let second = User::join(&server, "a", "ann", true).await;
    assert_eq!(first.end().await.0, EndReason::DuplicateIdentity);
    assert_eq!(second.roster.get(&id("ann")).unwrap().role, Role::Host);
    assert_eq!(server.sessions().await, (1, 1));
}

#[tokio::test]
async fn s15_who_was_away_as_it_ended_learns_why() {
    let server = start(|_| {}).await;
    let mut ann = User::join(&server, "a", "ann", true).await;
    let bob = User::join(&server, "a", "bob", false).await;
    let ticket = bob.admitted.ticket.clone();
    drop(bob);
    let request = 1;
    let text = Some("Lunch!".to_owned());
    let action = Action::End { text };
    ann.control
        .say(&ClientMessage::Act { request, action })
        .await;
    ann.end().await;
    let mut control = Control::open(&server).await;
    control.say(&ClientMessage::Resume { ticket }).await;
    let Some(ServerMessage::Ended { reason, text }) = control.hear().await else {
        panic!("not told");
    };
    assert_eq!(reason, EndReason::EndedByHost);
    assert_eq!(text.as_deref(), Some("Lunch!"));
}

#[tokio::test]
async fn s92_a_server_that_stops_says_so() {
    let server = start(|_| {}).await;
    let mut ann = User::join(&server, "a", "ann", true).await;
    let (told, ()) = tokio::join!(ann.end(), server.stop(Duration::ZERO));
    assert_eq!(told.0, EndReason::ServerShutdown);
}

#[tokio::test]
async fn bad_messages_end_the_connection_and_nothing_else() {
    let server = start(|_| {}).await;
    let mut ann = User::join(&server, "a", "ann", true).await;
    let bad = [
        Message::text("{"),
        Message::text("[]"),
        Message::text(r#"{"type":"fly"}"#),
        Message::text(r#"{"type":"heartbeat"}"#),
        Message::text(r#"{"type":"join","topic":1,"token":2}"#),
        Message::text(r#"{"type":"join","topic":"a","token":"","admin":true}"#),
        Message::text(r#"{"type":"resume","ticket":"a.b"}"#),
        Message::binary(vec![0; 100]),
        Message::text(format!(r#"{{"type":"{}"}}"#, "x".repeat(64 * 1024))),
        Message::binary(vec![0; 16 * 1024 * 1024]),
    ];
    for message in bad {
        let mut control = Control::open(&server).await;
        // The server may hang up while a large one is still being sent.
        let _ = control.0.send(message).await;
        loop {
            match control.hear().await {
                None => break,
                Some(ServerMessage::Refused { .. }) => {}
                Some(other) => panic!("{other:?}"),
            }
        }
    }
    // Also of who has joined.
    ann.act(Action::LockShare { locked: true }).await.unwrap();
    for body in [
        "",
        "{",
        "null",
        r#"{"action":"fly"}"#,
        r#"{"action":"remove"}"#,
    ] {
        let ticket = ann.admitted.ticket.0.clone();
        let (status, answer) = post(&server, ACTION_PATH, body.to_owned(), Some(&ticket)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer["code"], "bad_message");
    }
    let huge = "x".repeat(1024 * 1024);
    let (status, _) = post(&server, JOIN_PATH, huge, None).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(server.sessions().await, (1, 1));
}

#[tokio::test]
async fn s103_to_s123_forged_actions_by_http_are_refused_by_the_server() {
    let server = start(|_| {}).await;
    let mut ann = User::join(&server, "a", "ann", true).await;
    let bob = User::join(&server, "a", "bob", false).await;
    let forged = [
        (
            r#"{"action":"rename","identity":"user:ann","name":"x"}"#,
            "host_or_manager_required",
        ),
        (
            r#"{"action":"mute","identity":"user:ann"}"#,
            "host_or_manager_required",
        ),
        (
            r#"{"action":"ask_to_unmute","identity":"user:ann"}"#,
            "host_or_manager_required",
        ),
        (
            r#"{"action":"remove","identity":"user:ann"}"#,
            "host_or_manager_required",
        ),
        (
            r#"{"action":"lock_share","locked":true}"#,
            "host_or_manager_required",
        ),
        (
            r#"{"action":"transfer_host","identity":"user:bob"}"#,
            "host_required",
        ),
        (r#"{"action":"reclaim_host"}"#, "host_required"),
        (
            r#"{"action":"make_manager","identity":"user:bob"}"#,
            "host_required",
        ),
        (
            r#"{"action":"revoke_manager","identity":"user:ann"}"#,
            "host_required",
        ),
        (
            r#"{"action":"start_live_stream","url":"rtmp://x","key":"y"}"#,
            "host_required",
        ),
        (r#"{"action":"stop_live_stream"}"#, "host_required"),
        (r#"{"action":"end","text":"bye"}"#, "host_required"),
    ];
    for (body, code) in forged {
        let ticket = &bob.admitted.ticket.0;
        let (status, answer) = post(&server, ACTION_PATH, body.to_owned(), Some(ticket)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
        assert_eq!(answer["code"], code, "{body}");
    }
    ann.until(|roster| roster.len() == 2).await;
    let ann_now = ann.roster.get(&id("ann")).unwrap();
    assert_eq!(
        (ann_now.role, ann_now.name.as_deref()),
        (Role::Host, Some("ann"))
    );
    // By the engine: its tokens carry no rights over the room.
    for method in [
        "RemoveParticipant",
        "MutePublishedTrack",
        "UpdateParticipant",
        "DeleteRoom",
    ] {
        let path = format!("/twirp/livekit.RoomService/{method}");
        let body = r#"{"room":"trial/a","identity":"user:ann"}"#.to_owned();
        let (status, _) = post(&server, &path, body, Some(&bob.admitted.engine.token)).await;
        assert!(
            status == StatusCode::FORBIDDEN || status == StatusCode::UNAUTHORIZED,
            "{status}"
        );
    }
}

#[tokio::test]
async fn s111_s130_s131_the_lock_reaches_the_engine() {
    let server = start(|_| {}).await;
    let mut ann = User::join(&server, "a", "ann", true).await;
    let mut bob = User::join(&server, "a", "bob", false).await;
    bob.engine
        .announce("screen", TrackSource::ScreenShare)
        .await;
    let sharing = |wanted: bool| {
        move |roster: &Roster| {
            roster
                .get(&id("bob"))
                .is_some_and(|bob| bob.sharing == wanted)
        }
    };
    ann.until(sharing(true)).await;
    ann.act(Action::LockShare { locked: true }).await.unwrap();
    assert_eq!(bob.notice().await, Notice::ShareStopped { by: id("ann") });
    ann.until(sharing(false)).await;
    bob.engine.announce("again", TrackSource::ScreenShare).await;
    bob.engine.announce("camera", TrackSource::Camera).await;
    ann.until(|roster| roster.get(&id("bob")).is_some_and(|bob| bob.video))
        .await;
    assert!(!ann.roster.get(&id("bob")).unwrap().sharing);
    ann.act(Action::LockShare { locked: false }).await.unwrap();
    bob.engine.announce("third", TrackSource::ScreenShare).await;
    ann.until(sharing(true)).await;
}

#[tokio::test]
async fn the_description_is_served() {
    let server = start(|_| {}).await;
    let url = server.base_url() + OPENAPI_PATH;
    let document: serde_json::Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"][JOIN_PATH]["post"].is_object());
}

#[tokio::test]
async fn s15_join_leave_and_end_at_once_leave_nothing_behind() {
    let server = start(|config| {
        config.session.removed_after = Duration::from_secs(2);
        config.session.reservation = Duration::from_secs(2);
    })
    .await;
    for _ in 0..5 {
        let mut ann = User::join(&server, "a", "ann", true).await;
        let mut others = Vec::new();
        for number in 0..5 {
            others.push(User::join(&server, "a", &format!("u{number}"), false).await);
        }
        let joining = async {
            for number in 5..10 {
                let mut control = Control::open(&server).await;
                let user = format!("u{number}");
                if let Ok(admitted) = control.join(request("a", &user, false)).await {
                    let _ = Engine::try_open(&server, &admitted.engine.token).await;
                }
            }
        };
        let leaving = async {
            for user in &mut others {
                let request = 1;
                let action = Action::Leave;
                user.control
                    .say(&ClientMessage::Act { request, action })
                    .await;
            }
        };
        let ending = async {
            let request = 99;
            let action = Action::End { text: None };
            ann.control
                .say(&ClientMessage::Act { request, action })
                .await;
        };
        tokio::join!(joining, leaving, ending);
        drop((ann, others));
        // Those who came after the end are a session of their own, which nobody is in any more.
        let empty = async {
            while server.sessions().await != (0, 0) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(50), empty)
            .await
            .expect("a session stays");
    }
}

#[tokio::test]
async fn s13_s14_a_user_who_left_says_so_to_the_others() {
    let server = start(|_| {}).await;
    let mut ann = User::join(&server, "a", "ann", true).await;
    let mut bob = User::join(&server, "a", "bob", false).await;
    let request = 1;
    let action = Action::Leave;
    bob.control
        .say(&ClientMessage::Act { request, action })
        .await;
    assert_eq!(bob.end().await.0, EndReason::Left);
    loop {
        if let Some(ServerMessage::Changed {
            change: Change::UserLeft { identity, reason },
            ..
        }) = ann.control.hear().await
        {
            assert_eq!(identity, id("bob"));
            assert_eq!(reason, greenroom_protocol::session::LeaveReason::Left);
            break;
        }
    }
}
