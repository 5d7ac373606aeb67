//! Many users of one engine.
#![cfg(target_os = "linux")]

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use greenroom_protocol::livekit::{
    grants::Grants,
    proto::{signal_request::Message as Say, signal_response::Message as Hear},
};

use super::harness::{Served, TestUser};

const N_USERS: usize = 1000;
/// Most memory that one who signals alone may cost, of both ends together, since both are in one
/// process.
const MAX_BYTES_A_USER: usize = 100 * 1024;
/// Set in the process that measures.
const ALONE: &str = "GREENROOM_TEST_CROWD";
/// Nobody pings here.
const SILENCE: Duration = Duration::from_secs(600);

/// In a process of its own, whose memory no other test takes.
#[test]
fn a_thousand_in_one_room_cost_little() {
    if std::env::var_os(ALONE).is_none() {
        let name = "engine::crowd::a_thousand_in_one_room_cost_little";
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(ALONE, "yes")
            .output()
            .unwrap();
        let (seen, words) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{seen}\n{words}");
        println!("{seen}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let seen = runtime.block_on(a_thousand_join());
    println!("{seen}");
}

/// A thousand join one room, each is told of all, and what they cost is bounded.
async fn a_thousand_join() -> String {
    greenroom_server::raise_open_files();
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
    let mut seen = format!(
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
    let _infallible = write!(seen, "; answered after {:?}", began.elapsed());
    seen
}

/// Memory of this process that is in RAM.
///
/// Source: proc(5), `statm`: the second number, in pages.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
