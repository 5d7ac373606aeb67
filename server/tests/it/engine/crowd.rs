//! Many users of one engine.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use greenroom_protocol::livekit::{
    grants::Grants,
    proto::{signal_request::Message as Say, signal_response::Message as Hear},
};

use super::harness::{Served, TestUser};

const N_USERS: usize = 1000;
/// Most memory that one who signals alone may cost, of both ends together, since both are in this
/// process, and with what other tests take meanwhile.
const MAX_BYTES_A_USER: usize = 128 * 1024;
const SILENCE: Duration = Duration::from_secs(600);

/// A thousand join one room, each is told of all, and what they cost is bounded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_in_one_room_cost_little() {
    greenroom_server::raise_open_files();
    // Nobody pings here.
    let served = Served::start(|config| config.timeouts.ping_timeout = SILENCE).await;
    let mut users: Vec<TestUser> = Vec::new();
    // The first of everything is not counted.
    for n in 0..10 {
        users.push(served.join("r", &format!("early {n}")).await.0);
    }
    let (before, began) = (resident_bytes(), Instant::now());
    for n in 0..N_USERS {
        users.push(served.join("r", &format!("user {n}")).await.0);
    }
    let each = (resident_bytes().saturating_sub(before)) / N_USERS;
    println!(
        "{N_USERS} joined in {:?}, {each} bytes each",
        began.elapsed()
    );
    assert!(each < MAX_BYTES_A_USER, "{each} bytes each");
    assert_eq!(served.engine.figures().participants, N_USERS + 10);
    // The last to come is known to the first: by a batch, since the room is large.
    let last = format!("user {}", N_USERS - 1);
    let began = Instant::now();
    users[0].update(|it| it.identity == last).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    // And the server still answers at once.
    let (mut late, join) = served.join_with(Grants::join("r", "late")).await;
    let mut n_seen = join.other_participants.len();
    while n_seen < N_USERS + 10 {
        n_seen += late
            .find(|message| match message {
                Hear::Update(update) => Some(update.participants.len()),
                _ => None,
            })
            .await;
    }
    assert_eq!(n_seen, N_USERS + 10);
    let began = Instant::now();
    late.say(Say::Ping(1)).await;
    late.find(|message| matches!(message, Hear::Pong(_)).then_some(()))
        .await;
    println!("answered after {:?}", began.elapsed());
}

/// Memory of this process that is in RAM.
///
/// Source: proc(5), `statm`: the second number, in pages.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
