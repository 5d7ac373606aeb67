//! A load of sessions: many users in few sockets and little memory, each with a user list of its own.
//! `script/bench sessions` runs it; it prints one JSON object.
//!
//! `session_load URL KEY one USERS CHANGES` puts all users into one session, changes it at random, and
//! compares every list with the server's. `session_load URL KEY act USERS ACTIONS` times privileged
//! actions until all have seen them. `session_load URL KEY many SESSIONS` makes sessions of two.
//! The application's secret is read from `GREENROOM_APP_SECRET`; `SERVER_PID` names the process whose
//! memory is looked at.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a load: drives real sockets, and what surprises it ends it"
)]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt as _, StreamExt as _};
use greenroom_protocol::livekit::proto::{
    AddTrackRequest, LeaveRequest, Message as _, MuteTrackRequest, Ping, SignalRequest,
    SignalResponse, TrackSource, signal_request, signal_response,
};
use greenroom_protocol::session::message::{
    Action, Admitted, CONTROL_PATH, ClientMessage, JOIN_PATH, JoinRequest, ServerMessage,
};
use greenroom_protocol::session::token::{self, AppKey, Claims};
use greenroom_protocol::session::{Identity, Roster, UserName};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

type Socket = WebSocketStream<TcpStream>;

/// Joins under way at a time.
const JOINING: usize = 32;

/// What a user is told to do.
#[derive(Debug)]
enum Order {
    Act(Action),
    Announce,
    Mute(bool),
    Leave,
}

/// A user who is in.
struct User {
    identity: Identity,
    orders: mpsc::UnboundedSender<Order>,
    roster: watch::Receiver<Roster>,
}

#[derive(Clone)]
struct Target {
    base: String,
    app: AppKey,
}

impl Target {
    fn request(&self, topic: &str, user: &str, host: bool) -> JoinRequest {
        let iat = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let claims = Claims {
            app_key: self.app.key().to_owned(),
            tpc: topic.to_owned(),
            role_type: u8::from(host),
            version: 1,
            iat,
            exp: iat + 3600,
            user_key: Some(user.to_owned()),
            session_key: None,
            geo_regions: None,
        };
        JoinRequest {
            topic: topic.to_owned(),
            token: token::mint(&self.app, &claims).unwrap(),
            user_name: UserName::new(user),
            passcode: None,
            idle_timeout_minutes: None,
        }
    }

    async fn join(&self, topic: &str, user: &str, host: bool) -> User {
        let url = self.base.replacen("http", "ws", 1);
        let mut control = dial(&format!("{url}{CONTROL_PATH}")).await;
        let request = ClientMessage::Join(self.request(topic, user, host));
        say(&mut control, &request).await;
        let admitted = match hear(&mut control).await {
            Some(ServerMessage::Admitted(admitted)) => *admitted,
            other => panic!("{user}: {other:?}"),
        };
        let token = &admitted.engine.token;
        let engine = format!("{url}/rtc?access_token={token}&protocol=15&sdk=load");
        let mut engine = dial(&engine).await;
        match signal(&mut engine).await {
            Some(signal_response::Message::Join(_)) => {}
            other => panic!("{user}: {other:?}"),
        }
        let (orders, inbox) = mpsc::unbounded_channel();
        let (sender, roster) = watch::channel(Roster::from_snapshot(admitted.snapshot));
        let user = User {
            identity: admitted.identity.clone(),
            orders,
            roster,
        };
        tokio::spawn(live(control, engine, inbox, sender));
        user
    }

    /// The server's own list, without joining.
    async fn servers_list(&self, topic: &str) -> Roster {
        let body = serde_json::to_string(&self.request(topic, "asker", false)).unwrap();
        let client = reqwest::Client::new();
        let response = client
            .post(format!("{}{JOIN_PATH}", self.base))
            .body(body)
            .send()
            .await;
        let admitted: Admitted = response.unwrap().json().await.unwrap();
        Roster::from_snapshot(admitted.snapshot)
    }
}

async fn dial(url: &str) -> Socket {
    let address = url
        .strip_prefix("ws://")
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    client_async(url, stream).await.unwrap().0
}

async fn say(socket: &mut Socket, message: &ClientMessage) {
    let text = serde_json::to_string(message).unwrap();
    socket.send(Message::text(text)).await.unwrap();
}

async fn hear(socket: &mut Socket) -> Option<ServerMessage> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

async fn signal(socket: &mut Socket) -> Option<signal_response::Message> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => {
                return SignalResponse::decode(bytes).unwrap().message;
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

/// Follows the list, says that it is there, and does what it is told, until the end.
async fn live(
    mut control: Socket,
    mut engine: Socket,
    mut orders: mpsc::UnboundedReceiver<Order>,
    roster: watch::Sender<Roster>,
) {
    let mut beat = tokio::time::interval(Duration::from_secs(2));
    let mut request = 0;
    let mut track = None;
    loop {
        tokio::select! {
            message = hear(&mut control) => match message {
                Some(ServerMessage::Changed { revision, change }) => {
                    roster.send_modify(|list| { list.apply(revision, &change).unwrap(); });
                }
                Some(ServerMessage::Snapshot(snapshot)) => {
                    roster.send_replace(Roster::from_snapshot(snapshot));
                }
                Some(ServerMessage::Denied { error, .. }) => panic!("{error}"),
                Some(ServerMessage::Ended { .. }) | None => return,
                Some(_) => {}
            },
            message = signal(&mut engine) => match message {
                Some(signal_response::Message::TrackPublished(published)) => {
                    track = published.track.map(|track| track.sid);
                }
                // Its user may be about to leave by session control.
                None => std::future::pending().await,
                Some(_) => {}
            },
            _ = beat.tick() => {
                say(&mut control, &ClientMessage::Heartbeat).await;
                let ping = Ping { timestamp: 1, rtt: 0 };
                send(&mut engine, signal_request::Message::PingReq(ping)).await;
            }
            order = orders.recv() => match order {
                Some(Order::Act(action)) => {
                    request += 1;
                    say(&mut control, &ClientMessage::Act { request, action }).await;
                }
                Some(Order::Announce) => {
                    let add = AddTrackRequest {
                        cid: "microphone".to_owned(),
                        source: TrackSource::Microphone.into(),
                        ..AddTrackRequest::default()
                    };
                    send(&mut engine, signal_request::Message::AddTrack(add)).await;
                }
                Some(Order::Mute(muted)) => {
                    if let Some(sid) = track.clone() {
                        let mute = MuteTrackRequest { sid, muted };
                        send(&mut engine, signal_request::Message::Mute(mute)).await;
                    }
                }
                Some(Order::Leave) | None => {
                    let leave = LeaveRequest::default();
                    send(&mut engine, signal_request::Message::Leave(leave)).await;
                    let action = Action::Leave;
                    say(&mut control, &ClientMessage::Act { request: 0, action }).await;
                    return;
                }
            }
        }
    }
}

async fn send(socket: &mut Socket, message: signal_request::Message) {
    let request = SignalRequest {
        message: Some(message),
    };
    // An engine that hung up is noticed by who reads.
    let _ = socket.send(Message::binary(request.encode_to_vec())).await;
}

/// Joins many at a time, in order of their numbers.
async fn join_all(target: &Target, jobs: Vec<(String, String, bool)>) -> Vec<User> {
    let joins = jobs.into_iter().map(|(topic, user, host)| {
        let target = target.clone();
        async move { target.join(&topic, &user, host).await }
    });
    futures_util::stream::iter(joins)
        .buffered(JOINING)
        .collect()
        .await
}

/// Waits until every list is so.
async fn all_see(users: &mut [User], wanted: impl Fn(&Roster) -> bool + Copy) {
    for user in users {
        user.roster.wait_for(wanted).await.unwrap();
    }
}

/// Resident memory of the server, in bytes.
fn memory() -> Option<u64> {
    let pid = std::env::var("SERVER_PID").ok()?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(1024 * kilobytes)
}

fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

async fn one(target: &Target, n: usize, changes: usize) -> serde_json::Value {
    let before = memory();
    let began = Instant::now();
    let jobs = (0..n)
        .map(|i| ("one".to_owned(), format!("u{i}"), i == 0))
        .collect();
    let mut users = join_all(target, jobs).await;
    all_see(&mut users, |list| list.len() == n).await;
    let joined = began.elapsed();
    let after = memory();
    // One who follows the list from here on, and never leaves.
    change_at_random(target, &mut users, changes).await;
    let (equal, revision) = settle(target, &users).await;
    json!({
        "users": n,
        "joined_s": joined.as_secs_f64(),
        "bytes_per_user": before.zip(after).map(|(b, a)| a.saturating_sub(b) / n as u64),
        "changes": changes,
        "users_after": users.len(),
        "lists_equal": equal,
        "revision": revision,
    })
}

/// Joins, leaves, renames, announces and mutes. The first user is the host and stays.
async fn change_at_random(target: &Target, users: &mut Vec<User>, changes: usize) {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for number in 0..changes {
        let index = 1 + random.below(users.len() - 1);
        match random.below(6) {
            0 => {
                let user = users.swap_remove(index);
                user.orders.send(Order::Leave).unwrap();
            }
            1 => users.push(target.join("one", &format!("late{number}"), false).await),
            2 => {
                let rename = Action::Rename {
                    identity: None,
                    name: UserName::new(&format!("name {number}")),
                };
                users[index].orders.send(Order::Act(rename)).unwrap();
            }
            3 => {
                let rename = Action::Rename {
                    identity: Some(users[index].identity.clone()),
                    name: UserName::new(&format!("host's name {number}")),
                };
                users[0].orders.send(Order::Act(rename)).unwrap();
                // The host's order must come before the user may leave.
                let name = UserName::new(&format!("host's name {number}"));
                let whom = users[index].identity.clone();
                let named = |list: &Roster| list.get(&whom).is_some_and(|user| user.name == name);
                users[0].roster.wait_for(named).await.unwrap();
            }
            4 => users[index].orders.send(Order::Announce).unwrap(),
            _ => users[index]
                .orders
                .send(Order::Mute(number % 2 == 0))
                .unwrap(),
        }
    }
}

/// Waits until nothing changes any more, then compares every list with the server's.
async fn settle(target: &Target, users: &[User]) -> (usize, u64) {
    let mut last = None;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let servers = target.servers_list("one").await;
        let revision = servers.revision();
        let all_there = users
            .iter()
            .all(|user| user.roster.borrow().revision() == revision);
        if last == Some(revision) && all_there {
            let digest = servers.digest();
            let same = |user: &&User| user.roster.borrow().digest() == digest;
            return (users.iter().filter(same).count(), revision);
        }
        last = Some(revision);
    }
}

async fn act(target: &Target, n: usize, actions: usize) -> serde_json::Value {
    let jobs = (0..n)
        .map(|i| ("act".to_owned(), format!("u{i}"), i == 0))
        .collect();
    let mut users = join_all(target, jobs).await;
    all_see(&mut users, |list| list.len() == n).await;
    let mut took: Vec<Duration> = Vec::new();
    for number in 0..actions {
        let name = UserName::new(&format!("name {number}"));
        let whom = users[1 + number % (n - 1)].identity.clone();
        let rename = Action::Rename {
            identity: Some(whom.clone()),
            name: name.clone(),
        };
        let began = Instant::now();
        users[0].orders.send(Order::Act(rename)).unwrap();
        all_see(&mut users, |list| {
            list.get(&whom).is_some_and(|user| user.name == name)
        })
        .await;
        took.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    took.sort();
    let at = |share: f64| {
        let index = (share * (took.len() - 1) as f64).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "in range"
        )]
        milliseconds(took[index as usize])
    };
    json!({ "users": n, "actions": actions, "p50_ms": at(0.5), "p95_ms": at(0.95), "max_ms": at(1.0) })
}

async fn many(target: &Target, n: usize) -> serde_json::Value {
    let before = memory();
    let began = Instant::now();
    let jobs = (0..2 * n).map(|i| (format!("session {}", i / 2), format!("u{i}"), i % 2 == 0));
    let mut users = join_all(target, jobs.collect()).await;
    all_see(&mut users, |list| list.len() >= 2).await;
    let took = began.elapsed();
    let foreign = AtomicUsize::new(0);
    for (i, user) in users.iter().enumerate() {
        let pair = [i - i % 2, i - i % 2 + 1].map(|i| Identity(format!("user:u{i}")));
        let list = user.roster.borrow();
        let seen: BTreeSet<_> = list.users().map(|user| user.identity.clone()).collect();
        if seen != BTreeSet::from(pair) {
            foreign.fetch_add(1, Ordering::Relaxed);
        }
    }
    let after = memory();
    json!({
        "sessions": n,
        "took_s": took.as_secs_f64(),
        "bytes_per_session": before.zip(after).map(|(b, a)| a.saturating_sub(b) / n as u64),
        "lists_with_others": foreign.into_inner(),
    })
}

/// xorshift64*: the same changes in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % bound
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, key, what, numbers @ ..] = arguments.as_slice() else {
        panic!("session_load URL KEY one|act|many N [M]");
    };
    let secret = std::env::var("GREENROOM_APP_SECRET").unwrap();
    let target = Target {
        base: base.trim_end_matches('/').to_owned(),
        app: AppKey::new(key, &secret).unwrap(),
    };
    let numbers: Vec<usize> = numbers.iter().map(|text| text.parse().unwrap()).collect();
    let figures = match (what.as_str(), numbers.as_slice()) {
        ("one", [users, changes]) => one(&target, *users, *changes).await,
        ("act", [users, actions]) => act(&target, *users, *actions).await,
        ("many", [sessions]) => many(&target, *sessions).await,
        _ => panic!("one USERS CHANGES, act USERS ACTIONS or many SESSIONS"),
    };
    println!("{figures}");
}
